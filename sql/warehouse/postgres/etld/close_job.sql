-- Forgets an open job, and withdraws what is left of it from the queue.
-- $1 job_id text
-- rows: 0 or 1 (rows_in bigint, rows_out bigint), as far as it came
-- locks: first the queued keys, then the batches, then the job, as the units of work that count it down do
with withdrawn as (
	delete from analytics_run.touched where job_id = $1::text returning consumer, kind
), stopped as (
	delete from analytics_run.raw_walk where job_id = $1::text returning consumer
), unread as (
	delete from analytics_run.raw_batch
	where consumer = any (array(
		select consumer from withdrawn where kind = 'raw' union select consumer from stopped))
	returning 1
)
delete from analytics_run.job
where job_id = $1::text and (select count(*) from withdrawn) + (select count(*) from unread) >= 0
returning rows_in, rows_out
