-- Jobs as the warehouse sees them: which queued keys belong to whom, how many are left, and what has
-- been told about it. Definition, state and lease of a job are in the control database.

set local role analytics_owner;

-- What is worked off in portions (a refresh, a time zone) is another queue than single keys, which
-- belong to the stream: whoever looks for the one must not read through the other.
alter table analytics_run.touched add column job_id text collate "C";
drop index analytics_run.touched_queue;
create index touched_keys on analytics_run.touched (consumer, shard, touch_id) where kind = 'key';
create index touched_portions on analytics_run.touched (consumer, shard, touch_id) where kind <> 'key';
create index touched_job on analytics_run.touched (job_id) where job_id is not null;

-- An open job. touches_left is counted down in the transaction that takes the last portion of a row
-- of touched; whoever brings it to 0 writes etl.completed in that transaction, with the data.
create table analytics_run.job (
	job_id text collate "C" primary key,
	attempt integer not null,                -- the last that opened it, and goes on with what is left
	tenant_id text collate "C",              -- null: all tenants
	projection text collate "C" not null,
	trigger text not null,
	touches integer not null,
	touches_left integer not null,
	rows_in bigint not null default 0,       -- keys rebuilt
	rows_out bigint not null default 0,      -- rows put or cut
	opened_at timestamptz not null default now()
) with (fillfactor = 50);

-- What of a job is in the outbox: an event that is carried there twice is one event.
create table analytics_run.job_event (
	job_id text collate "C" not null,
	attempt integer not null,
	kind text not null check (kind in ('started', 'completed', 'failed')),
	primary key (job_id, attempt, kind)
);

-- ---- the envelope (E1) of what a statement publishes

create function analytics_run.wire_time(at timestamptz) returns text
language sql stable strict parallel safe as $$
	select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

create function analytics_run.envelope(subject text, at timestamptz, tenant_id text, ordering_key text,
	correlation_id text, version text, payload jsonb) returns text
language sql volatile parallel safe as $$
	select jsonb_build_object(
		'id', 'evt_' || analytics_run.ulid(),
		'subject', subject,
		'occurredAt', analytics_run.wire_time(at),
		'tenantId', tenant_id,
		'correlationId', correlation_id,
		'producedBy', jsonb_build_object('service', 'analytics-service', 'version', version,
			'instance', current_setting('application_name')),
		'metadata', jsonb_build_object('schemaVersion', 1, 'orderingKey', ordering_key,
			'retentionClass', 'operational_2y'),
		'payload', payload)::text
$$;

grant select, insert, update, delete on analytics_run.job, analytics_run.job_event to analytics_etld;

reset role;
