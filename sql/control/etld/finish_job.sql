-- Ends a job that has done its work.
-- $1 job_id text
-- $2 attempt integer
-- $3 worker text
-- $4 rows_in bigint
-- $5 rows_out bigint
-- rows: 0 or 1 (job_id text); none = the lease was lost, roll back
with done as (
	update analytics.etl_jobs set
		state = 'succeeded', progress = 1, finished_at = now(), lease_until = null, worker = null
	where job_id = $1::text and attempt = $2::integer and worker = $3::text and state = 'running'
	returning job_id, attempt
), run as (
	update analytics.etl_runs r set state = 'succeeded', finished_at = now(), rows_in = $4::bigint, rows_out = $5::bigint
	from done
	where r.job_id = done.job_id and r.attempt = done.attempt and r.state = 'running'
)
select job_id from done
