-- Takes back the jobs of workers that have gone silent.
-- rows: one for each job (job_id text, state text, attempt integer)
with lost as (
	select job_id
	from analytics.etl_jobs
	where state = 'running' and lease_until < now()
	for update skip locked
), ended as (
	update analytics.etl_jobs j set
		state = case when j.attempt < j.max_attempts then 'queued' else 'failed' end,
		run_after = now(), error = 'WORKER_LOST: ' || j.worker || ' went silent', lease_until = null, worker = null,
		finished_at = case when j.attempt < j.max_attempts then null else now() end
	from lost
	where j.job_id = lost.job_id
	returning j.job_id, j.attempt, j.state, j.error, j.tenant_id, j.projection, j.trigger
), run as (
	update analytics.etl_runs r set state = 'lost', finished_at = now(), error = ended.error
	from ended
	where r.job_id = ended.job_id and r.attempt = ended.attempt and r.state = 'running'
	returning r.job_id, r.started_at
), told as (
	insert into analytics.etl_events
		(job_id, attempt, kind, tenant_id, projection, trigger, duration_ms, reason, detail, retriable)
	select e.job_id, e.attempt, 'failed', e.tenant_id, e.projection, e.trigger,
		coalesce((select extract(epoch from now() - started_at) * 1000 from run where run.job_id = e.job_id), 0),
		'WORKER_LOST', e.error, e.state = 'queued'
	from ended e
)
select job_id, state, attempt from ended
