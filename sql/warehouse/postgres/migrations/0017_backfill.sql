-- Versions of what is built: beside the live tables of a consumer there may be another version of them.
--
-- analytics_curated.<table>_v<n>  the rows of a version
-- analytics_curated.<table>       the live one, for whoever reads
-- analytics_live.<table>          the live one, for etld's rebuilds
-- analytics_beside.<table>        the one beside it, for the same rebuilds: while a version is being
--   built, and after the switch, when it is the one that was live before. None: the live one again, so
--   that the name always means something; no statement uses it then.
--
-- So a rebuild names a schema and no version, and which version is which is said by views alone. From
-- the moment a build begins every unit of work rebuilds its keys in both versions, in one transaction,
-- and the portions of the build bring the rest: once these are done the two are equal in every
-- snapshot, but for what the build was made for. A switch swaps the views, a rollback swaps them back,
-- and neither has anything to catch up with.

-- the lock of a unit of work, for the functions below (an admin who is no superuser gets a warning: then
-- everybody still has it)
grant execute on function pg_catalog.pg_advisory_xact_lock(integer, integer) to analytics_owner;

create schema analytics_live;
create schema analytics_beside;
alter schema analytics_live owner to analytics_owner;
alter schema analytics_beside owner to analytics_owner;
grant usage on schema analytics_live, analytics_beside to analytics_etld;
set local role analytics_owner;

create table analytics_run.version (
	table_name text collate "C" primary key,
	consumer text collate "C" not null references analytics_run.consumer,
	day_column text,                          -- of its profile cells; null: it has no days
	live integer not null default 1,
	beside integer,                           -- null: none
	highest integer not null default 1        -- a number is not given twice
);

create table analytics_run.build (
	consumer text collate "C" primary key references analytics_run.consumer,
	state text not null check (state in ('building', 'built', 'kept')),
	job_id text collate "C" not null,
	started_at timestamptz not null default clock_timestamp(),
	built_at timestamptz,                     -- all is built and compared
	readers text[],                           -- virtual transactions of tenants that were open then
	switched_at timestamptz
);

-- What a build would change: for each table and tenant, once its rows are built.
create table analytics_run.build_difference (
	consumer text collate "C" not null references analytics_run.consumer,
	table_name text collate "C" not null,
	tenant_id text collate "C" not null,
	live_rows bigint not null,
	beside_rows bigint not null,
	gone bigint not null,                     -- rows of the live one alone, those that changed among them
	came bigint not null,                     -- of the other one alone
	changed bigint not null,                  -- keys that are in both of these
	sums jsonb not null,                      -- {column: [live, beside]} as texts
	days date[] not null,                     -- of the rows that differ
	compared_at timestamptz not null default clock_timestamp(),
	primary key (consumer, table_name, tenant_id)
);

-- A row that stands for many keys: of the version beside the live one, or of a window of time
alter table analytics_run.touched
	add column beside boolean not null default false,
	add column since timestamptz not null default '-infinity',
	add column until timestamptz not null default 'infinity';

-- What a rebuild tells others is told for the live tables; what it says beside them goes here and is gone.
create table analytics_beside.touched (consumer text, tenant_id text, kind text, key text);
create table analytics_beside.profile_dirty (tenant_id text, table_name text, day date);
create function analytics_beside.say_nothing() returns trigger language plpgsql as $$
begin
	return null;
end
$$;
create trigger unsaid before insert on analytics_beside.touched
	for each row execute function analytics_beside.say_nothing();
create trigger unsaid before insert on analytics_beside.profile_dirty
	for each row execute function analytics_beside.say_nothing();

-- ---- names

