-- How far etld is behind.
-- rows: 1 (pending_deltas bigint, pending_events bigint, oldest_pending_seconds double precision,
--   failed_keys bigint, touched bigint, control_events bigint, unpublished bigint, parked_keys bigint,
--   open_dead_letters bigint); the age is 0 when nothing is pending
select d.deltas as pending_deltas, d.events as pending_events,
	coalesce(greatest(0, extract(epoch from clock_timestamp() - d.oldest)), 0)::double precision as oldest_pending_seconds,
	(select count(*) from analytics_run.failed_keys) as failed_keys,
	(select count(*) from analytics_run.touched) as touched,
	(select count(*) from analytics_run.control_event) as control_events,
	(select count(*) from analytics_run.outbox where published_at is null) as unpublished,
	(select count(*) from analytics_run.outbox where published_at is null and parked_at is not null) as parked_keys,
	(select count(*) from analytics_run.dead_letter where replayed_at is null and acknowledged_at is null)
		as open_dead_letters
from (
	select count(*) as deltas, coalesce(sum(events), 0)::bigint as events, min(landed_at) as oldest
	from analytics_run.delta) d
