-- Renews the lease of a job and notes how far it is.
-- $1 job_id text
-- $2 attempt integer
-- $3 worker text
-- $4 lease interval
-- $5 progress real  0..1
-- rows: 0 or 1 (job_id text); none = the lease was lost, stop working
update analytics.etl_jobs set lease_until = now() + $4::interval, progress = $5::real
where job_id = $1::text and attempt = $2::integer and worker = $3::text and state = 'running'
returning job_id
