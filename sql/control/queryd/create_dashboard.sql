-- $1 dashboard_id text
-- $2 document text     as the API takes it
-- rows: 1 (refusal: null)
with made as (
    insert into analytics.dashboards
           (dashboard_id, tenant_id, name, description, scope, property_id, roles, layout, owner_id, updated_by)
    select $1::text, pg_catalog.current_setting('analytics.tenant_id'), n.name, n.description, n.scope,
           n."propertyId", n.roles, coalesce(n.layout, '{}'), pg_catalog.current_setting('analytics.user_id'),
           pg_catalog.current_setting('analytics.user_id')
      from pg_catalog.jsonb_to_record($2::jsonb) as n
           (name text, description text, scope text, "propertyId" text, roles text[], layout jsonb)
     where pg_catalog.current_setting('analytics.claim') = 'mine'
    returning dashboard_id)
select null::text as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select m.dashboard_id from made m), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select m.dashboard_id from made m), ''), true) as dashboard;
