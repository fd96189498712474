-- $1 after text       dashboard_id to go on after; null: from the start
-- $2 limit integer
-- rows: those that the caller sees, in order of dashboard_id (dashboard_id, document without widgets)
select v.dashboard_id, d.summary::text as document
  from analytics.visible_dashboards v
  join analytics.dashboard_documents d
    on d.dashboard_id = v.dashboard_id
 where ($1::text is null or v.dashboard_id > $1::text)
 order by v.dashboard_id
 limit $2::integer;
