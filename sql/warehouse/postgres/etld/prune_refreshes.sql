-- Removes the records of minutes long past. They are looked for by consumer, in the order of the key.
-- $1 age interval        more than the week that plan_backfill.sql reads
-- $2 max_rows integer    of each consumer
-- rows: none
-- locks: the rows, skipping those that others are at
delete from analytics_run.refresh_minute
where (projection, minute, shard) in (
	select old.projection, old.minute, old.shard
	from analytics_run.consumer c
	cross join lateral (
		select m.projection, m.minute, m.shard
		from analytics_run.refresh_minute m
		where m.projection = c.consumer and m.minute < now() - $1::interval
		order by m.minute, m.shard
		limit $2::integer
		for update skip locked) old)
