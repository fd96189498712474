-- Raw events of iam and audit -> analytics_curated.event_audit: which, when and of what kind, never
-- what. The entity is a pseudonym, for its id is a person's or a hash of an address. Every subject of
-- these domains counts, also one that is new. Needs lock_unit, take_delta and ensure_guest_keys.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql; keys are event ids, and nothing is rejected
with added as (
	insert into analytics_curated.event_audit
		(tenant_id, event_id, occurred_at, batch_id, subject, entity_type, entity_key, correlation_id)
	select r.tenant_id, r.event_id, r.occurred_at, r.batch_id, r.subject, left(r.aggregate_type, 120),
		analytics_run.guest_key_of(g.key, analytics_run.canonical_id(r.aggregate_id)), left(r.correlation_id, 120)
	from (
		select e.tenant_id, e.dedupe_key as event_id, e.occurred_at, e.batch_id, e.subject, e.aggregate_type, e.aggregate_id,
			e.correlation_id
		from events_raw.taken('audit', $1::bigint[], $2::text[], $3::text, $4::text) e
		where e.domain in ('iam', 'audit')
		offset 0) r
	left join analytics_run.guest_key g on g.tenant_id = r.tenant_id
	order by r.tenant_id, r.event_id
	on conflict (tenant_id, event_id) do nothing
	returning tenant_id, event_id
)
select array_agg(tenant_id order by tenant_id, event_id) as tenants, array_agg(event_id order by tenant_id, event_id) as keys,
	count(*) as events, 0::bigint as rejected
from added
