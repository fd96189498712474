-- What there is to do, most urgent first and then by age. The stream (deltas and single keys) of a hot
-- consumer is hot; that of a cold one is cold until it has waited for half of its 15 minutes. What is
-- worked off in portions is backfill, however old. 48 index probes a consumer on any backlog.
-- `events` counts the oldest deltas only, up to 100 of them: a size, not a sum.
-- $1 tenant text  null = every tenant
-- rows: (consumer text, shard integer, portions boolean, urgency integer, events bigint); urgency 0 hot,
--   1 cold, 2 backfill
select c.consumer, s.shard, due.portions,
	case
		when due.portions then 2
		when c.hot or due.since < now() - interval '450 s' then 0
		else 1
	end as urgency, due.events
from analytics_run.consumer c
cross join generate_series(0, 15) as s (shard)
cross join lateral (
	select false as portions, least(d.since, k.since) as since, d.events
	from (
		select min(landed_at) as since, coalesce(sum(events), 0) as events
		from (
			select landed_at, events
			from analytics_run.delta
			where consumer = c.consumer and shard = s.shard and ($1::text is null or tenant_id = $1::text)
			order by batch_id
			limit 100) oldest) d
	cross join (
		select min(touched_at) as since
		from (
			select touched_at
			from analytics_run.touched
			where consumer = c.consumer and shard = s.shard and kind = 'key' and ($1::text is null or tenant_id = $1::text)
			order by touch_id
			limit 1) oldest) k
	union all
	select true, min(touched_at), 0
	from (
		select touched_at
		from analytics_run.touched
		where consumer = c.consumer and shard = s.shard and kind <> 'key' and ($1::text is null or tenant_id = $1::text)
		order by touch_id
		limit 1) oldest) due
where due.since is not null
order by urgency, due.since
