-- The rows of every table (from the profiles) against the rows its events call for, or the table it is
-- derived from. Left out: tables with dirty cells, and whatever is still to be applied.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id, observed numeric, expected numeric)
with tenant as (
    select t.tenant_id
      from pg_catalog.unnest($1::text[]) as t (tenant_id)
     where not exists (
           select from analytics_run.delta d
            where d.tenant_id = t.tenant_id
              and d.shard = analytics_run.shard_of(t.tenant_id)
              and d.consumer <> 'none')
), expected as (
    select 'fact_reservation' as table_name, t.tenant_id,
           (select count(distinct e.reservation_id)
              from analytics_curated.event_reservation e
             where e.tenant_id = t.tenant_id and e.verb in ('confirmed', 'held')) as rows
      from tenant t
     union all
    select 'fact_room_night', t.tenant_id,
           (select coalesce(sum(f.night_rows), 0)
              from analytics_curated.fact_reservation f
             where f.tenant_id = t.tenant_id)
      from tenant t
     union all
    select 'fact_payment', t.tenant_id,
           (select count(distinct e.transaction_id)
              from analytics_curated.event_payment e
             where e.tenant_id = t.tenant_id)
      from tenant t
     union all
    select 'fact_inventory_day', t.tenant_id,
           (select coalesce(sum(r.inventory_to - r.inventory_from + 1), 0)
              from analytics_curated.dim_room_type r
             where r.tenant_id = t.tenant_id)
      from tenant t
     union all
    select case e.entity when 'property' then 'dim_property' else 'dim_room' end, e.tenant_id,
           count(distinct e.entity_id)
      from analytics_curated.event_property e
      join tenant t on t.tenant_id = e.tenant_id
     where e.entity in ('property', 'room')
     group by 1, 2
     union all
    select 'dim_room_type', e.tenant_id, count(distinct e.room_type_id)
      from analytics_curated.event_property e
      join tenant t on t.tenant_id = e.tenant_id
     where e.room_type_id is not null
     group by 2
     union all
    select 'dim_tenant', e.tenant_id, 1
      from analytics_curated.event_tenant e
      join tenant t on t.tenant_id = e.tenant_id
     group by 2
)
select x.table_name, null::text as column_name, x.tenant_id,
       coalesce(sum(p.rows), 0)::numeric as observed, x.rows::numeric as expected
  from expected x
  left join analytics_run.profile p
    on p.tenant_id = x.tenant_id and p.table_name = x.table_name
 where not exists (
       select from analytics_run.profile_dirty m
        where m.tenant_id = x.tenant_id and m.table_name = x.table_name)
 group by x.table_name, x.tenant_id, x.rows;
