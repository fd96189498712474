-- Ends an attempt that failed: the job is queued again, or has failed for good when it has had all
-- its attempts or the error is one that another attempt would meet again.
-- $1 job_id text
-- $2 attempt integer
-- $3 worker text
-- $4 error text
-- $5 wait interval      until the next attempt
-- $6 retriable boolean
-- rows: 0 or 1 (job_id text, state text); none = the lease was lost
with ended as (
	update analytics.etl_jobs set
		state = case when $6::boolean and attempt < max_attempts then 'queued' else 'failed' end,
		run_after = now() + $5::interval, error = left($4::text, 1000), lease_until = null, worker = null,
		finished_at = case when $6::boolean and attempt < max_attempts then null else now() end
	where job_id = $1::text and attempt = $2::integer and worker = $3::text and state = 'running'
	returning job_id, attempt, state
), run as (
	update analytics.etl_runs r set state = 'failed', finished_at = now(), error = left($4::text, 1000)
	from ended
	where r.job_id = ended.job_id and r.attempt = ended.attempt and r.state = 'running'
)
select job_id, state from ended
