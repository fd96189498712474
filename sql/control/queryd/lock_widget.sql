-- Makes changes to the widgets of a dashboard wait for each other. A widget may be named without its
-- dashboard.
-- $1 widget_id text
-- $2 dashboard_id text     null: that of the widget
-- rows: 0 or 1 (dashboard_id)
select d.dashboard_id
  from analytics.visible_dashboards d
 where d.dashboard_id = coalesce($2::text, (select w.dashboard_id from analytics.widgets w where w.widget_id = $1::text))
   for update;
