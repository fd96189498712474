-- Dead jobs, newest first: somebody has to look.
-- $1 most integer
-- rows: up to $1 (job_id text, kind text, projection text, tenant_id text, attempt integer, finished_at
--   text, error text)
select job_id, kind, projection, tenant_id, attempt,
	to_char(finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as finished_at, error
from analytics.etl_jobs
where state = 'failed'
order by finished_at desc, job_id
limit $1::integer
