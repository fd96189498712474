-- How far a job is, as its workers say.
-- $1 job_id text
-- rows: 0 or 1 (state text, attempt integer, worker text, error text, rows_in bigint, rows_out bigint); the
--   last two of its newest run
select j.state, j.attempt, j.worker, j.error, r.rows_in, r.rows_out
from analytics.etl_jobs j
left join analytics.etl_runs r on r.job_id = j.job_id and r.attempt = j.attempt
where j.job_id = $1::text
