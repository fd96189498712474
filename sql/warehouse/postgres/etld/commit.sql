-- ends a unit of work
commit;
