-- The age, in seconds, of the oldest landed event that a table has not applied yet; 0 when none.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id, observed numeric, expected null)
select s.table_name, null::text as column_name, s.tenant_id,
       coalesce(pg_catalog.round(extract(epoch from pg_catalog.clock_timestamp() - pending.landed_at), 3), 0)
           as observed,
       null::numeric as expected
  from analytics_run.table_state s
  join (values
       ('fact_reservation', 'reservation'),
       ('fact_room_night', 'reservation'),
       ('fact_payment', 'payment'),
       ('fact_inventory_day', 'property'),
       ('dim_property', 'property'),
       ('dim_room_type', 'property'),
       ('dim_room', 'property'),
       ('dim_tenant', 'tenant'),
       ('fact_housekeeping_task', 'housekeeping'),
       ('dim_fx', 'fx'),
       ('fact_lock_action', 'lock'),
       ('fact_ai_suggestion', 'ai'),
       ('fact_demand_forecast', 'ai'),
       ('fact_audit_event', 'audit'),
       ('fact_funnel', 'funnel'),
       ('fact_room_night_history', 'reservation')
       ) as source (table_name, consumer) on source.table_name = s.table_name
  left join lateral (
       select min(d.landed_at) as landed_at
         from analytics_run.delta d
        where d.consumer = source.consumer
          and d.shard = analytics_run.shard_of(s.tenant_id)
          and d.tenant_id = s.tenant_id) pending on true
 where s.tenant_id = any ($1::text[]);
