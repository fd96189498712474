-- analytics_run: everything that must be atomic with the data: deltas, data versions, profiles,
-- outbox, dead letters, failed keys. Queues are tables; nothing here is a cursor or a watermark that
-- could run ahead of a transaction still open.
--
-- Run by an admin that may create roles, in one transaction, before or after the control migrations
-- and in the same database or another one: the roles are made by whichever comes first.

do $$
declare
	wanted record;
begin
	for wanted in
		select * from (values
			('analytics_owner', 'nologin'),
			('analytics_provisioner', 'nologin createrole'),
			('analytics_tenants', 'nologin'),
			('analytics_ingestd', 'login'),
			('analytics_etld', 'login'),
			('analytics_queryd', 'login'),
			('analytics_dqd', 'login'),
			('analytics_nobody', 'login in role analytics_tenants')) as role (name, attributes)
	loop
		begin
			if to_regrole(wanted.name) is null then
				execute format('create role %I %s', wanted.name, wanted.attributes);
			end if;
		exception
			-- another database of this cluster is being migrated at the same moment
			when duplicate_object or unique_violation then null;
		end;
	end loop;
	if not (select rolsuper from pg_roles where rolname = current_user) then
		execute format('grant analytics_owner, analytics_provisioner to %I', current_user);
	end if;
	execute format('revoke all on database %I from public', current_database());
	execute format('grant create on database %I to analytics_owner', current_database());
	execute format('grant connect on database %I to analytics_ingestd, analytics_etld, '
		'analytics_queryd, analytics_dqd, analytics_tenants', current_database());
	-- the slow path of landing goes through a temporary table
	execute format('grant temporary on database %I to analytics_ingestd', current_database());
	-- short statements over many columns: compiling them costs more than running them
	alter role analytics_ingestd set jit = off;
	alter role analytics_etld set jit = off;
	alter role analytics_etld set work_mem = '64MB';
	-- etld reads by key, always: a plan made while a table was empty must not scan it once it is full
	alter role analytics_etld set enable_seqscan = off;
	-- and a plan for ten keys is no plan for ten thousand: 1-3 ms of planning against 3x the time
	alter role analytics_etld set plan_cache_mode = force_custom_plan;
	alter role analytics_queryd set jit = off;
	alter role analytics_dqd set jit = off;
end
$$;

create schema if not exists analytics_run;
alter schema analytics_run owner to analytics_owner;
grant usage on schema analytics_run to analytics_ingestd, analytics_etld, analytics_queryd, analytics_dqd;
set local role analytics_owner;

-- for the hmac of the property scope and for random keys
create extension if not exists pgcrypto with schema analytics_run;

-- ---- consumers, shards

-- Who reads the events of a domain. A function and not a table, because the queue stores the answer
-- in a generated column; a new consumer replaces it and touches the keys of the events already there.
create function analytics_run.consumer_of(domain text) returns text
language sql immutable parallel safe as $$
	select case domain
		when 'reservation' then 'reservation'
		when 'payment' then 'payment'
		when 'property' then 'property'
		when 'inventory' then 'property'
		when 'tenant' then 'tenant'
		else 'none'
	end
$$;

-- 16 shards: 4 x the workers that one machine can use. A tenant never changes its shard.
create function analytics_run.shard_of(tenant_id text) returns smallint
language sql immutable strict parallel safe as $$
	select (hashtextextended(tenant_id, 0) & 15)::smallint
$$;

-- consumer_id is the first key of the advisory lock (consumer, shard); see etld/lock_unit.sql
create table analytics_run.consumer (
	consumer text primary key,
	consumer_id integer not null unique,
	hot boolean not null
);
insert into analytics_run.consumer (consumer, consumer_id, hot) values
	('tenant', 7101, true),
	('property', 7102, true),
	('reservation', 7103, true),
	('payment', 7104, true),
	('none', 7100, false);

-- ---- landing

create sequence analytics_run.batch_id as bigint cache 64;

create table analytics_run.batch (
	batch_id bigint primary key,
	landed_at timestamptz not null default clock_timestamp(),
	events integer not null,
	bytes bigint not null,
	instance text not null default current_setting('application_name')
);

