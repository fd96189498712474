-- opens the transaction of a unit of work; read committed, so that each statement sees what was
-- committed before it (the lock is taken in a statement before the ones that read)
begin isolation level read committed;
