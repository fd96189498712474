-- Counts dirty cells of fact_lock_action again. Marks are append only and taken in the statement that
-- counts: a mark this snapshot sees belongs to rows it sees; one made meanwhile stays for the next.
-- Needs lock_counting: of two snapshots the older one could be stored last. A purge's marks are skipped.
-- $1 cells_max int  most marks taken
-- rows: exactly one (marks bigint): how many were taken
with mark as (
    select m.ctid
      from analytics_run.profile_dirty m
     where m.table_name = 'fact_lock_action'
     limit $1::integer
       for update skip locked
), taken as (
    delete from analytics_run.profile_dirty m
     where m.ctid = any (array(select mark.ctid from mark))
    returning m.tenant_id, m.day
), cell as materialized (
    select distinct t.tenant_id, t.day
      from taken t
), counted as (
    select c.tenant_id, c.day, count(f.tenant_id) as rows,
           pg_catalog.jsonb_build_object(
               'property_id', count(f.tenant_id) filter (where f.property_id is null)) as nulls
      from cell c
      left join analytics_curated.fact_lock_action f
        on f.tenant_id = c.tenant_id
       and f.business_date = c.day
     group by c.tenant_id, c.day
), stored as (
    insert into analytics_run.profile as p (tenant_id, table_name, day, rows, nulls)
    select n.tenant_id, 'fact_lock_action', n.day, n.rows, n.nulls
      from counted n
        on conflict (tenant_id, table_name, day) do update
       set rows = excluded.rows, nulls = excluded.nulls, computed_at = pg_catalog.now()
)
select count(*) as marks
  from taken;
