-- $1 after text       query_id to go on after; null: from the start
-- $2 limit integer
-- rows: the caller's own, in order of query_id (query_id, document)
select q.query_id, d.document::text as document
  from analytics.saved_queries q
  join analytics.documents d
    on d.id = q.query_id
   and d.tenant_id = q.tenant_id
 where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and q.owner_id = pg_catalog.current_setting('analytics.user_id')
   and ($1::text is null or q.query_id > $1::text)
 order by q.query_id
 limit $2::integer;
