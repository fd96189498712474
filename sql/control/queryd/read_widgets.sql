-- The widgets of a dashboard that the caller sees, or one of them.
-- $1 dashboard_id text    null: whichever the widget is on
-- $2 widget_id text       null: all
-- rows: in order of their place (widget_id, kind, title, query, revision, dashboard_id)
select w.widget_id, w.kind, w.title, w.query::text as query, w.revision, w.dashboard_id
  from analytics.visible_dashboards v
  join analytics.widgets w
    on w.dashboard_id = v.dashboard_id
   and w.tenant_id = v.tenant_id
 where ($1::text is null or v.dashboard_id = $1::text)
   and ($2::text is null or w.widget_id = $2::text)
 order by w.y, w.x, w.widget_id
 limit 50;