-- One row for each (batch, tenant, domain), in the transaction that lands the events. key_lo and
-- key_hi bound the dedupe keys of its events, so that reading them touches their partitions only.
create table analytics_run.delta (
	batch_id bigint not null,
	tenant_id text collate "C" not null,
	domain text collate "C" not null,
	events integer not null,
	key_lo text collate "C" not null,
	key_hi text collate "C" not null,
	landed_at timestamptz not null default clock_timestamp(),
	consumer text collate "C" not null generated always as (analytics_run.consumer_of(domain)) stored,
	shard smallint not null generated always as (analytics_run.shard_of(tenant_id)) stored,
	primary key (consumer, shard, tenant_id, batch_id, domain)
) with (fillfactor = 100, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);
create index delta_oldest on analytics_run.delta (consumer, shard, batch_id);

-- Keys to rebuild without an event of their own. Append only and never unique: a worker that
-- changes a dependency must leave a row that becomes visible with its commit, and a row already
-- there may be taken by another worker before that.
--   key       one key
--   property  every key whose property this is, expanded in portions
--   all       every key of the tenant, expanded in portions
create table analytics_run.touched (
	touch_id bigint generated always as identity primary key,
	consumer text collate "C" not null references analytics_run.consumer,
	tenant_id text collate "C" not null,
	kind text not null check (kind in ('key', 'property', 'all')),
	key text collate "C" not null,
	after_key text collate "C" not null default '',  -- the last key already taken of a portion
	touched_at timestamptz not null default clock_timestamp(),
	shard smallint not null generated always as (analytics_run.shard_of(tenant_id)) stored
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index touched_queue on analytics_run.touched (consumer, shard, touch_id);

-- Set aside so that the rest can go on; tried again when the key is touched again. An event that
-- has no usable key of its own stands here as 'event:<dedupe_key>'.
create table analytics_run.failed_keys (
	consumer text collate "C" not null references analytics_run.consumer,
	tenant_id text collate "C" not null,
	key text collate "C" not null,
	error text not null,
	attempts integer not null default 1,
	first_failed_at timestamptz not null default now(),
	last_failed_at timestamptz not null default now(),
	primary key (consumer, tenant_id, key)
);

-- The bytes of whatever could not be landed. The same bytes refused for the same reason are one row.
create table analytics_run.dead_letter (
	dead_letter_id text collate "C" primary key,
	fingerprint bytea not null unique,   -- sha-256 of reason and bytes
	tenant_id text collate "C",
	event_id text,
	subject text,
	producer text,
	reason text not null,
	place text,
	severity text not null check (severity in ('warning', 'critical')),
	body bytea not null,
	attributes text,
	source text not null,
	first_seen timestamptz not null default now(),
	last_seen timestamptz not null default now(),
	times integer not null default 1,
	replayed_at timestamptz
);
create index dead_letter_recent on analytics_run.dead_letter (last_seen);

-- ---- what a refresh leaves behind

create table analytics_run.table_state (
	tenant_id text collate "C" not null,
	table_name text collate "C" not null,
	data_version bigint not null default 0,  -- +1 whenever a row of the table changed
	watermark timestamptz not null,          -- landing time of the newest event applied
	refreshed_at timestamptz not null,
	rows_in bigint not null,                 -- of the last refresh
	rows_upserted bigint not null,
	rows_deleted bigint not null,
	primary key (tenant_id, table_name)
) with (fillfactor = 70);

create table analytics_run.refresh_minute (
	projection text collate "C" not null,
	minute timestamptz not null,
	shard smallint not null,                 -- in the key, so that two workers never wait here
	units integer not null,
	rows_in bigint not null,
	rows_upserted bigint not null,
	rows_deleted bigint not null,
	busy_ms bigint not null,
	primary key (projection, minute, shard)
);

-- projection.refreshed.v1 that is due: one for each (tenant, projection) in 10 s
create table analytics_run.refresh_due (
	tenant_id text collate "C" not null,
	projection text collate "C" not null,
	due_at timestamptz not null,
	run_id text not null,
	day_from date not null,
	day_to date not null,
	rows_upserted bigint not null,
	rows_deleted bigint not null,
	watermark timestamptz not null,          -- landing time of the newest event in it
	refreshed_at timestamptz not null,
	primary key (tenant_id, projection)
);
create index refresh_due_queue on analytics_run.refresh_due (due_at);

-- A profile of the rows of one tenant, table and day. Dirty marks are append only: whoever computes
-- a profile deletes the marks it saw in the statement before, so a mark made meanwhile stays.
create table analytics_run.profile (
	tenant_id text collate "C" not null,
	table_name text collate "C" not null,
	day date not null,
	rows bigint not null,
	nulls jsonb not null,
	stats jsonb not null default '{}',
	computed_at timestamptz not null default now(),
	primary key (tenant_id, table_name, day)
);

create table analytics_run.profile_dirty (
	tenant_id text collate "C" not null,
	table_name text collate "C" not null,
	day date not null,
	marked_at timestamptz not null default now()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index profile_dirty_cell on analytics_run.profile_dirty (tenant_id, table_name, day);

create table analytics_run.outbox (
	outbox_id bigint generated always as identity primary key,
	ordering_key text collate "C" not null,
	subject text not null,
	tenant_id text collate "C",
	envelope text not null,
	created_at timestamptz not null default now(),
	attempts integer not null default 0,
	next_attempt_at timestamptz not null default now(),
	last_error text,
	published_at timestamptz,
	parked_at timestamptz
) with (fillfactor = 80);
create index outbox_unpublished on analytics_run.outbox (ordering_key, outbox_id) where published_at is null;

-- ---- keys and settings

create table analytics_run.setting (
	key text primary key,
	value text not null
);
-- fact_inventory_day ends on 31 December of the second year after it. A stored value that a yearly
-- job raises: a fact may not depend on now().
insert into analytics_run.setting (key, value) values ('inventory_horizon_year', '2026');

-- 32 random bytes for each tenant; destroying them makes its guest keys irreversible
create table analytics_run.guest_key (
	tenant_id text collate "C" primary key,
	key bytea not null check (octet_length(key) = 32)
);

-- guests to be forgotten: rebuilds then leave guest_key null
create table analytics_run.erased (
	tenant_id text collate "C" not null,
	guest_key text collate "C" not null,
	erased_at timestamptz not null default now(),
	primary key (tenant_id, guest_key)
);

-- what signs a property scope (tenant_views.scope); queryd has it in a file, tenants nowhere
create table analytics_run.scope_key (
	id boolean primary key default true check (id),
	key bytea not null check (octet_length(key) >= 32)
);
insert into analytics_run.scope_key (key) values (analytics_run.gen_random_bytes(32));

-- ---- ULIDs

-- The time part of a ULID: 10 characters, so the bounds of a month and the head of a new id.
create function analytics_run.ulid_floor(at timestamptz) returns text
language sql immutable strict parallel safe as $$
	select string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ',
		(((extract(epoch from at) * 1000)::bigint >> shift) & 31)::integer + 1, 1), '' order by shift desc)
	from generate_series(0, 45, 5) shift
