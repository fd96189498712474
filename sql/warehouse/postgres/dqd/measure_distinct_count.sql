-- The distinct keys of every table against its rows: what is there twice makes the difference. Where a unique
-- index sees to it there is nothing to count, and the rows are those of the profiles (without tables that have
-- dirty cells); a table that has lost its index, or is not held to one, is counted.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id, observed numeric, expected numeric)
with grain as (
    select g.table_name,
           array(select k from pg_catalog.unnest('{tenant_id}'::text[] || g.keys) k order by k collate "C") as keys,
           pg_catalog.to_regclass('analytics_curated.' || v.table_name || '_v' || v.live) as relation
      from (values
           ('dim_fx', '{base_currency,quote_currency,rate_date}'::text[]),
           ('dim_property', '{property_id}'::text[]),
           ('dim_room', '{room_id}'::text[]),
           ('dim_room_type', '{room_type_id}'::text[]),
           ('dim_tenant', '{}'::text[]),
           ('fact_ai_suggestion', '{suggestion_id}'::text[]),
           ('fact_audit_event', '{event_id}'::text[]),
           ('fact_demand_forecast', '{property_id,forecast_run_id,room_type_id,stay_date}'::text[]),
           ('fact_funnel', '{funnel_id}'::text[]),
           ('fact_housekeeping_task', '{task_id}'::text[]),
           ('fact_inventory_day', '{room_type_id,date}'::text[]),
           ('fact_lock_action', '{lock_key,action_id}'::text[]),
           ('fact_payment', '{transaction_id}'::text[]),
           ('fact_reservation', '{reservation_id}'::text[]),
           ('fact_room_night', '{reservation_id,item_id,stay_date}'::text[]),
           ('fact_room_night_history', '{reservation_id,item_id,stay_date,known_at,rooms_delta}'::text[])
           ) as g (table_name, keys)
      join analytics_run.version v
        on v.table_name = g.table_name
), loose as materialized (
    select g.table_name
      from grain g
     where not exists (
           select
             from pg_catalog.pg_index i
            where i.indrelid = g.relation
              and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
              and g.keys = array(
                  select a.attname::text
                    from pg_catalog.pg_attribute a
                   where a.attrelid = i.indrelid
                     and a.attnum = any (i.indkey[0:i.indnkeyatts - 1])
                   order by a.attname::text collate "C"))
), counted as (
    select 'dim_fx' as table_name, f.tenant_id, count(distinct (f.base_currency, f.quote_currency, f.rate_date)) as keys, count(*) as rows
      from analytics_curated.dim_fx f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'dim_fx')
     group by f.tenant_id
     union all
    select 'dim_property' as table_name, f.tenant_id, count(distinct f.property_id) as keys, count(*) as rows
      from analytics_curated.dim_property f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'dim_property')
     group by f.tenant_id
     union all
    select 'dim_room' as table_name, f.tenant_id, count(distinct f.room_id) as keys, count(*) as rows
      from analytics_curated.dim_room f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'dim_room')
     group by f.tenant_id
     union all
    select 'dim_room_type' as table_name, f.tenant_id, count(distinct f.room_type_id) as keys, count(*) as rows
      from analytics_curated.dim_room_type f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'dim_room_type')
     group by f.tenant_id
     union all
    select 'dim_tenant' as table_name, f.tenant_id, count(distinct f.tenant_id) as keys, count(*) as rows
      from analytics_curated.dim_tenant f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'dim_tenant')
     group by f.tenant_id
     union all
    select 'fact_ai_suggestion' as table_name, f.tenant_id, count(distinct f.suggestion_id) as keys, count(*) as rows
      from analytics_curated.fact_ai_suggestion f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_ai_suggestion')
     group by f.tenant_id
     union all
    select 'fact_audit_event' as table_name, f.tenant_id, count(distinct f.event_id) as keys, count(*) as rows
      from analytics_curated.fact_audit_event f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_audit_event')
     group by f.tenant_id
     union all
    select 'fact_demand_forecast' as table_name, f.tenant_id, count(distinct (f.property_id, f.forecast_run_id, f.room_type_id, f.stay_date)) as keys, count(*) as rows
      from analytics_curated.fact_demand_forecast f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_demand_forecast')
     group by f.tenant_id
     union all
    select 'fact_funnel' as table_name, f.tenant_id, count(distinct f.funnel_id) as keys, count(*) as rows
      from analytics_curated.fact_funnel f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_funnel')
     group by f.tenant_id
     union all
    select 'fact_housekeeping_task' as table_name, f.tenant_id, count(distinct f.task_id) as keys, count(*) as rows
      from analytics_curated.fact_housekeeping_task f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_housekeeping_task')
     group by f.tenant_id
     union all
    select 'fact_inventory_day' as table_name, f.tenant_id, count(distinct (f.room_type_id, f.date)) as keys, count(*) as rows
      from analytics_curated.fact_inventory_day f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_inventory_day')
     group by f.tenant_id
     union all
    select 'fact_lock_action' as table_name, f.tenant_id, count(distinct (f.lock_key, f.action_id)) as keys, count(*) as rows
      from analytics_curated.fact_lock_action f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_lock_action')
     group by f.tenant_id
     union all
    select 'fact_payment' as table_name, f.tenant_id, count(distinct f.transaction_id) as keys, count(*) as rows
      from analytics_curated.fact_payment f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_payment')
     group by f.tenant_id
     union all
    select 'fact_reservation' as table_name, f.tenant_id, count(distinct f.reservation_id) as keys, count(*) as rows
      from analytics_curated.fact_reservation f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_reservation')
     group by f.tenant_id
     union all
    select 'fact_room_night' as table_name, f.tenant_id, count(distinct (f.reservation_id, f.item_id, f.stay_date)) as keys, count(*) as rows
      from analytics_curated.fact_room_night f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_room_night')
     group by f.tenant_id
     union all
    select 'fact_room_night_history' as table_name, f.tenant_id, count(distinct (f.reservation_id, f.item_id, f.stay_date, f.known_at, f.rooms_delta)) as keys, count(*) as rows
      from analytics_curated.fact_room_night_history f
     where f.tenant_id = any ($1::text[])
       and exists (select from loose l where l.table_name = 'fact_room_night_history')
     group by f.tenant_id
)
select p.table_name, null::text as column_name, p.tenant_id,
       sum(p.rows)::numeric as observed, sum(p.rows)::numeric as expected
  from analytics_run.profile p
 where p.tenant_id = any ($1::text[])
   and not exists (select from loose l where l.table_name = p.table_name)
   and not exists (
       select from analytics_run.profile_dirty m
        where m.tenant_id = p.tenant_id and m.table_name = p.table_name)
 group by p.table_name, p.tenant_id
 union all
select c.table_name, null::text, c.tenant_id, c.keys::numeric, c.rows::numeric
  from counted c;
