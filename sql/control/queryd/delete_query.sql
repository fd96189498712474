-- Its revisions go with it.
-- $1 query_id text
-- $2 revision integer    that is deleted; null: any
-- rows: 1 (refusal: 'missing', 'stale' or null)
with found as (
    select q.query_id, q.revision
      from analytics.saved_queries q
     where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and q.owner_id = pg_catalog.current_setting('analytics.user_id')
       and q.query_id = $1::text
       for update),
changed as (
    delete from analytics.saved_queries q
     using found f
     where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and q.query_id = f.query_id
       and f.revision = coalesce($2::integer, f.revision)
    returning q.query_id)
select case
           when not exists (select from found) then 'missing'
           when not exists (select from changed) then 'stale'
       end as refusal;
