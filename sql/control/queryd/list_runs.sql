-- Attempts at a job of the tenant that set_tenant named.
-- $1 job_id text
-- rows: in order (attempt, state, rows_in, rows_out, started_at, finished_at, error)
select r.attempt, r.state, r.rows_in, r.rows_out,
       pg_catalog.to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as started_at,
       pg_catalog.to_char(r.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as finished_at,
       r.error
  from analytics.etl_runs r
 where r.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and r.job_id = $1::text
 order by r.attempt
 limit 100;
