-- Adds a widget to a dashboard that lock_widget has locked.
-- $1 widget_id text
-- $2 dashboard_id text
-- $3 document text     as the API takes it
-- rows: 1 (refusal: 'missing', 'overlap', 'full' or null; which two overlap)
with found as (
    select d.dashboard_id, d.tenant_id
      from analytics.visible_dashboards d
     where d.dashboard_id = $2::text),
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
     order by o.widget_id
     limit 1),
room as (
    select (select count(*) from analytics.widgets o join found f on f.dashboard_id = o.dashboard_id) < 50 as free),
made as (
    insert into analytics.widgets (widget_id, dashboard_id, tenant_id, kind, title, query, display, layout)
    select $1::text, f.dashboard_id, f.tenant_id, n.kind, n.title, n.query, coalesce(n.display, '{}'), n.layout
      from found f, new n, room r
     where pg_catalog.current_setting('analytics.claim') = 'mine'
       and r.free
       and not exists (select from overlapping)
    returning widget_id, dashboard_id),
bumped as (
    update analytics.dashboards d
       set revision = d.revision + 1, updated_by = pg_catalog.current_setting('analytics.user_id'),
           updated_at = pg_catalog.now()
      from made c
     where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and d.dashboard_id = c.dashboard_id
    returning d.dashboard_id)
select case
           when not exists (select from found) then 'missing'
           when exists (select from overlapping) then 'overlap'
           when not (select r.free from room r) then 'full'
       end as refusal,
       (select pg_catalog.format('"%s" would overlap %s "%s"', n.title, o.widget_id, o.title)
          from overlapping o, new n) as detail,
       pg_catalog.set_config('analytics.effect', coalesce((select c.widget_id from made c), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select b.dashboard_id from bumped b), ''), true) as dashboard;
