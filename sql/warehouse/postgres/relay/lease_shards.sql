-- Leases to this relay the shards that have something to send and are nobody else's.
-- $1 worker text
-- $2 lease interval
-- rows: 1 (shards bigint)
with free as (
	select shard
	from analytics_run.outbox_lease l
	where (lease_until is null or lease_until < now() or worker = $1::text)
		and exists (select from analytics_run.outbox o where o.published_at is null and o.shard = l.shard)
	order by shard
	for update skip locked
), leased as (
	update analytics_run.outbox_lease l set worker = $1::text, lease_until = now() + $2::interval
	from free
	where l.shard = free.shard
	returning 1
)
select count(*) as shards from leased
