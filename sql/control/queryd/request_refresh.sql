-- Asks etld to build a projection of the tenant again. How long that will take is told by how long its last such
-- refreshes took, a run each, for the rows that they said; by a default while there was none.
-- $1 job_id text
-- $2 projection text
-- $3 rows bigint       that it will build; null: it may not be told
-- $4 version integer   that is meant; null: the live one, whichever it is
-- $5 rate integer      rows a second, the default
-- rows: 1 (refusal: 'schema' or null, detail)
with live as (
    select p.version
      from analytics.projections p
     where p.key = $2::text
       and p.status = 'active'),
before as (
    select j.job_id, (j.params #>> '{plan,rows}')::bigint as rows
      from analytics.etl_jobs j
     where j.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and j.kind = 'refresh'
       and j.projection = $2::text
       and j.state = 'succeeded'
       and (j.params #>> '{plan,rows}')::bigint > 0
     order by j.finished_at desc
     limit 5),
history as (
    select sum(b.rows) / nullif(sum(extract(epoch from r.finished_at - r.started_at)), 0) as rate
      from before b
      join analytics.etl_runs r
        on r.job_id = b.job_id
       and r.state = 'succeeded'),
made as (
    insert into analytics.etl_jobs (job_id, tenant_id, kind, projection, trigger, params)
    select $1::text, pg_catalog.current_setting('analytics.tenant_id'), 'refresh', $2::text, 'api',
           pg_catalog.jsonb_build_object('plan', pg_catalog.jsonb_build_object(
               'rows', $3::bigint,
               'tenants', 1,
               'estimatedSeconds', pg_catalog.ceil($3::bigint / coalesce(h.rate, $5::integer)) + 1))
      from history h
     where pg_catalog.current_setting('analytics.claim') = 'mine'
       and ($4::integer is null or $4::integer = (select l.version from live l))
    returning job_id)
select case when $4::integer <> (select l.version from live l) then 'schema' end as refusal,
       'The live version is ' || (select l.version from live l) || '.' as detail,
       pg_catalog.set_config('analytics.effect', coalesce((select m.job_id from made m), ''), true) as effect;
