-- A job of the tenant that set_tenant named.
-- $1 job_id text
-- rows: 0 or 1 (job_id, projection, state, progress, error)
select j.job_id, j.projection, j.state, j.progress, j.error
  from analytics.etl_jobs j
 where j.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and j.job_id = $1::text;
