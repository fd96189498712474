-- Counts dirty cells of fact_room_night_history again. Marks are append only and taken in the statement that
-- counts: a mark this snapshot sees belongs to rows it sees; one made meanwhile stays for the next.
-- Needs lock_counting: of two snapshots the older one could be stored last. A purge's marks are skipped.
-- $1 cells_max int  most marks taken
-- rows: exactly one (marks bigint): how many were taken
with mark as (
    select m.ctid
      from analytics_run.profile_dirty m
     where m.table_name = 'fact_room_night_history'
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
               'property_id', count(f.tenant_id) filter (where f.property_id is null),
               'room_type_id', count(f.tenant_id) filter (where f.room_type_id is null),
               'rate_delta_micro', count(f.tenant_id) filter (where f.rate_delta_micro is null),
               'currency', count(f.tenant_id) filter (where f.currency is null)) as nulls,
           pg_catalog.jsonb_build_object('rooms', coalesce(sum(f.rooms_delta), 0)) as stats
      from cell c
      left join analytics_curated.fact_room_night_history f
        on f.tenant_id = c.tenant_id
       and f.stay_date = c.day
     group by c.tenant_id, c.day
), stored as (
    insert into analytics_run.profile as p (tenant_id, table_name, day, rows, nulls, stats)
    select n.tenant_id, 'fact_room_night_history', n.day, n.rows, n.nulls, n.stats
      from counted n
        on conflict (tenant_id, table_name, day) do update
       set rows = excluded.rows, nulls = excluded.nulls, stats = excluded.stats, computed_at = pg_catalog.now()
)
select count(*) as marks
  from taken;
