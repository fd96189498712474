-- Says what a signal has found, as melmastoon.analytics.metric.computed.v1, of every property of which
-- it says something else than the last time. The id of an event is the hash of what it says, its asOf
-- included, behind the time of that: a ULID.
-- $1 tenant text
-- $2 signal text
-- $3 signal_version integer
-- $4 metric_key text       what is measured, by its definition
-- $5 metric_version integer
-- $6 dimensions text       JSON: names of the members of a row that say of which group it is
-- $7 found text            JSON: the result of a signal_*.sql
-- $8 version text          of this program, for producedBy
-- rows: 1 (said bigint)
with content as (
	select f."propertyId" as property_id, s.as_of, jsonb_build_object(
		'signal', $2::text, 'signalVersion', $3::integer, 'propertyId', f."propertyId",
		'metricKey', $4::text, 'metricVersion', $5::integer,
		'dateRange', jsonb_build_object('from', f."from", 'to', f."to"), 'granularity', null,
		'dimensions', $6::jsonb, 'rows', f.rows, 'suppressedGroups', f.suppressed) as payload
	from jsonb_to_recordset($7::jsonb) as f ("propertyId" text, "from" date, "to" date, rows jsonb, suppressed integer)
	cross join (
		select max(watermark) as as_of
		from analytics_run.table_state
		where tenant_id = $1::text and table_name in ('fact_reservation', 'fact_room_night', 'fact_room_night_history',
			'fact_inventory_day')) s
), found as (
	select property_id, as_of, told,
		sha256(convert_to($1::text || payload::text, 'UTF8')) as content_hash,
		'evt_' || analytics_run.ulid_floor(as_of) || (
			select string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ', (get_byte(h.digest, i) & 31) + 1, 1), '' order by i)
			from (select sha256(convert_to($1::text || told::text, 'UTF8')) as digest offset 0) h,
				generate_series(0, 15) i) as event_id
	from content
	cross join lateral (select payload || jsonb_build_object('asOf', analytics_run.wire_time(as_of)) as told) t
), kept as (
	insert into analytics_run.signal as s (tenant_id, signal, property_id, content_hash, event_id)
	select $1::text, $2::text, property_id, content_hash, event_id
	from found
	order by property_id
	on conflict (tenant_id, signal, property_id) do update set
		content_hash = excluded.content_hash, event_id = excluded.event_id, said_at = excluded.said_at
	where s.content_hash <> excluded.content_hash
	returning property_id
), said as (
	insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope, event_id)
	select $1::text, 'melmastoon.analytics.metric.computed.v1', $1::text, (analytics_run.envelope(
			'melmastoon.analytics.metric.computed.v1', now(), $1::text, $1::text, 'cor_' || substr(event_id, 5), $8::text,
			told)::jsonb
		|| jsonb_build_object('id', event_id))::text, event_id
	from found
	where property_id in (select property_id from kept)
	order by property_id
	on conflict (event_id) where event_id is not null do nothing
	returning 1
)
select count(*) as said from said
