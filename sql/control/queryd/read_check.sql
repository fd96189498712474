-- $1 check_id text
-- rows: 0 or 1 (document, etag)
select d.document::text as document, '"v' || d.revision || '"' as etag
  from analytics.documents d
 where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and d.id = $1::text;
