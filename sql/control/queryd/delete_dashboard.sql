-- $1 dashboard_id text
-- $2 revision integer    that is deleted; null: any
-- rows: 1 (refusal: 'missing', 'stale' or null)
with found as (
    select d.dashboard_id, d.revision
      from analytics.visible_dashboards d
     where d.dashboard_id = $1::text
       for update),
changed as (
    update analytics.dashboards d
       set deleted_at = pg_catalog.now(), revision = d.revision + 1,
           updated_by = pg_catalog.current_setting('analytics.user_id'), updated_at = pg_catalog.now()
      from found f
     where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and d.dashboard_id = f.dashboard_id
       and f.revision = coalesce($2::integer, f.revision)
    returning d.dashboard_id)
select case
           when not exists (select from found) then 'missing'
           when not exists (select from changed) then 'stale'
       end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select c.dashboard_id from changed c), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select c.dashboard_id from changed c), ''), true) as dashboard;
