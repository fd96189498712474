-- Forgets an open job, and withdraws what is left of it from the queue.
-- $1 job_id text
-- rows: 0 or 1 (rows_in bigint, rows_out bigint), as far as it came
-- locks: first the queued keys, then the job, as the units of work that count it down do
with withdrawn as (
	delete from analytics_run.touched where job_id = $1::text returning 1
)
delete from analytics_run.job
where job_id = $1::text and (select count(*) from withdrawn) >= 0
returning rows_in, rows_out
