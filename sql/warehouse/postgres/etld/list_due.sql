-- What there is to do, most urgent first: deltas before keys touched by a dependency, hot consumers
-- before the acknowledging of events that nobody reads, then by age. 160 index probes on any backlog.
-- `events` counts the oldest deltas only, up to 100 of them: a size, not a sum.
-- rows: (consumer text, shard integer, oldest_landed_at timestamptz, events bigint)
select c.consumer, s.shard, coalesce(d.oldest_landed_at, t.oldest_touched_at) as oldest_landed_at,
	coalesce(d.events, 0) as events
from analytics_run.consumer c
cross join generate_series(0, 15) as s (shard)
cross join lateral (
	select min(landed_at) as oldest_landed_at, sum(events) as events
	from (
		select landed_at, events
		from analytics_run.delta
		where consumer = c.consumer and shard = s.shard
		order by batch_id
		limit 100) oldest) d
cross join lateral (
	select min(touched_at) as oldest_touched_at
	from (
		select touched_at
		from analytics_run.touched
		where consumer = c.consumer and shard = s.shard
		order by touch_id
		limit 1) oldest) t
where d.oldest_landed_at is not null or t.oldest_touched_at is not null
order by not c.hot, d.oldest_landed_at is null, 3
