-- Takes the right to work on a shard of a consumer until the transaction ends; never waits.
--
-- Must be the first statement of its transaction, under READ COMMITTED, and alone: a statement that
-- takes the lock and reads has a snapshot older than the lock, and lets an older result win. The statements
-- that take are sent before the answer is there. They look for themselves whether the shard is another's, and
-- then read nothing; but it is this answer that says whether what they took may be worked on.
-- $1 consumer text
-- $2 shard integer
-- rows: 1 (locked boolean); false = another worker has it, take another shard
-- locks: advisory (consumer_id, shard)
select pg_try_advisory_xact_lock(consumer_id, $2::integer) as locked
from analytics_run.consumer
where consumer = $1::text
