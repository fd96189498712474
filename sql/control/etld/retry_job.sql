-- Ends an attempt that failed: the job is queued again, or has failed for good when it has had all
-- its attempts or the error is one that another attempt would meet again.
-- $1 job_id text
-- $2 attempt integer
-- $3 worker text
-- $4 reason text        a word: SOURCE_NOT_READY
-- $5 detail text
-- $6 wait interval      until the next attempt
-- $7 retriable boolean
-- $8 rows_in bigint
-- $9 rows_out bigint
-- rows: 0 or 1 (job_id text, state text); none = the lease was lost
with ended as (
	update analytics.etl_jobs set
		state = case when $7::boolean and attempt < max_attempts then 'queued' else 'failed' end,
		run_after = now() + $6::interval, error = $4::text || ': ' || left($5::text, 1000), lease_until = null,
		worker = null, finished_at = case when $7::boolean and attempt < max_attempts then null else now() end
	where job_id = $1::text and attempt = $2::integer and worker = $3::text and state = 'running'
	returning job_id, attempt, state, error, tenant_id, projection, trigger
), run as (
	update analytics.etl_runs r set
		state = 'failed', finished_at = now(), error = ended.error, rows_in = $8::bigint, rows_out = $9::bigint
	from ended
	where r.job_id = ended.job_id and r.attempt = ended.attempt and r.state = 'running'
	returning r.started_at
), told as (
	insert into analytics.etl_events
		(job_id, attempt, kind, tenant_id, projection, trigger, rows_in, rows_out, duration_ms, reason, detail, retriable)
	select job_id, attempt, 'failed', tenant_id, projection, trigger, $8::bigint, $9::bigint,
		coalesce((select extract(epoch from now() - started_at) * 1000 from run), 0), $4::text, left($5::text, 1000),
		state = 'queued'
	from ended
)
select job_id, state from ended
