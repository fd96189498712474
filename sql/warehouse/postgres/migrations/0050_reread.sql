-- Typed events (analytics_curated.event_<consumer>) made again from raw, while everything goes on.
--
-- The batches of raw that a consumer reads are found once and queued (raw_batch), for each tenant one row of
-- kind `raw` in touched. A portion of it is a unit of work like any other, under the lock of its shard: the
-- typed rows of some batches go (forget_events), the consumer's own append makes them again, and the keys
-- that either has touched are rebuilt, in one transaction: so nobody ever sees a hole, and what is killed
-- has not happened.
--
-- Only what raw can still tell is forgotten. What retention has emptied keeps its typed rows, and so does
-- what it deleted; a guest who was erased is in neither.

-- retention does not empty what a portion is about to read again (an admin who is no superuser gets a
-- warning: then everybody still has it)
grant execute on function pg_catalog.pg_advisory_xact_lock_shared(integer, integer) to analytics_owner;

set local role analytics_owner;

alter table analytics_run.touched drop constraint touched_kind_check;
alter table analytics_run.touched add constraint touched_kind_check check (kind in ('key', 'property', 'all', 'raw'));

-- What is to be read again. A batch of which raw has nothing (any more) stands here when it has typed rows,
-- without keys.
create table analytics_run.raw_batch (
	consumer text collate "C" not null references analytics_run.consumer,
	tenant_id text collate "C" not null,
	batch_id bigint not null,
	events bigint not null,
	key_lo text collate "C",
	key_hi text collate "C",
	primary key (consumer, tenant_id, batch_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- How far the batches are found. Gone when they are queued.
create table analytics_run.raw_walk (
	consumer text collate "C" primary key references analytics_run.consumer,
	job_id text collate "C" not null,
	after_key text collate "C" not null default '',
	walked bigint not null default 0,
	found boolean not null default false,     -- all
	stepped_at timestamptz not null default clock_timestamp()
);

-- The typed tables, and which keys a row of them (`e`) touches: as append_<consumer>.sql says it.
create table analytics_run.event_table (
	relation text primary key,
	consumer text collate "C" not null references analytics_run.consumer,
	touches text not null                     -- a query of (tenant_id, key)
);
insert into analytics_run.event_table values
	('analytics_curated.event_reservation', 'reservation', 'select e.tenant_id, e.reservation_id'),
	('analytics_curated.event_payment', 'payment', 'select e.tenant_id, e.transaction_id'),
	('analytics_curated.event_property', 'property', $$
		select e.tenant_id, e.entity_id || coalesce('@' || case
			when e.entity = 'day' then daterange(e.day_from, e.day_from + 1)
			when e.entity = 'room' and (e.day_from is null or e.day_until is null) then
				daterange(least(e.day_from, (e.occurred_at at time zone 'UTC')::date - 1), null)
			when e.entity = 'room' and e.day_from < e.day_until then
				daterange(least(e.day_from, (e.occurred_at at time zone 'UTC')::date - 1), e.day_until)
		end, '')$$),
	('analytics_curated.event_tenant', 'tenant', 'select e.tenant_id, e.tenant_id'),
	('analytics_curated.event_housekeeping', 'housekeeping', 'select e.tenant_id, e.task_id'),
	('analytics_curated.event_fx', 'fx',
		'select e.tenant_id, e.base_currency || ''/'' || e.quote_currency || ''@'' || (e.captured_at at time zone ''UTC'')::date'),
	('analytics_curated.event_lock', 'lock', 'select e.tenant_id, e.lock_key'),
	('analytics_curated.event_ai', 'ai', 'select e.tenant_id, ''s'' || e.suggestion_id'),
	('analytics_curated.event_forecast', 'ai',
		'select e.tenant_id, ''f'' || jsonb_build_array(e.property_id, e.forecast_run_id, e.room_type_id)::text'),
	('analytics_curated.event_audit', 'audit', 'select e.tenant_id, e.event_id'),
	('analytics_curated.event_funnel', 'funnel', $$
		select e.owner_id, case when e.handoff_id is not null then 'h' || e.handoff_id else 's' || e.session_id end
		where e.owner_id is not null
		union
		-- a search: whoever was clicked in its session
		select s.owner_id, 's' || s.session_id
		from analytics_curated.event_funnel s
		where e.verb = 'search' and s.session_id = e.session_id and s.owner_id is not null and s.tenant_id = e.tenant_id$$);

do $$
declare
	t analytics_run.event_table;
begin
	for t in select * from analytics_run.event_table loop
		execute format('create index %I on %s (tenant_id, batch_id)', split_part(t.relation, '.', 2) || '_batch', t.relation);
	end loop;
end
$$;

-- ---- what raw can tell

-- The events of a consumer in the batches that etld/take_delta.sql or take_portion.sql has taken. Those whose
-- content is gone say nothing: what retention has emptied, and what of the platform's named a tenant that
-- was purged (nothing else redacts those). Runs as its caller.
create or replace function events_raw.taken(consumer text, batches bigint[], tenants text[], key_lo text, key_hi text)
returns setof events_raw.taken_event
language plpgsql stable
set plan_cache_mode = force_custom_plan set enable_seqscan = off set search_path = pg_catalog, pg_temp as $$
begin
	return query
	select e.dedupe_key, e.tenant_id, e.batch_id, e.subject, e.domain, e.occurred_at, e.aggregate_type, e.aggregate_id,
		e.aggregate_version, e.correlation_id, e.payload_key, e.body
	from events_raw.event e
	where e.batch_id = any (batches)
		and e.dedupe_key between key_lo and key_hi
		-- `is true` keeps this a table of hashes that each row is looked up in: for a join the planner takes a
		-- nested loop where it knows no better
		and ((e.batch_id, e.tenant_id) in (
			select t.batch_id, t.tenant_id from unnest(batches, tenants) as t (batch_id, tenant_id))) is true
		and analytics_run.consumer_of(e.domain) = consumer
		and e.body <> '' and (e.redacted_at is null or e.tenant_id <> '_platform');
end
$$;

-- Months of raw that retention has taken keys from, too: an event that is not there may have been.
alter table analytics_run.raw_month add column keys_gone boolean not null default false;
update analytics_run.raw_month set keys_gone = true; -- nobody has noted it

-- Retention waits for whoever reads again, and they for it: a portion forgets what it has seen the content of.
alter function analytics_run.retire_raw(interval, interval, interval, interval, interval, integer)
	rename to retire_raw_portion;
revoke execute on function analytics_run.retire_raw_portion(interval, interval, interval, interval, interval, integer)
	from analytics_etld;

create function analytics_run.retire_raw(operational interval, regulated interval, audit interval, analytical interval,
	keys interval, max_rows integer)
returns table (month text, looked_at bigint, emptied bigint, deleted bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '500ms' as $$
#variable_conflict use_column
declare
	done record;
begin
	begin
		perform pg_advisory_xact_lock(7199, 0);
	exception
		when lock_not_available then return;
	end;
	select * into done
	from analytics_run.retire_raw_portion(operational, regulated, audit, analytical, keys, max_rows);
	if not found then
		return;
	end if;
	if done.deleted > 0 then
		update analytics_run.raw_month m set keys_gone = true where m.month = done.month and not m.keys_gone;
	end if;
	return query select done.month, done.looked_at, done.emptied, done.deleted;
end
$$;

-- Whether raw may have had the event, and has it no more.
create function analytics_run.key_gone(event_id text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
	select exists (
		select
		from analytics_run.raw_month m
		cross join lateral (
			select case when m.month ~ '^event_[0-9]{6}$'
				then make_timestamptz(substr(m.month, 7, 4)::integer, substr(m.month, 11, 2)::integer, 1, 0, 0, 0, 'UTC') end as starts
		) b
		where m.keys_gone and case when b.starts is null
			then event_id < analytics_run.ulid_floor('2010-01-01 00:00Z') or event_id >= analytics_run.ulid_floor('2050-01-01 00:00Z')
			else event_id >= analytics_run.ulid_floor(b.starts)
				and event_id < analytics_run.ulid_floor(((b.starts at time zone 'UTC') + interval '1 month') at time zone 'UTC')
		end)
$$;

-- ---- finding the batches

-- Walks over the keys of raw, of all tenants, `most` at a time, and notes the batches of the consumer's
-- events. Answers whether the end is reached.
create function analytics_run.find_batches(job text, consumer text, most integer, out done boolean)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
	name alias for consumer;
	b analytics_run.build;
	w analytics_run.raw_walk;
	t analytics_run.event_table;
	last_key text;
	seen bigint;
begin
	done := true;
	select * into b from analytics_run.build where build.consumer = name;
	if b.job_id = job then
		return; -- it has been opened
	elsif b.state = 'kept' then
		raise exception 'the version of % before the last switch is kept: drop it first', name using errcode = 'object_in_use';
	elsif exists (select from analytics_run.job j where j.job_id = b.job_id) then
		raise exception '% is being built by %', name, b.job_id using errcode = 'object_in_use';
	end if;
	select * into w from analytics_run.raw_walk where raw_walk.consumer = name for update;
	if w.job_id <> job and w.stepped_at > clock_timestamp() - interval '10 min' then
		raise exception '% is being read again by %', name, w.job_id using errcode = 'object_in_use';
	elsif w.job_id is distinct from job then
		delete from analytics_run.raw_walk where raw_walk.consumer = name;
		delete from analytics_run.raw_batch r where r.consumer = name;
		insert into analytics_run.raw_walk (consumer, job_id) values (name, job) returning * into w;
	end if;
	if w.found then
		return;
	end if;
	select max(k.dedupe_key), count(*) into last_key, seen
	from (
		select dedupe_key from events_raw.event where dedupe_key > w.after_key order by dedupe_key limit most) k;
	insert into analytics_run.raw_batch as r (consumer, tenant_id, batch_id, events, key_lo, key_hi)
	select name, e.tenant_id, e.batch_id, count(*), min(e.dedupe_key), max(e.dedupe_key)
	from events_raw.event e
	where e.dedupe_key > w.after_key and e.dedupe_key <= last_key and analytics_run.consumer_of(e.domain) = name
		and not exists (select from analytics_run.tombstone d where d.tenant_id = e.tenant_id)
	group by e.tenant_id, e.batch_id
	on conflict on constraint raw_batch_pkey do update set
		events = r.events + excluded.events, key_lo = least(r.key_lo, excluded.key_lo), key_hi = greatest(r.key_hi, excluded.key_hi);
	done := seen < most;
	if done then
		for t in select * from analytics_run.event_table et where et.consumer = name loop
			execute format($q$
				insert into analytics_run.raw_batch (consumer, tenant_id, batch_id, events)
				select $1, e.tenant_id, e.batch_id, count(*)
				from %s e
				where not exists (
						select from analytics_run.raw_batch r
						where r.consumer = $1 and r.tenant_id = e.tenant_id and r.batch_id = e.batch_id)
					and not exists (select from analytics_run.tombstone d where d.tenant_id = e.tenant_id)
				group by e.tenant_id, e.batch_id
				$q$, t.relation) using name;
		end loop;
	end if;
	update analytics_run.raw_walk r set after_key = coalesce(last_key, w.after_key), walked = w.walked + seen, found = done,
		stepped_at = clock_timestamp()
	where r.consumer = name;
end
$$;

-- open_build, and what was found is queued with it.
create function analytics_run.open_reread(job text, attempt integer, projection text, consumer text, trigger text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
declare
	name alias for consumer;
	is_open boolean;
	touches bigint;
	tenants bigint;
begin
	-- a purge takes the same locks: it is over and its tenant is known, or it comes and finds the rows
	perform analytics_run.lock_consumer(name);
	select exists (select from analytics_run.build b where b.consumer = name and b.job_id = job) into is_open;
	touches := analytics_run.open_build(job, attempt, projection, name, trigger);
	if is_open or touches = 0 then
		return touches;
	end if;
	insert into analytics_run.touched (consumer, tenant_id, kind, key, job_id)
	select distinct name, r.tenant_id, 'raw', '', job
	from analytics_run.raw_batch r
	where r.consumer = name and not exists (select from analytics_run.tombstone d where d.tenant_id = r.tenant_id);
	get diagnostics tenants = row_count;
	update analytics_run.job j set touches = j.touches + tenants, touches_left = j.touches_left + tenants where j.job_id = job;
	delete from analytics_run.raw_walk w where w.consumer = name;
	return touches + tenants;
end
$$;

-- ---- forgetting

-- Deletes the typed rows of these batches (of one tenant) that raw can make again, and those that it cannot
-- have made. Answers the batches to append, which are these and others where raw has an event of theirs, with
-- the bounds of their keys; and the keys that lost a row. Keys of other tenants (owners of clicks) are queued
-- for these, as append_funnel.sql does; what names a deleted one is left to its purge.
create function analytics_run.forget_events(consumer text, batches bigint[], tenant text, key_lo text, key_hi text,
	out read_batches bigint[], out read_lo text, out read_hi text, out keys text[])
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
	name alias for consumer;
	t analytics_run.event_table;
	part text[];
	ids text[] := '{}';
	lo text;
	hi text;
	told text[];
	readable text[];
begin
	perform pg_advisory_xact_lock_shared(7199, 0);
	for t in select * from analytics_run.event_table et where et.consumer = name loop
		execute format('select array_agg(distinct event_id) from %s where tenant_id = $1 and batch_id = any ($2)', t.relation)
			into part using tenant, batches;
		ids := ids || coalesce(part, '{}');
	end loop;
	select min(id), max(id) into lo, hi from unnest(ids) id;
	select array_agg(e.dedupe_key), array_agg(e.dedupe_key) filter (where r.readable),
		array_agg(distinct e.batch_id) filter (where r.readable and e.batch_id <> all (batches)),
		min(e.dedupe_key) filter (where r.readable), max(e.dedupe_key) filter (where r.readable)
		into told, readable, read_batches, read_lo, read_hi
	from events_raw.event e
	cross join lateral (select e.body <> '' and (e.redacted_at is null or e.tenant_id <> '_platform') as readable) r
	where e.dedupe_key between lo and hi and e.dedupe_key = any (ids) and e.tenant_id = tenant;
	read_batches := batches || coalesce(read_batches, '{}');
	read_lo := least(read_lo, key_lo);
	read_hi := greatest(read_hi, key_hi);
	select array_agg(id) into part
	from (select unnest(ids) except select unnest(told)) as unknown (id)
	where not analytics_run.key_gone(id);
	ids := readable || part;
	for t in select * from analytics_run.event_table et where et.consumer = name loop
		execute format($q$
			with gone as (
				delete from %s e
				where e.tenant_id = $1 and e.batch_id = any ($2) and e.event_id = any ($3) %s
				returning e.*
			), touched as (
				select distinct k.tenant_id, k.key from gone e cross join lateral (%s) as k (tenant_id, key)
			), handed_over as (
				insert into analytics_run.touched (consumer, tenant_id, kind, key)
				select $4, tenant_id, 'key', key from touched where tenant_id <> $1
			)
			select array_agg(key) from touched where tenant_id = $1
			$q$, t.relation, case name when 'funnel' then
				'and not exists (select from analytics_run.tombstone d where d.tenant_id = e.owner_id)' else '' end, t.touches)
			into part using tenant, batches, ids, name;
		keys := keys || part;
	end loop;
end
$$;

-- ---- a guest who is erased meanwhile

-- As before (0018), and no unit of work may have read of him what raw has forgotten since: it would bring his
-- pseudonym back. From here on there is nothing to read.
create or replace function analytics_run.erase_keys(record text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	r analytics_run.purge_record;
	c analytics_run.person_column;
	guest record;
	pseudonym text;
	n bigint;
	touched bigint := 0;
begin
	select * into r from analytics_run.purge_record p where p.record_id = record;
	perform pg_advisory_xact_lock(u.consumer_id, analytics_run.shard_of(r.tenant_id)::integer)
	from (
		select consumer_id from analytics_run.consumer
		where consumer in (select p.consumer from analytics_run.person_column p)
		order by consumer_id) u;
	select * into guest from analytics_run.guest_of(r.tenant_id, r.request_key);
	select analytics_run.guest_key_of(k.key, guest.id) into pseudonym
	from analytics_run.guest_key k where k.tenant_id = r.tenant_id;
	for c in select * from analytics_run.person_column loop
		execute format('with gone as (update %s set %I = null where tenant_id = $1 and %2$I = $2 returning %I as key) '
			'insert into analytics_run.touched (consumer, tenant_id, kind, key) '
			'select distinct $3, $1, ''key'', key from gone', c.relation, c.column_name, c.key_column)
			using r.tenant_id, pseudonym, c.consumer;
		get diagnostics n = row_count;
		touched := touched + n;
	end loop;
	delete from analytics_run.dead_letter d
	where (d.tenant_id = r.tenant_id or d.tenant_id is null)
		and (position(convert_to(guest.mark, 'UTF8') in d.body) > 0
			or position(convert_to(lower(guest.mark), 'UTF8') in d.body) > 0
			or strpos(upper(d.attributes), guest.mark) > 0);
	return touched;
end
$$;

revoke execute on function analytics_run.retire_raw(interval, interval, interval, interval, interval, integer),
	analytics_run.key_gone(text), analytics_run.find_batches(text, text, integer),
	analytics_run.open_reread(text, integer, text, text, text),
	analytics_run.forget_events(text, bigint[], text, text, text) from public;
grant execute on function analytics_run.retire_raw(interval, interval, interval, interval, interval, integer),
	analytics_run.find_batches(text, text, integer), analytics_run.open_reread(text, integer, text, text, text),
	analytics_run.forget_events(text, bigint[], text, text, text) to analytics_etld;
grant select, delete on analytics_run.raw_batch, analytics_run.raw_walk to analytics_etld;

reset role;
