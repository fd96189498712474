-- Gives a job back that this worker cannot end because it is being stopped. That attempt does not
-- count.
-- $1 job_id text
-- $2 attempt integer
-- $3 worker text
-- rows: 0 or 1 (job_id text); none = the lease was lost before
with released as (
	update analytics.etl_jobs set
		state = 'queued', run_after = now(), max_attempts = max_attempts + 1, lease_until = null, worker = null,
		error = 'WORKER_STOPPED: ' || worker || ' was stopped'
	where job_id = $1::text and attempt = $2::integer and worker = $3::text and state = 'running'
	returning job_id, attempt, error, tenant_id, projection, trigger
), run as (
	update analytics.etl_runs r set state = 'lost', finished_at = now(), error = released.error
	from released
	where r.job_id = released.job_id and r.attempt = released.attempt and r.state = 'running'
	returning r.started_at
), told as (
	insert into analytics.etl_events
		(job_id, attempt, kind, tenant_id, projection, trigger, duration_ms, reason, detail, retriable)
	select job_id, attempt, 'failed', tenant_id, projection, trigger,
		coalesce((select extract(epoch from now() - started_at) * 1000 from run), 0), 'WORKER_STOPPED', error, true
	from released
)
select job_id from released
