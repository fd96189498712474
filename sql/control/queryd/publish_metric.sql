-- Publishes a definition of the tenant's own.
-- $1 metric_key text
-- $2 version integer
-- $3 display text        json
-- $4 unit_kind text
-- $5 definition text     json
-- rows: 1 (refusal: 'conflict', this key and version are there already; or null)
with made as (
    insert into analytics.metric_definitions (tenant_id, key, version, display, unit_kind, definition, definition_hash)
    select pg_catalog.current_setting('analytics.tenant_id'), $1::text, $2::integer, $3::jsonb, $4::text, $5::jsonb,
           pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
               pg_catalog.concat_ws('|', $1::text, $2::integer, $4::text, $5::jsonb::text), 'UTF8')), 'hex')
     where pg_catalog.current_setting('analytics.claim') = 'mine'
        on conflict (tenant_id, key, version) do nothing
    returning key, version)
select case when not exists (select from made) then 'conflict' end as refusal,
       pg_catalog.set_config('analytics.effect',
           coalesce((select m.key || '@' || m.version from made m), ''), true) as effect;
