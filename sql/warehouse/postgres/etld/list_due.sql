-- What there is to do, most urgent first and then by age. The stream (deltas and single keys) of a hot
-- consumer is hot; that of a cold one is cold until it has waited for half of its 15 minutes. What is
-- worked off in portions is backfill, however old. Some index probes for each queue that is not empty, on
-- any backlog: this is run for every hint.
-- `events` counts the oldest deltas only, up to 100 of them: a size, not a sum.
-- $1 tenant text  null = every tenant
-- rows: (consumer text, shard integer, portions boolean, urgency integer, events bigint); urgency 0 hot,
--   1 cold, 2 backfill
with recursive landed as (
	(select consumer, shard from analytics_run.delta order by consumer, shard limit 1)
	union all
	select next.*
	from landed q
	cross join lateral (
		select consumer, shard
		from analytics_run.delta
		where (consumer, shard) > (q.consumer, q.shard)
		order by consumer, shard
		limit 1) next
), keyed as (
	(select consumer, shard from analytics_run.touched where kind = 'key' order by consumer, shard limit 1)
	union all
	select next.*
	from keyed q
	cross join lateral (
		select consumer, shard
		from analytics_run.touched
		where kind = 'key' and (consumer, shard) > (q.consumer, q.shard)
		order by consumer, shard
		limit 1) next
), portioned as (
	(select consumer, shard from analytics_run.touched where kind <> 'key' order by consumer, shard limit 1)
	union all
	select next.*
	from portioned q
	cross join lateral (
		select consumer, shard
		from analytics_run.touched
		where kind <> 'key' and (consumer, shard) > (q.consumer, q.shard)
		order by consumer, shard
		limit 1) next
), queue as (
	select l.consumer, l.shard, false as portions, o.since, o.events
	from landed l
	cross join lateral (
		select min(landed_at) as since, coalesce(sum(events), 0) as events
		from (
			select landed_at, events
			from analytics_run.delta
			where consumer = l.consumer and shard = l.shard and ($1::text is null or tenant_id = $1::text)
			order by batch_id
			limit 100) oldest) o
	union all
	select k.consumer, k.shard, false, o.touched_at, 0
	from keyed k
	cross join lateral (
		select touched_at
		from analytics_run.touched
		where consumer = k.consumer and shard = k.shard and kind = 'key' and ($1::text is null or tenant_id = $1::text)
		order by touch_id
		limit 1) o
	union all
	select p.consumer, p.shard, true, o.touched_at, 0
	from portioned p
	cross join lateral (
		select touched_at
		from analytics_run.touched
		where consumer = p.consumer and shard = p.shard and kind <> 'key' and ($1::text is null or tenant_id = $1::text)
		order by touch_id
		limit 1) o
), due as (
	select consumer, shard, portions, min(since) as since, sum(events)::bigint as events
	from queue
	where since is not null
	group by consumer, shard, portions
)
select c.consumer, due.shard, due.portions,
	case
		when due.portions then 2
		when c.hot or due.since < now() - interval '450 s' then 0
		else 1
	end as urgency, due.events
from due
join analytics_run.consumer c on c.consumer = due.consumer
order by urgency, due.since
