-- Replaces a widget of a dashboard that lock_widget has locked.
-- $1 widget_id text
-- $2 dashboard_id text     null: that of the widget
-- $3 document text       as the API takes it
-- $4 revision integer    that is replaced; null: any
-- rows: 1 (refusal: 'missing', 'widget_missing', 'stale', 'overlap' or null; which two overlap)
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
new as (
    select n.*, (n.layout ->> 'x')::integer as x, (n.layout ->> 'y')::integer as y,
           (n.layout ->> 'w')::integer as w, (n.layout ->> 'h')::integer as h
      from pg_catalog.jsonb_to_record($3::jsonb) as n
           (kind text, title text, query jsonb, display jsonb, layout jsonb)),
overlapping as (
    select o.widget_id, o.title
      from analytics.widgets o
      join found f
        on f.dashboard_id = o.dashboard_id
      join new n
        on o.x < n.x + n.w and n.x < o.x + o.w and o.y < n.y + n.h and n.y < o.y + o.h
     where o.widget_id <> $1::text
     order by o.widget_id
     limit 1),
changed as (
    update analytics.widgets w
       set kind = n.kind, title = n.title, query = n.query, display = coalesce(n.display, '{}'),
           layout = n.layout, revision = w.revision + 1, updated_at = pg_catalog.now()
      from old o, new n
     where w.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and w.widget_id = o.widget_id
       and o.revision = coalesce($4::integer, o.revision)
       and not exists (select from overlapping)
    returning w.widget_id, w.dashboard_id),
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
           when (select o.revision from old o) <> $4::integer then 'stale'
           when exists (select from overlapping) then 'overlap'
       end as refusal,
       (select pg_catalog.format('%s "%s" would overlap %s "%s"', $1::text, n.title, o.widget_id, o.title)
          from overlapping o, new n) as detail,
       pg_catalog.set_config('analytics.effect', coalesce((select c.widget_id from changed c), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select b.dashboard_id from bumped b), ''), true) as dashboard;
