-- Removes a widget from a dashboard that lock_widget has locked; the dashboard's document answers.
-- $1 widget_id text
-- $2 dashboard_id text     null: that of the widget
-- $3 revision integer    that is deleted; null: any
-- rows: 1 (refusal: 'missing', 'widget_missing', 'stale' or null)
with found as (
    select d.dashboard_id
      from analytics.visible_dashboards d
     where d.dashboard_id = coalesce($2::text, (select w.dashboard_id from analytics.widgets w where w.widget_id = $1::text))),
old as (
    select w.widget_id, w.revision
      from analytics.widgets w
      join found f
        on f.dashboard_id = w.dashboard_id
     where w.widget_id = $1::text),
changed as (
    delete from analytics.widgets w
     using old o
     where w.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and w.widget_id = o.widget_id
       and o.revision = coalesce($3::integer, o.revision)
    returning w.dashboard_id),
bumped as (
    update analytics.dashboards d
       set revision = d.revision + 1, updated_by = pg_catalog.current_setting('analytics.user_id'),
           updated_at = pg_catalog.now()
      from changed c
     where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and d.dashboard_id = c.dashboard_id
    returning d.dashboard_id)
select case
           when not exists (select from found) and $2::text is not null then 'missing'
           when not exists (select from old) then 'widget_missing'
           when not exists (select from changed) then 'stale'
       end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select b.dashboard_id from bumped b), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select b.dashboard_id from bumped b), ''), true) as dashboard;
