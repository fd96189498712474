-- Makes changes to the widgets of a dashboard wait for each other.
-- $1 dashboard_id text
-- rows: 0 or 1 (dashboard_id)
select d.dashboard_id
  from analytics.visible_dashboards d
 where d.dashboard_id = $1::text
   for update;
