-- Asks etld to build a projection of the tenant again, once for an idempotency key: the key and the
-- job are one statement. The tenant is the one that set_tenant named.
-- $1 key text            Idempotency-Key
-- $2 request_hash text   hex
-- $3 job_id text
-- $4 projection text
-- $5 response text       what the same request gets again
with mine as (
    insert into analytics.idempotency_keys as k (tenant_id, key, request_hash, status, response, expires_at)
    values (pg_catalog.current_setting('analytics.tenant_id'), $1::text, pg_catalog.decode($2::text, 'hex'), 202,
            $5::text, pg_catalog.now() + interval '24 hours')
    on conflict (tenant_id, key) do update
       set request_hash = excluded.request_hash, status = excluded.status, response = excluded.response,
           expires_at = excluded.expires_at
     where k.expires_at <= pg_catalog.now()
    returning k.tenant_id)
insert into analytics.etl_jobs (job_id, tenant_id, kind, projection, trigger)
select $3::text, m.tenant_id, 'refresh', $4::text, 'api'
  from mine m;
