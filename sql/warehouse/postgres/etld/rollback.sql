-- gives up a unit of work; what it took is in the queue again
rollback;
