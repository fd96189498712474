-- Begins to build the next version of all tables of a consumer, beside the live ones: every key of every
-- tenant is queued, one row a tenant, worked off in portions. Opened again by a later attempt it is the
-- same build, with what is left of it.
-- $1 job_id text
-- $2 attempt integer
-- $3 projection text  that was asked for
-- $4 consumer text
-- $5 trigger text
-- $6 reread boolean   the batches that find_batches has found are queued as well, one row a tenant
-- rows: 1 (touches bigint); 0: nothing that it is built from has landed
-- locks: every shard of the consumer, at most 10 s each
select case when $6::boolean
	then analytics_run.open_reread($1::text, $2::integer, $3::text, $4::text, $5::text)
	else analytics_run.open_build($1::text, $2::integer, $3::text, $4::text, $5::text) end as touches
