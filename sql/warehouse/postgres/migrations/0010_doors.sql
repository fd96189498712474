-- What came with the doors: where the payload of an event is, and which shapes of events were seen.

set local role analytics_owner;

-- The payload of an event: a top-level member of the body, or all of it ('.') when the event was a
-- CloudEvent in binary mode, whose envelope is in `attributes`.
create function analytics_run.payload_of(body text, payload_key text) returns jsonb
language sql immutable as $$
	select case payload_key
		when '.' then analytics_run.to_json(body)
		else analytics_run.to_json(body) -> payload_key
	end
$$;

comment on column events_raw.event.payload_key is
	'top-level member of body that is the payload (payload, data, properties); ''.'': all of it';
comment on column events_raw.event.attributes is
	'Pub/Sub attributes, CloudEvents attributes of binary mode as ce-*: with body, all there is to the event';

-- Which members, of which JSON types, the events of a subject and schema version have had: a row for
-- each set that differs, written by ingestd when one of its processes meets it for the first time.
-- dqd reads it for schema_drift: a set first seen after a subject's first week is a change that
-- nobody announced; what it adds and lacks follows from `paths` of the rows before.
create table analytics_run.event_shape (
	subject text collate "C" not null,
	schema_version integer not null,
	fingerprint bigint not null,             -- of the sorted paths: the same in every process
	paths text not null,                     -- "$.payload.items[].adults number" …, a line each, sorted
	first_seen timestamptz not null default now(),
	primary key (subject, schema_version, fingerprint)
);
grant insert on analytics_run.event_shape to analytics_ingestd;
grant select on analytics_run.event_shape to analytics_dqd;

reset role;
