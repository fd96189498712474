-- The jobs of a request, made by schedule_refreshes now or earlier. A statement after it, so that it
-- sees what another one has committed meanwhile.
-- $1 job_ids text[]   those of a request without a name
-- $2 name text        hashed; null = it has none
-- $3 request text     hash of its body
-- rows: in order of job_id (job_id); none when another request had the name
select j.job_id
  from analytics.etl_jobs j
 where j.tenant_id is not distinct from nullif(pg_catalog.current_setting('analytics.tenant_id'), '')
   and ($2::text is null and j.job_id = any ($1::text[])
        or j.schedule_key = any (array(select 'door:' || $2::text || ':' || n from generate_series(1, 100) as n))
           and j.params ->> 'request' = $3::text)
 order by j.job_id;
