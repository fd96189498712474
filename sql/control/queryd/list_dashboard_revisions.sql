-- $1 dashboard_id text
-- $2 before text      revision to go on before; null: from the newest
-- $3 limit integer
-- rows: newest first (revision, entry)
select r.revision, pg_catalog.jsonb_build_object(
           'revision', r.revision,
           'action', r.action,
           'actor', r.actor_id,
           'at', pg_catalog.to_char(r.changed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text as entry
  from analytics.visible_dashboards v
  join analytics.dashboard_revisions r
    on r.dashboard_id = v.dashboard_id
   and r.tenant_id = v.tenant_id
 where v.dashboard_id = $1::text
   and ($2::text is null or r.revision < $2::integer)
 order by r.revision desc
 limit $3::integer;
