-- What this relay may send now: of the keys in its shards those whose first row is due, the longest
-- waiting ones first, and of each key its first rows in their order. After a failure a key sends one
-- row at a time, so that a row that the bus refuses is the one that is counted and parked.
--
-- Steps from key to key along the index: costs by the number of keys that wait, not of rows.
-- $1 worker text
-- $2 max_keys integer
-- $3 max_rows integer  of a key
-- rows: (outbox_id bigint, ordering_key text, subject text, tenant_id text, envelope text, data text:
--   the envelope in base64, attempts integer: of the key's first row), by key and id
with recursive head as (
	select first.*
	from analytics_run.outbox_lease l
	cross join lateral (
		select o.shard, o.ordering_key, o.outbox_id, o.attempts, o.next_attempt_at, o.parked_at
		from analytics_run.outbox o
		where o.published_at is null and o.shard = l.shard
		order by o.ordering_key, o.outbox_id
		limit 1) first
	where l.worker = $1::text and l.lease_until > now()
	union all
	select next.*
	from head h
	cross join lateral (
		select o.shard, o.ordering_key, o.outbox_id, o.attempts, o.next_attempt_at, o.parked_at
		from analytics_run.outbox o
		where o.published_at is null and o.shard = h.shard and o.ordering_key > h.ordering_key
		order by o.ordering_key, o.outbox_id
		limit 1) next
), due as (
	select shard, ordering_key, attempts
	from head
	where parked_at is null and next_attempt_at <= now()
	order by outbox_id
	limit $2::integer
)
select o.outbox_id, o.ordering_key, o.subject, o.tenant_id, o.envelope,
	translate(encode(convert_to(o.envelope, 'UTF8'), 'base64'), e'\n', '') as data, due.attempts
from due
cross join lateral (
	select outbox_id, ordering_key, subject, tenant_id, envelope
	from analytics_run.outbox
	where published_at is null and shard = due.shard and ordering_key = due.ordering_key
	order by outbox_id
	limit case when due.attempts > 0 then 1 else $3::integer end) o
order by o.ordering_key, o.outbox_id
