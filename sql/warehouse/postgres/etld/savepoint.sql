-- marks what a failing rebuild is rolled back to
savepoint rebuilt;
