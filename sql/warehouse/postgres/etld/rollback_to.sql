-- undoes a failed rebuild and what followed the last savepoint
rollback to savepoint rebuilt;
