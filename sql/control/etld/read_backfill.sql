-- How far a job is, as its workers say, and whether anybody works: it has been due for longer than $2, or its
-- worker is silent, and no other backfill is under way.
-- $1 job_id text
-- $2 due_for interval
-- rows: 0 or 1 (state text, attempt integer, worker text, error text, rows_in bigint, rows_out bigint, alone
--   boolean); rows_in and rows_out of its newest run
select j.state, j.attempt, j.worker, j.error, r.rows_in, r.rows_out,
	(j.state = 'queued' and j.run_after < now() - $2::interval or j.state = 'running' and j.lease_until < now())
	and not exists (select from analytics.etl_jobs o
		where o.kind = 'backfill' and o.state = 'running' and o.lease_until > now()) as alone
from analytics.etl_jobs j
left join analytics.etl_runs r on r.job_id = j.job_id and r.attempt = j.attempt
where j.job_id = $1::text
