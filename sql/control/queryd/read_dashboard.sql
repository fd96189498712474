-- $1 dashboard_id text
-- rows: 0 or 1 (document, etag)
select d.document::text as document, '"v' || d.revision || '"' as etag
  from analytics.visible_dashboards v
  join analytics.documents d
    on d.id = v.dashboard_id
   and d.tenant_id = v.tenant_id
 where v.dashboard_id = $1::text;
