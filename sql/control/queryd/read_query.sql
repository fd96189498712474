-- A saved query of the caller's own.
-- $1 query_id text
-- rows: 0 or 1 (document, etag, definition)
select d.document::text as document, '"v' || d.revision || '"' as etag, q.query::text as definition
  from analytics.saved_queries q
  join analytics.documents d
    on d.id = q.query_id
   and d.tenant_id = q.tenant_id
 where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and q.owner_id = pg_catalog.current_setting('analytics.user_id')
   and q.query_id = $1::text;
