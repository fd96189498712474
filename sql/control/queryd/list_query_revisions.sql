-- $1 query_id text
-- $2 before text      revision to go on before; null: from the newest
-- $3 limit integer
-- rows: newest first (revision, entry)
select r.revision, pg_catalog.jsonb_build_object(
           'revision', r.revision,
           'action', r.action,
           'actor', r.actor_id,
           'at', pg_catalog.to_char(r.changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'document', r.document)::text as entry
  from analytics.saved_queries q
  join analytics.saved_query_revisions r
    on r.query_id = q.query_id
   and r.tenant_id = q.tenant_id
 where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and q.owner_id = pg_catalog.current_setting('analytics.user_id')
   and q.query_id = $1::text
   and ($2::text is null or r.revision < $2::integer)
 order by r.revision desc
 limit $3::integer;
