-- What is pending for each consumer.
-- rows: one for each consumer (consumer text, deltas bigint, events bigint, oldest_seconds double
--   precision, touched bigint, failed_keys bigint); the age is 0 when nothing is pending
select c.consumer, d.deltas, d.events,
	coalesce(greatest(0, extract(epoch from clock_timestamp() - d.oldest)), 0)::double precision as oldest_seconds,
	t.touched, f.failed_keys
from analytics_run.consumer c
cross join lateral (
	select count(*) as deltas, coalesce(sum(events), 0)::bigint as events, min(landed_at) as oldest
	from analytics_run.delta
	where consumer = c.consumer) d
cross join lateral (
	select count(*) as touched from analytics_run.touched where consumer = c.consumer) t
cross join lateral (
	select count(*) as failed_keys from analytics_run.failed_keys where consumer = c.consumer) f
order by c.consumer
