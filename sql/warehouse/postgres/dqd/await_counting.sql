-- Waits for whoever has marks in hand (the profile_* statements skip what is locked): with its commit
-- their cells are counted. Locks nothing that somebody else would wait for.
-- $1 table_name text  null: every table
-- rows: exactly one (marks bigint): those that are left, made since
select count(*) as marks
  from (
    select m.day
      from analytics_run.profile_dirty m
     where $1::text is null or m.table_name = $1::text
       for key share) as m;
