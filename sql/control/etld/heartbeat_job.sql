-- Renews the lease of a job and notes how far it is.
-- $1 job_id text
-- $2 attempt integer
-- $3 worker text
-- $4 lease interval
-- $5 progress real  0..1
-- rows: 0 or 1 (elapsed_ms bigint), since the attempt began; none = the lease was lost, stop working
update analytics.etl_jobs j set lease_until = now() + $4::interval, progress = $5::real
from analytics.etl_runs r
where j.job_id = $1::text and j.attempt = $2::integer and j.worker = $3::text and j.state = 'running'
	and r.job_id = j.job_id and r.attempt = j.attempt
returning (extract(epoch from now() - r.started_at) * 1000)::bigint as elapsed_ms
