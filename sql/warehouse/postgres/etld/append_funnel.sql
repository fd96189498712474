-- Raw events of the meta search and the booking pages -> analytics_curated.event_funnel. This file is the
-- assumption about the payloads of melmastoon.bff.*; the session is the envelope's, else the payload's.
--
-- The meta search lands under `_platform`: what it says of a tenant's property belongs to the tenant that
-- it names, and is handed over to that tenant's shard by rows of analytics_run.touched; it is never
-- rebuilt under this one's lock. A search names nobody and goes to those that were clicked in its
-- session. An event without session and hand-off joins nothing and is set aside in failed_keys.
--
-- A key is `h<hand-off>`, `s<session>` or, of rebuild_reservation.sql, `r<reservation>`.
-- Needs lock_unit and take_delta.
-- $1 batches bigint[]  as taken
-- $2 tenants text[]    as taken; tenants[i] goes with batches[i]
-- $3 key_lo text
-- $4 key_hi text
-- rows: 1, as of append_reservation.sql
with read as materialized (
	select r.tenant_id, r.event_id, r.occurred_at, r.aggregate_version, r.batch_id, r.verb,
		case
			when r.verb = 'search' then null
			when r.tenant_id <> '_platform' then r.tenant_id
			else (select id from analytics_run.id_of(r.p, 'tenantId') id where id ~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}$'
				and not exists (select from analytics_run.tombstone t where t.tenant_id = id))
		end as owner_id,
		-- a funnel_id is `<hand-off>` or `<session>/<property>`: what has a slash is neither
		(select id from coalesce(analytics_run.id_of(r.e -> 'envelope', 'sessionId'), analytics_run.id_of(r.e, 'sessionId')) id
			where id !~ '/') as envelope_session,
		(select id from analytics_run.id_of(r.p, 'sessionId') id where id !~ '/') as payload_session,
		(select id from analytics_run.id_of(r.p, 'handoffId') id where id !~ '/') as handoff_id,
		analytics_run.id_of(r.p, 'propertyId') as property_id,
		analytics_run.id_of(r.p, 'reservationId') as reservation_id,
		analytics_run.word_of(r.p, 'metaSource') as meta_source
	from (
		select e.*, case e.payload_key when '.' then e.e else e.e -> e.payload_key end as p
		from (
			select e.tenant_id, e.dedupe_key as event_id, e.occurred_at, e.aggregate_version, e.batch_id, e.payload_key,
				analytics_run.to_json(e.body) as e,
				case
					when e.subject like 'melmastoon.bff.consumer.click.%' then 'click'
					when e.subject = 'melmastoon.bff.consumer.search.executed.v1' then 'search'
					when e.subject = 'melmastoon.bff.consumer.handoff.initiated.v1' then 'handoff'
					when e.subject = 'melmastoon.bff.tenant.handoff.consumed.v1' then 'consumed'
					when e.subject = 'melmastoon.bff.tenant.booking.draft.created.v1' then 'draft'
					when e.subject = 'melmastoon.bff.tenant.booking.draft.converted.v1' then 'converted'
				end as verb
			from events_raw.taken('funnel', $1::bigint[], $2::text[], $3::text, $4::text) e
			where (e.subject like 'melmastoon.bff.consumer.%' or e.subject like 'melmastoon.bff.tenant.%')
			offset 0) e
		where e.verb is not null
		offset 0) r
), joined as materialized (
	-- the payload of the booking pages names the meta session that their own envelope does not know
	select *, case when verb in ('consumed', 'draft', 'converted') then coalesce(payload_session, envelope_session)
		else coalesce(envelope_session, payload_session) end as session_id
	from read
), bad as (
	insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
	select 'funnel', tenant_id, 'event:' || event_id, 'no sessionId and no handoffId'
	from joined
	where session_id is null and handoff_id is null
	on conflict (consumer, tenant_id, key) do update set
		error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
	returning 1
), added as (
	insert into analytics_curated.event_funnel
		(tenant_id, event_id, occurred_at, aggregate_version, batch_id, verb, owner_id, session_id, handoff_id,
		 property_id, reservation_id, meta_source)
	select tenant_id, event_id, occurred_at, aggregate_version, batch_id, verb, owner_id, session_id, handoff_id,
		property_id, reservation_id, meta_source
	from joined
	where session_id is not null or handoff_id is not null
	order by tenant_id, event_id
	on conflict (tenant_id, event_id) do nothing
	returning tenant_id, event_id, verb, owner_id, session_id, handoff_id
), searched as (
	-- the sessions that searched, with whoever was clicked in them in these events
	select tenant_id, session_id, array_agg(distinct owner_id) filter (where owner_id is not null) as owner_ids
	from added
	where session_id is not null
	group by tenant_id, session_id
	having bool_or(verb = 'search')
), said as materialized (
	select tenant_id, owner_id, case when handoff_id is not null then 'h' || handoff_id else 's' || session_id end as key
	from added
	where owner_id is not null
	union
	-- a search: whoever was clicked in its session, in these events or before
	select s.tenant_id, o.owner_id, 's' || s.session_id
	from searched s
	cross join lateral (
		select owner_id from unnest(s.owner_ids) as owner_id
		union
		select f.owner_id
		from (
			-- by its session and never by the tenant, who is the platform and has them all
			select tenant_id, owner_id
			from analytics_curated.event_funnel
			where session_id = s.session_id and owner_id is not null
			offset 0) f
		where f.tenant_id = s.tenant_id) o
), handed_over as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select 'funnel', owner_id, 'key', key
	from said
	where owner_id <> tenant_id
), touched as (
	select tenant_id, key from said where owner_id = tenant_id
)
select array_agg(tenant_id order by tenant_id, key) as tenants, array_agg(key order by tenant_id, key) as keys,
	(select count(*) from added) as events, (select count(*) from bad) as rejected
from touched
