-- Takes the right to work on shards of a consumer until the transaction ends; never waits. Those that it
-- has are left in the setting etld.shards, from where the statements that take read them: they are sent
-- before the answer is there.
--
-- Must come before them, under READ COMMITTED, and alone: a statement that takes the lock and reads has a
-- snapshot older than the lock, and lets an older result win.
-- $1 consumer text
-- $2 shards integer[]
-- rows: 1 (held text, an integer[]); {} = other workers have them all, take other shards
-- locks: advisory (consumer_id, shard) of each
with tried as materialized (
	select s.shard, pg_try_advisory_xact_lock(c.consumer_id, s.shard) as locked
	from analytics_run.consumer c
	cross join unnest($2::integer[]) as s (shard)
	where c.consumer = $1::text
)
select set_config('etld.shards', coalesce(array_agg(shard) filter (where locked), '{}')::text, true) as held
from tried