$$;

create function analytics_run.ulid() returns text
language sql volatile parallel safe as $$
	select analytics_run.ulid_floor(clock_timestamp()) || string_agg(substr(
		'0123456789ABCDEFGHJKMNPQRSTVWXYZ', (get_byte(random.bytes, i) & 31) + 1, 1), '' order by i)
	from (select analytics_run.gen_random_bytes(16) as bytes offset 0) random, generate_series(0, 15) i
$$;

-- ---- who may do what

grant execute on function analytics_run.shard_of(text), analytics_run.consumer_of(text) to public;

grant usage on sequence analytics_run.batch_id to analytics_ingestd;
grant insert on analytics_run.batch, analytics_run.delta to analytics_ingestd;
grant insert, select on analytics_run.dead_letter to analytics_ingestd;
grant update (times, last_seen, replayed_at) on analytics_run.dead_letter to analytics_ingestd;

grant select, insert, update, delete on analytics_run.delta, analytics_run.touched, analytics_run.failed_keys,
	analytics_run.table_state, analytics_run.refresh_minute, analytics_run.refresh_due, analytics_run.profile_dirty,
	analytics_run.outbox, analytics_run.guest_key, analytics_run.erased to analytics_etld;
grant select, delete on analytics_run.batch to analytics_etld;
grant select on analytics_run.consumer, analytics_run.setting, analytics_run.profile to analytics_etld;
grant update (value) on analytics_run.setting to analytics_etld;

grant select on analytics_run.table_state, analytics_run.delta, analytics_run.consumer to analytics_queryd;
grant insert on analytics_run.outbox to analytics_queryd;

grant select on analytics_run.table_state, analytics_run.delta, analytics_run.failed_keys, analytics_run.consumer,
	analytics_run.setting to analytics_dqd;
grant select, insert, update, delete on analytics_run.profile, analytics_run.profile_dirty to analytics_dqd;
grant insert on analytics_run.outbox, analytics_run.touched to analytics_dqd;

reset role;
