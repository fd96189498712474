-- Asks etld to build a projection of the tenant again.
-- $1 job_id text
-- $2 projection text
-- $3 plan text         JSON: what it will be; part of the answer
-- $4 version integer   that is meant; null: the live one, whichever it is
-- rows: 1 (refusal: 'schema' or null, detail)
with live as (
    select p.version
      from analytics.projections p
     where p.key = $2::text
       and p.status = 'active'),
made as (
    insert into analytics.etl_jobs (job_id, tenant_id, kind, projection, trigger, params)
    select $1::text, pg_catalog.current_setting('analytics.tenant_id'), 'refresh', $2::text, 'api',
           pg_catalog.jsonb_build_object('plan', $3::jsonb)
     where pg_catalog.current_setting('analytics.claim') = 'mine'
       and ($4::integer is null or $4::integer = (select l.version from live l))
    returning job_id)
select case when $4::integer <> (select l.version from live l) then 'schema' end as refusal,
       'The live version is ' || (select l.version from live l) || '.' as detail,
       pg_catalog.set_config('analytics.effect', coalesce((select m.job_id from made m), ''), true) as effect;
