-- $1 dashboard_id text
-- $2 revision integer
-- rows: 0 or 1 (document, etag)
select r.document::text as document, '"v' || r.revision || '"' as etag
  from analytics.visible_dashboards v
  join analytics.dashboard_revisions r
    on r.dashboard_id = v.dashboard_id
   and r.tenant_id = v.tenant_id
 where v.dashboard_id = $1::text
   and r.revision = $2::integer;
