-- $1 query_id text
-- $2 document text     as the API takes it
-- rows: 1 (refusal: null)
with made as (
    insert into analytics.saved_queries (query_id, tenant_id, owner_id, name, description, query)
    select $1::text, pg_catalog.current_setting('analytics.tenant_id'),
           pg_catalog.current_setting('analytics.user_id'), n.name, n.description,
           $2::jsonb - 'name' - 'description'
      from pg_catalog.jsonb_to_record($2::jsonb) as n (name text, description text)
     where pg_catalog.current_setting('analytics.claim') = 'mine'
    returning query_id)
select null::text as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select m.query_id from made m), ''), true) as effect;