-- Replacing a view waits for its readers, and everybody else behind it: only a switch touches those of
-- the live version.
create function analytics_run.show_beside(t text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	of text;
begin
	select t || '_v' || coalesce(beside, live) into strict of from analytics_run.version where table_name = t;
	execute format('create or replace view analytics_beside.%I as select *, ctid as row_at from analytics_curated.%I', t, of);
end
$$;

create function analytics_run.show_live(t text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	of text;
begin
	select t || '_v' || live into strict of from analytics_run.version where table_name = t;
	execute format('create or replace view analytics_curated.%I as select * from analytics_curated.%I', t, of);
	execute format('create or replace view analytics_live.%I as select *, ctid as row_at from analytics_curated.%I', t, of);
end
$$;

-- Makes analytics_curated.<t>_v1 a table that has versions. A migration that adds a curated table calls it.
create function analytics_run.add_version(consumer text, t text, day_column text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	insert into analytics_run.version (table_name, consumer, day_column) values (t, consumer, day_column);
	perform analytics_run.show_live(t);
	perform analytics_run.show_beside(t);
	execute format('grant select, insert, update, delete on analytics_live.%I, analytics_beside.%I to analytics_etld', t, t);
	execute format('grant select on analytics_curated.%I to analytics_etld, analytics_dqd', t);
end
$$;

select analytics_run.add_version(consumer, t, day_column)
from (values
	('reservation', 'fact_reservation', 'arrival_date'), ('reservation', 'fact_room_night', 'stay_date'),
	('reservation', 'fact_room_night_history', 'stay_date'),
	('payment', 'fact_payment', 'business_date'),
	('property', 'dim_property', null), ('property', 'dim_room_type', null), ('property', 'dim_room', null),
	('property', 'fact_inventory_day', 'date'),
	('tenant', 'dim_tenant', null),
	('housekeeping', 'fact_housekeeping_task', 'business_date'),
	('fx', 'dim_fx', 'rate_date'),
	('lock', 'fact_lock_action', 'business_date'),
	('ai', 'fact_ai_suggestion', 'business_date'), ('ai', 'fact_demand_forecast', 'stay_date'),
	('audit', 'fact_audit_event', 'business_date'),
	('funnel', 'fact_funnel', 'business_date')) as v (consumer, t, day_column);

-- Keeps every unit of work of the consumer out until the transaction ends.
create function analytics_run.lock_consumer(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	perform pg_advisory_xact_lock(c.consumer_id, shard)
	from analytics_run.consumer c
	cross join generate_series(0, 15) shard
	where c.consumer = name;
end
$$;

-- ---- building

-- Begins to build the next version of all tables of a consumer, or goes on with what an earlier attempt or
-- a job that failed has begun. Answers how many tenants are to be built; 0: there is nothing to build from.
create function analytics_run.open_build(job text, attempt integer, projection text, consumer text, trigger text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
declare
	name alias for consumer;
	b analytics_run.build;
	v analytics_run.version;
	options text;
	tenants bigint;
begin
	perform analytics_run.lock_consumer(name);
	select * into b from analytics_run.build where build.consumer = name;
	if b.job_id = job then
		update analytics_run.job j set attempt = open_build.attempt where j.job_id = job returning touches into tenants;
		if found or b.state <> 'building' then
			return coalesce(tenants, 1);
		end if;
	elsif b.state = 'kept' then
		raise exception 'the version of % before the last switch is kept: drop it first', name using errcode = 'object_in_use';
	elsif exists (select from analytics_run.job j where j.job_id = b.job_id) then
		raise exception '% is being built by %', name, b.job_id using errcode = 'object_in_use';
	end if;
	select count(distinct s.tenant_id) into tenants
	from analytics_run.table_state s
	join analytics_run.version using (table_name)
	where version.consumer = name;
	if tenants = 0 then
		return 0;
	end if;
	insert into analytics_run.build (consumer, state, job_id) values (name, 'building', job)
	on conflict on constraint build_pkey do update set state = 'building', job_id = excluded.job_id, built_at = null;
	delete from analytics_run.build_difference d where d.consumer = name;
	for v in select * from analytics_run.version where version.consumer = name and beside is null loop
		select ' with (' || array_to_string(reloptions, ', ') || ')' into options
		from pg_class where oid = format('analytics_curated.%I', v.table_name || '_v' || v.live)::regclass;
		execute format('create table analytics_curated.%I (like analytics_curated.%I including all)%s',
			v.table_name || '_v' || v.highest + 1, v.table_name || '_v' || v.live, coalesce(options, ''));
		update analytics_run.version set beside = highest + 1, highest = highest + 1 where table_name = v.table_name;
		perform analytics_run.show_beside(v.table_name);
	end loop;
	insert into analytics_run.job (job_id, attempt, projection, trigger, touches, touches_left)
	values (job, attempt, projection, trigger, tenants, tenants);
	insert into analytics_run.touched (consumer, tenant_id, kind, key, job_id, beside)
	select distinct name, s.tenant_id, 'all', '', job, true
	from analytics_run.table_state s
	join analytics_run.version using (table_name)
	where version.consumer = name;
	return tenants;
end
$$;

-- Rows are compared by what they say: not by when and from which batch it came (_…).
create function analytics_run.compare_version(v analytics_run.version, tenant text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	live regclass := format('analytics_curated.%I', v.table_name || '_v' || v.live)::regclass;
	beside regclass := format('analytics_curated.%I', v.table_name || '_v' || v.beside)::regclass;
	columns text;
	keys text;
	sums text;
	day text := case when v.day_column is null then 'null::date' else quote_ident(v.day_column) end;
begin
	select string_agg(quote_ident(attname), ', ' order by attnum),
		string_agg(format('%1$L, jsonb_build_array((select sum(%1$I)::text from l), (select sum(%1$I)::text from b))', attname),
			', ' order by attnum)
			filter (where atttypid in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'numeric'::regtype))
		into columns, sums
	from pg_attribute
	where attrelid = live and attnum > 0 and not attisdropped and attname !~ '^_';
	select string_agg(quote_ident(a.attname), ', ') into keys
	from (
		select indkey from pg_index
		where indrelid = live and indisunique and indpred is null
		order by indisprimary desc
		limit 1) i
	join pg_attribute a on a.attrelid = live and a.attnum = any (i.indkey);
	execute format($q$
		insert into analytics_run.build_difference
			(consumer, table_name, tenant_id, live_rows, beside_rows, gone, came, changed, sums, days)
		with l as materialized (select %1$s from %2$s where tenant_id = $1),
			b as materialized (select %1$s from %3$s where tenant_id = $1),
			gone as materialized (select * from l except all select * from b),
			came as materialized (select * from b except all select * from l)
		select $2, $3, $1, (select count(*) from l), (select count(*) from b), (select count(*) from gone),
			(select count(*) from came),
			(select count(*) from (select %4$s from gone intersect select %4$s from came) k),
			jsonb_build_object(%5$s),
			array(select coalesce(day, '1970-01-01') from (select %6$s from gone union select %6$s from came) d (day))
		$q$, columns, live, beside, keys, coalesce(sums, ''), day) using tenant, v.consumer, v.table_name;
end
$$;

-- The next step from built to switched: compares one tenant, or looks whether those are gone who could
-- still read with a snapshot from before all was built (two minutes: a tenant may not hold up the others).
-- Answers what it did and how much of it is left; `switched`: it is done already.
create function analytics_run.prepare_switch(consumer text, job text, out step text, out rest bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	name alias for consumer;
	b analytics_run.build;
	tenant text;
begin
	select * into b from analytics_run.build where build.consumer = name for update;
	if b.job_id is distinct from job then
		raise exception '% is not being built by %', name, job using errcode = 'object_not_in_prerequisite_state';
	elsif b.state = 'kept' then
		step := 'switched';
		rest := 0;
		return;
	end if;
	select min(s.tenant_id), count(distinct s.tenant_id) into tenant, rest
	from analytics_run.table_state s
	join analytics_run.version v using (table_name)
	where v.consumer = name and not exists (
		select from analytics_run.build_difference d
		where d.consumer = name and d.table_name = s.table_name and d.tenant_id = s.tenant_id);
	if tenant is not null then
		step := 'comparing';
		perform analytics_run.compare_version(v, tenant)
		from analytics_run.version v
		where v.consumer = name and not exists (
			select from analytics_run.build_difference d
			where d.consumer = name and d.table_name = v.table_name and d.tenant_id = tenant);
		return;
	end if;
	if b.state = 'building' then
		update analytics_run.build set state = 'built', built_at = clock_timestamp(), readers = array(
			select l.virtualtransaction
			from pg_locks l
			join pg_stat_activity a on a.pid = l.pid
			join pg_auth_members m on m.member = a.usesysid and m.roleid = 'analytics_tenants'::regrole
			where l.locktype = 'virtualxid' and a.datname = current_database())
		where build.consumer = name
		returning * into b;
	end if;
	select count(*) into rest from pg_locks where locktype = 'virtualxid' and virtualtransaction = any (b.readers);
	step := case when rest > 0 and clock_timestamp() < b.built_at + interval '2 min' then 'waiting' else 'ready' end;
end
$$;

-- ---- switching

-- Makes the version beside the live one the live one, and the other way round, for all tables of a
-- consumer: the tenants whose rows differ get new data versions and profiles, and what others make of
-- those rows is made again. It waits half a second for whoever holds a table or a shard and then gives
-- up (lock_not_available), because everybody else would wait behind it: try again.
create function analytics_run.switch_version(consumer text, from_state text, dependents text[])
returns table (tenant_id text, table_name text, data_version bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
#variable_conflict use_column
declare
	name alias for $1;
	state text;
begin
	perform analytics_run.lock_consumer(name);
	select b.state into state from analytics_run.build b where b.consumer = name for update;
	if state is distinct from from_state then
		raise exception 'there is no version of % to switch to that is %', name, from_state using errcode = 'object_not_in_prerequisite_state';
	end if;
	update analytics_run.version set live = beside, beside = live where consumer = name and beside is not null;
	perform analytics_run.show_live(v.table_name), analytics_run.show_beside(v.table_name)
	from analytics_run.version v
	where v.consumer = name;
	update analytics_run.build set state = 'kept', switched_at = clock_timestamp() where consumer = name;
	insert into analytics_run.profile_dirty (tenant_id, table_name, day)
	select d.tenant_id, d.table_name, day
	from analytics_run.build_difference d
	cross join unnest(d.days) day
	where d.consumer = name;
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select dependent, t.tenant_id, 'all', ''
	from (
		select distinct d.tenant_id
		from analytics_run.build_difference d
		where d.consumer = name and d.gone + d.came > 0) t
	cross join unnest(dependents) dependent;
	return query
	update analytics_run.table_state s set data_version = s.data_version + 1, refreshed_at = now()
	from analytics_run.build_difference d
	where d.consumer = name and d.gone + d.came > 0 and s.tenant_id = d.tenant_id and s.table_name = d.table_name
	returning s.tenant_id, s.table_name, s.data_version;
end
$$;

-- Drops the version beside the live one: one that was kept, or of a build that failed.
create function analytics_run.drop_version(consumer text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_column
declare
	name alias for $1;
	b analytics_run.build;
	v analytics_run.version;
	dropped integer := 0;
begin
	perform analytics_run.lock_consumer(name);
	select * into b from analytics_run.build where consumer = name;
	if exists (select from analytics_run.job j where j.job_id = b.job_id) then
		raise exception '% is being built by %', name, b.job_id using errcode = 'object_in_use';
	end if;
	for v in select * from analytics_run.version where consumer = name and beside is not null loop
		update analytics_run.version set beside = null where table_name = v.table_name;
		perform analytics_run.show_beside(v.table_name);
		execute format('drop table analytics_curated.%I', v.table_name || '_v' || v.beside);
		dropped := dropped + 1;
	end loop;
	delete from analytics_run.touched where consumer = name and beside;
	delete from analytics_run.build_difference where consumer = name;
	delete from analytics_run.build where consumer = name;
	return dropped;
end
$$;

revoke execute on function analytics_run.show_live(text), analytics_run.show_beside(text), analytics_run.add_version(text, text, text),
	analytics_run.lock_consumer(text), analytics_run.open_build(text, integer, text, text, text),
	analytics_run.compare_version(analytics_run.version, text), analytics_run.prepare_switch(text, text),
	analytics_run.switch_version(text, text, text[]), analytics_run.drop_version(text) from public;
grant execute on function analytics_run.open_build(text, integer, text, text, text),
	analytics_run.prepare_switch(text, text), analytics_run.switch_version(text, text, text[]),
	analytics_run.drop_version(text) to analytics_etld;
grant select on analytics_run.version, analytics_run.build, analytics_run.build_difference to analytics_etld;
grant insert on analytics_beside.touched, analytics_beside.profile_dirty to analytics_etld;

-- ---- archives

-- How far the files of an event archive are (`ingestd load`). Written after the events have landed.
create table analytics_run.archive_file (
	file text collate "C" primary key,
	size_bytes bigint not null,
	modified_us bigint not null,
	offset_bytes bigint not null,             -- of the unpacked text
	accepted bigint not null,                 -- over all times that it was loaded
	duplicates bigint not null,
	conflicts bigint not null,
	dead_letters bigint not null,
	started_at timestamptz not null default now(),
	noted_at timestamptz not null default now(),
	finished_at timestamptz
);
grant select, insert, update on analytics_run.archive_file to analytics_ingestd;
grant select on analytics_run.archive_file to analytics_etld;

-- ---- the size of what a refresh would build

-- Of the tables of this tenant, for whoever may see all of its properties.
create view tenant_views.table_size with (security_barrier) as
select table_name, sum(rows)::bigint as rows
from analytics_run.profile
where tenant_id = session_user::text and (select tenant_views.scope() = '{*}')
group by table_name;
grant select on tenant_views.table_size to analytics_tenants;

-- ---- retention of raw
--
-- What is past the retention of its class loses its content; who it was stays: key, tenant, hash, subject
-- and times. So an event that is delivered again years later is still a duplicate, or a conflict, and never
-- lands a second time. Only where the operator gives up on that too (`keys`) do the rows go, and a month
-- with nothing left gives its space back. It stays as an empty partition: a batch that needs a partition
-- that is not there has to wait for it. Nothing here touches what was made of the events.

-- How far each partition is. The arrays: operational, regulated, audit, analytical, and the emptied ones;
-- `oldest` is no later than the oldest row there, so a month is looked at when something in it can be due.
create table analytics_run.raw_month (
	month text collate "C" primary key,       -- the partition
	oldest timestamptz[] not null default '{-infinity,-infinity,-infinity,-infinity,-infinity}',
	found timestamptz[] not null default '{infinity,infinity,infinity,infinity,infinity}', -- in this pass
	started_at timestamptz,                   -- of the pass; null: none is under way
	ended_at timestamptz,
	after_key text collate "C" not null default '',
	after_tenant text collate "C" not null default ''
);

create function analytics_run.retire_raw(operational interval, regulated interval, audit interval, analytical interval,
	keys interval, max_rows integer)
returns table (month text, looked_at bigint, emptied bigint, deleted bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
#variable_conflict use_column
declare
	before constant timestamptz[] := array[now() - operational, now() - regulated, now() - audit, now() - analytical,
		now() - keys];
	m analytics_run.raw_month;
	page record;
	partition regclass;
begin
	insert into analytics_run.raw_month (month)
	select c.relname
	from pg_inherits i
	join pg_class c on c.oid = i.inhrelid
	where i.inhparent = 'events_raw.event'::regclass
	on conflict do nothing;
	-- most months are empty: those need no look inside
	update analytics_run.raw_month r set started_at = null, ended_at = now(), oldest = array_fill(now() - interval '1 hour', '{5}')
	where r.month in (
			select o.month from analytics_run.raw_month o
			where pg_relation_size(to_regclass(format('events_raw.%I', o.month))) = 0
			for update skip locked)
		and exists (select from unnest(r.oldest, before) as o (at, before) where o.at < o.before);
	select r.* into m
	from analytics_run.raw_month r
	where (r.started_at is not null or coalesce(r.ended_at < now() - interval '1 hour', true))
		and exists (select from unnest(r.oldest, before) as o (at, before) where o.at < o.before)
		and to_regclass(format('events_raw.%I', r.month)) is not null
	order by r.started_at is null, r.month
	limit 1
	for update skip locked;
	if not found then
		return;
	end if;
	partition := to_regclass(format('events_raw.%I', m.month));
	if m.started_at is null then
		m.started_at := now();
		m.after_key := '';
		m.after_tenant := '';
		m.found := '{infinity,infinity,infinity,infinity,infinity}';
	end if;
	execute format($q$
		with page as materialized (
			select e.ctid as row_at, e.dedupe_key, e.tenant_id, e.received_at, case when e.body = '' then 5
					else array_position('{operational,regulated,audit,analytical}', e.retention_class) end as class,
				-- what nobody has read yet is not gone
				exists (
					select from analytics_run.delta d
					where d.consumer = analytics_run.consumer_of(e.domain) and d.shard = analytics_run.shard_of(e.tenant_id)
						and d.tenant_id = e.tenant_id and d.batch_id = e.batch_id and d.domain = e.domain) as pending
			from %1$s e
			where (e.dedupe_key, e.tenant_id) > ($1, $2)
			order by e.dedupe_key, e.tenant_id
			limit $3
		), judged as materialized (
			select p.*, coalesce(p.received_at < ($4)[p.class], false) and not p.pending as due from page p
		), emptied as (
			update %1$s e set body = '', attributes = null, event_id = '', aggregate_type = null, aggregate_id = null,
				aggregate_version = null, producer = null, correlation_id = null, causation_id = null, traceparent = null,
				ordering_key = null, payload_key = null
			from judged j
			where e.ctid = j.row_at and j.due and j.class < 5
			returning 1
		), deleted as (
			delete from %1$s e
			using judged j
			where e.ctid = j.row_at and j.due and j.class = 5
			returning 1
		)
		select count(*) as looked_at, (select count(*) from emptied) as emptied, (select count(*) from deleted) as deleted,
			(array_agg(dedupe_key order by dedupe_key desc, tenant_id desc))[1] as last_key,
			(array_agg(tenant_id order by dedupe_key desc, tenant_id desc))[1] as last_tenant,
			array(
				select least(f.at, (
					select min(received_at) from judged
					where case when due then 5 else class end = f.class and not (due and class = 5)))
				from unnest($5) with ordinality as f (at, class)
				order by f.class) as found
		from judged
		$q$, partition)
	into page using m.after_key, m.after_tenant, max_rows, before, m.found;
	if page.looked_at = max_rows then
		update analytics_run.raw_month r set started_at = m.started_at, after_key = page.last_key,
			after_tenant = page.last_tenant, found = page.found
		where r.month = m.month;
	else
		-- what landed since the pass began is younger, by clocks that may be an hour apart
		update analytics_run.raw_month r set started_at = null, ended_at = now(), found = m.found, oldest = array(
			select least(at, m.started_at - interval '1 hour') from unnest(page.found) with ordinality f (at, n) order by n)
		where r.month = m.month;
		perform analytics_run.give_back(partition);
	end if;
	return query select m.month, page.looked_at, page.emptied, page.deleted;
end
$$;

-- The space of a month in which nothing is left; not when somebody is at it.
create function analytics_run.give_back(partition regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
declare
	used boolean;
begin
	if pg_relation_size(partition) = 0 then
		return;
	end if;
	execute format('select exists (select from %s)', partition) into used;
	if not used then
		execute format('lock table %s in access exclusive mode', partition);
		execute format('select exists (select from %s)', partition) into used;
		if not used then
			execute format('truncate %s', partition);
		end if;
	end if;
exception
	when lock_not_available then null;
end
$$;

revoke execute on function analytics_run.retire_raw(interval, interval, interval, interval, interval, integer),
	analytics_run.give_back(regclass) from public;
grant execute on function analytics_run.retire_raw(interval, interval, interval, interval, interval, integer) to analytics_etld;

reset role;
