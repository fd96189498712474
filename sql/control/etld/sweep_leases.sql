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
		run_after = now(), error = 'worker ' || j.worker || ' went silent', lease_until = null, worker = null,
		finished_at = case when j.attempt < j.max_attempts then null else now() end
	from lost
	where j.job_id = lost.job_id
	returning j.job_id, j.attempt, j.state, j.error
), run as (
	update analytics.etl_runs r set state = 'lost', finished_at = now(), error = ended.error
	from ended
	where r.job_id = ended.job_id and r.attempt = ended.attempt and r.state = 'running'
)
select job_id, state, attempt from ended
