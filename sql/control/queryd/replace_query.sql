-- $1 query_id text
-- $2 document text       as the API takes it
-- $3 revision integer    that is replaced; null: any
-- rows: 1 (refusal: 'missing', 'stale' or null)
with found as (
    select q.query_id, q.revision
      from analytics.saved_queries q
     where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and q.owner_id = pg_catalog.current_setting('analytics.user_id')
       and q.query_id = $1::text
       for update),
changed as (
    update analytics.saved_queries q
       set name = n.name, description = n.description, query = $2::jsonb - 'name' - 'description',
           revision = q.revision + 1, updated_at = pg_catalog.now()
      from found f, pg_catalog.jsonb_to_record($2::jsonb) as n (name text, description text)
     where q.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and q.query_id = f.query_id
       and f.revision = coalesce($3::integer, f.revision)
    returning q.query_id)
select case
           when not exists (select from found) then 'missing'
           when not exists (select from changed) then 'stale'
       end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select c.query_id from changed c), ''), true) as effect;
