-- Asks etld to build a projection of the tenant again.
-- $1 job_id text
-- $2 projection text
-- rows: 1 (refusal: null)
with made as (
    insert into analytics.etl_jobs (job_id, tenant_id, kind, projection, trigger)
    select $1::text, pg_catalog.current_setting('analytics.tenant_id'), 'refresh', $2::text, 'api'
     where pg_catalog.current_setting('analytics.claim') = 'mine'
    returning job_id)
select null::text as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select m.job_id from made m), ''), true) as effect;
