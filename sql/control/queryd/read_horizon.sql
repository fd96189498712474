-- What this transaction sees, and whether a cursor is of this database: it is not when it has seen more.
-- $1 seen text   pg_snapshot; null = nothing yet
-- rows: 1 (now text: pg_snapshot, known boolean)
select pg_catalog.pg_current_snapshot()::text as now,
       $1::text is null
       or pg_catalog.pg_snapshot_xmax($1::pg_snapshot)
          <= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) as known;
