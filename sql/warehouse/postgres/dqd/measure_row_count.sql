-- The rows of every table (from the profiles) against the rows its events call for, or the table it is
-- derived from; a history by what its changes add up to, the funnel by its hand-offs (what went on without
-- one is a row for each session and property, of events that name neither). Left out: tables with dirty cells, and whatever
-- is still to be applied.
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
       and not exists (
           select from analytics_run.touched k
            where k.tenant_id = t.tenant_id
              and k.shard = analytics_run.shard_of(t.tenant_id)
              and k.consumer = any (array(select c.consumer from analytics_run.consumer c)))
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
     union all
    select 'fact_housekeeping_task', t.tenant_id,
           (select count(distinct e.task_id)
              from analytics_curated.event_housekeeping e
             where e.tenant_id = t.tenant_id and e.verb = 'created')
      from tenant t
     union all
    select 'dim_fx', t.tenant_id,
           (select count(distinct (e.base_currency, e.quote_currency,
                                   (e.captured_at at time zone coalesce(p.timezone, 'UTC'))::date))
              from analytics_curated.event_fx e
              left join analytics_curated.dim_property p
                on p.tenant_id = e.tenant_id and p.property_id = e.property_id
             where e.tenant_id = t.tenant_id)
      from tenant t
     union all
    select 'fact_lock_action', t.tenant_id,
           (select count(distinct case when e.verb like 'access.%' then e.lock_key else e.event_id end)
              from analytics_curated.event_lock e
             where e.tenant_id = t.tenant_id)
      from tenant t
     union all
    select 'fact_ai_suggestion', t.tenant_id,
           (select count(distinct e.suggestion_id)
              from analytics_curated.event_ai e
             where e.tenant_id = t.tenant_id
               and (e.verb = 'decided'
                    or not exists (
                       select from analytics_curated.event_ai d
                        where d.tenant_id = e.tenant_id and d.request_id = e.suggestion_id)))
      from tenant t
     union all
    select 'fact_demand_forecast', t.tenant_id,
           (select count(distinct (e.property_id, e.forecast_run_id, e.room_type_id, p.stay_date))
              from analytics_curated.event_forecast e
             cross join lateral pg_catalog.unnest(e.stay_date) with ordinality as p (stay_date, point)
             where e.tenant_id = t.tenant_id
               and not exists (
                   select from analytics_curated.forecast_quarantine q
                    where q.tenant_id = e.tenant_id and q.property_id = e.property_id
                      and q.forecast_run_id = e.forecast_run_id and q.room_type_id = e.room_type_id
                      and q.event_id = e.event_id and q.point = p.point))
      from tenant t
     union all
    select 'fact_audit_event', t.tenant_id,
           (select count(*)
              from analytics_curated.event_audit e
             where e.tenant_id = t.tenant_id)
      from tenant t
     union all
    select 'fact_room_night_history', t.tenant_id,
           (select count(*)
              from analytics_curated.fact_room_night f
             where f.tenant_id = t.tenant_id and f.state in ('on_books', 'in_house', 'stayed'))
      from tenant t
     union all
    select 'fact_funnel', t.tenant_id,
           (select count(distinct e.handoff_id)
              from analytics_curated.event_funnel e
             where e.owner_id = t.tenant_id and e.handoff_id is not null
               and (e.tenant_id = t.tenant_id
                    or exists (
                       select from analytics_curated.dim_property p
                        where p.tenant_id = t.tenant_id and p.property_id = e.property_id)))
      from tenant t
)
select x.table_name, null::text as column_name, x.tenant_id,
       coalesce(sum(case x.table_name
           when 'fact_room_night_history' then (p.stats ->> 'rooms')::numeric
           when 'fact_funnel' then (p.stats ->> 'handoffs')::numeric
           else p.rows end), 0) as observed, x.rows::numeric as expected
  from expected x
  left join analytics_run.profile p
    on p.tenant_id = x.tenant_id and p.table_name = x.table_name
 where not exists (
       select from analytics_run.profile_dirty m
        where m.tenant_id = x.tenant_id and m.table_name = x.table_name)
 group by x.table_name, x.tenant_id, x.rows;
