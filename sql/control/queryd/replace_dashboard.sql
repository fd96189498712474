-- $1 dashboard_id text
-- $2 document text       as the API takes it
-- $3 revision integer    that is replaced; null: any
-- rows: 1 (refusal: 'missing', 'stale' or null)
with found as (
    select d.dashboard_id, d.revision
      from analytics.visible_dashboards d
     where d.dashboard_id = $1::text
       for update),
changed as (
    update analytics.dashboards d
       set name = n.name, description = n.description, scope = n.scope, property_id = n."propertyId",
           roles = n.roles, layout = coalesce(n.layout, '{}'), revision = d.revision + 1,
           updated_by = pg_catalog.current_setting('analytics.user_id'), updated_at = pg_catalog.now()
      from found f, pg_catalog.jsonb_to_record($2::jsonb) as n
           (name text, description text, scope text, "propertyId" text, roles text[], layout jsonb)
     where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and d.dashboard_id = f.dashboard_id
       and f.revision = coalesce($3::integer, f.revision)
    returning d.dashboard_id)
select case
           when not exists (select from found) then 'missing'
           when not exists (select from changed) then 'stale'
       end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select c.dashboard_id from changed c), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select c.dashboard_id from changed c), ''), true) as dashboard;
