-- Publishes a definition of the tenant's own, once for an idempotency key: the key and the definition
-- are one statement. The tenant is the one that set_tenant named. A (key, version) that is there
-- already is a unique violation.
-- $1 key text            Idempotency-Key
-- $2 request_hash text   hex
-- $3 response text       what the same request gets again
-- $4 metric_key text
-- $5 version integer
-- $6 display text        json
-- $7 unit_kind text
-- $8 definition text     json
with mine as (
    insert into analytics.idempotency_keys as k (tenant_id, key, request_hash, status, response, expires_at)
    values (pg_catalog.current_setting('analytics.tenant_id'), $1::text, pg_catalog.decode($2::text, 'hex'), 201,
            $3::text, pg_catalog.now() + interval '24 hours')
    on conflict (tenant_id, key) do update
       set request_hash = excluded.request_hash, status = excluded.status, response = excluded.response,
           expires_at = excluded.expires_at
     where k.expires_at <= pg_catalog.now()
    returning k.tenant_id)
insert into analytics.metric_definitions (tenant_id, key, version, display, unit_kind, definition, definition_hash)
select m.tenant_id, $4::text, $5::integer, $6::jsonb, $7::text, $8::jsonb,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
           pg_catalog.concat_ws('|', $4::text, $5::integer, $7::text, $8::jsonb::text), 'UTF8')), 'hex')
  from mine m;
