-- Takes a deleted tenant out of the queues; waits for the units of work that have any of it.
-- $1 tenant text
-- rows: 1 (done boolean)
-- locks: (consumer, shard) of every consumer, until the commit
select true as done from analytics_run.purge_queue($1::text)
