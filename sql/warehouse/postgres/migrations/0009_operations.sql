-- What operators and the bus need: dead letters that can be replayed and that raise alerts, events
-- that ask for a job, tenants that are gone, and an outbox whose order a relay can rely on.

do $$
begin
	-- see refuse_deleted_tenants() and number_outbox() below
	grant execute on function pg_catalog.pg_advisory_xact_lock(integer, integer),
		pg_catalog.pg_advisory_xact_lock_shared(integer, integer) to analytics_owner, analytics_ingestd;
end
$$;

set local role analytics_owner;

-- ---- dead letters

-- A letter is open until it was replayed with success, or an operator has acknowledged it.
alter table analytics_run.dead_letter
	add column transport text,               -- what the bus said beside the attributes, JSON
	add column tried_at timestamptz,         -- the last replay, whatever came of it
	add column replay_outcome text,          -- accepted, duplicate, conflict, superseded; of replayed_at
	add column acknowledged_at timestamptz,
	add column alerted boolean not null default false;

-- Under whom an alert about a letter goes: what has no tenant, or none that can be one, is the platform's.
create function analytics_run.alert_tenant(tenant_id text) returns text
language sql immutable parallel safe as $$
	select case when tenant_id ~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}$' then tenant_id else '_platform' end
$$;

create index dead_letter_new on analytics_run.dead_letter (dead_letter_id) where not alerted;
create index dead_letter_open on analytics_run.dead_letter
	(reason, coalesce(subject, ''), analytics_run.alert_tenant(tenant_id))
	where replayed_at is null and acknowledged_at is null;

-- Alerts that are raised and not resolved: one for each (reason, subject, tenant), however many letters.
create table analytics_run.dead_letter_alert (
	reason text collate "C" not null,
	subject text collate "C" not null,       -- '' = the letters name none
	tenant_id text collate "C" not null,
	alert_id text collate "C" not null,
	severity text not null,
	letters bigint not null,
	raised_at timestamptz not null default now(),
	primary key (reason, subject, tenant_id)
);

grant update (reason, place, severity, fingerprint, tried_at, replay_outcome, acknowledged_at, alerted)
	on analytics_run.dead_letter to analytics_ingestd;
-- etld turns letters into alerts; what is in them is none of its business
grant select (dead_letter_id, tenant_id, subject, reason, severity, replayed_at, acknowledged_at, alerted),
	update (alerted) on analytics_run.dead_letter to analytics_etld;
grant select, insert, update, delete on analytics_run.dead_letter_alert to analytics_etld;

-- ---- tenants that are gone

-- Written in the transaction that lands tenant.deleted; nothing of such a tenant lands after it.
create table analytics_run.tombstone (
	tenant_id text collate "C" primary key,
	deleted_at timestamptz not null default now(),
	dropped bigint not null default 0,       -- events that came later
	last_dropped_at timestamptz
);
grant select, insert (tenant_id), update (dropped, last_dropped_at) on analytics_run.tombstone to analytics_ingestd;
grant select on analytics_run.tombstone to analytics_etld, analytics_queryd, analytics_dqd;

-- The judge of the fast path. Every landing writes its deltas, a row for each tenant, so this looks
-- once a batch at a handful of rows; the batch then goes the careful way, which drops the events.
--
-- Whoever lands holds lock 7201 shared until its commit, whoever buries a tenant holds it alone (see
-- judge_suspects): a landing is wholly before a tombstone or sees it. So once a tombstone is visible
-- no transaction can still add an event of its tenant, and a purge that starts then misses none.
create function analytics_run.refuse_deleted_tenants() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	perform pg_advisory_xact_lock_shared(7201, 0);
	-- a statement of its own: its snapshot must be younger than the lock
	if exists (select from landing join analytics_run.tombstone using (tenant_id)) then
		raise exception 'the batch has events of a deleted tenant' using errcode = 'TD001';
	end if;
	return null;
end
$$;
create trigger delta_tombstone after insert on analytics_run.delta
	referencing new table as landing
	for each statement execute function analytics_run.refuse_deleted_tenants();

-- The judge of the careful path, before anything of the batch is inserted. Runs as its caller.
create function events_raw.judge_suspects() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
	if exists (select from pg_temp.suspect where subject = 'melmastoon.tenant.deleted.v1') then
		perform pg_advisory_xact_lock(7201, 0);
	else
		perform pg_advisory_xact_lock_shared(7201, 0);
	end if;
	update pg_temp.suspect s set outcome = 'tenant_deleted'
	from analytics_run.tombstone t
	where t.tenant_id = s.tenant_id;
	if found then
		with counted as (
			select tenant_id, count(*) as events
			from pg_temp.suspect
			where outcome is not null
			group by tenant_id
		), locked as ( -- in order, so that no two batches wait for each other
			select t.tenant_id, c.events
			from analytics_run.tombstone t join counted c using (tenant_id)
			order by t.tenant_id
			for update of t
		)
		update analytics_run.tombstone t set dropped = t.dropped + l.events, last_dropped_at = now()
		from locked l
		where t.tenant_id = l.tenant_id;
	end if;
end
$$;

-- As it was, without the suspects that have their outcome.
create or replace function events_raw.compare_suspects() returns void
language plpgsql volatile
set plan_cache_mode = force_custom_plan set enable_seqscan = off set search_path = pg_catalog, pg_temp as $$
declare
	lo text;
	hi text;
begin
	select min(dedupe_key), max(dedupe_key) into lo, hi from pg_temp.suspect where outcome is null;
	update pg_temp.suspect s set outcome = case
		when s.landed then 'accepted'
		when e.content_hash = s.content_hash then 'duplicate'
		else 'conflict'
	end
	from events_raw.event e
	where s.outcome is null and e.dedupe_key between lo and hi and e.dedupe_key = s.dedupe_key
		and e.tenant_id = s.tenant_id;
end
$$;

-- ---- events that ask for a job

-- ingestd sends these subjects the careful way (ingestd/control.c has the same list), where what has
-- landed is known row by row.
create function analytics_run.control_kind(subject text) returns text
language sql immutable parallel safe as $$
	select case subject
		when 'melmastoon.tenant.deleted.v1' then 'purge'
		when 'melmastoon.tenant.region_changed.v1' then 'region'
		when 'melmastoon.tenant.guest.erasure_requested.v1' then 'erasure'
		when 'melmastoon.ai.forecast.produced.v1' then 'forecast'
		when 'melmastoon.ai_orchestrator.forecast.produced.v1' then 'forecast'
	end
$$;

-- Landed, and not yet a job of the control database, which may be another one. Names its event and
-- holds nothing of it: the job's worker reads raw.
create table analytics_run.control_event (
	tenant_id text collate "C" not null,
	dedupe_key text collate "C" not null,
	kind text not null,
	subject text not null,
	occurred_at timestamptz not null,
	landed_at timestamptz not null default now(),
	primary key (tenant_id, dedupe_key)
);
grant insert on analytics_run.control_event to analytics_ingestd;
grant select, delete on analytics_run.control_event to analytics_etld;

grant execute on function analytics_run.control_kind(text) to public;

-- ---- outbox

create function analytics_run.outbox_shard(ordering_key text) returns smallint
language sql immutable strict parallel safe as $$
	select (hashtextextended(ordering_key, 0) & 63)::smallint
$$;

-- The order of a key is the order of its commits. An identity value is taken before the commit, so of
-- two writers the later could commit first and a relay would send its row too early. Here a writer
-- first takes its key's shard until it commits, and only then its number: a row that can be seen has
-- all rows of its key with lower numbers before it, and the relay needs no horizon, no waiting and no
-- second look. By shards and not by keys, so that a statement that writes for a thousand tenants
-- holds at most 64 locks; such a statement sorts its rows by (shard, key), so that two never meet
-- head on. Other writers of the shard wait until the commit: append to the outbox last.
alter table analytics_run.outbox alter column outbox_id drop identity;
create sequence analytics_run.outbox_id as bigint;
do $$
begin
	perform setval('analytics_run.outbox_id', coalesce(max(outbox_id), 0) + 1, false) from analytics_run.outbox;
end
$$;
create function analytics_run.number_outbox() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	perform pg_advisory_xact_lock(7202, analytics_run.outbox_shard(new.ordering_key)::integer);
	new.outbox_id := nextval('analytics_run.outbox_id');
	return new;
end
$$;
create trigger outbox_number before insert on analytics_run.outbox
	for each row execute function analytics_run.number_outbox();

alter table analytics_run.outbox add column shard smallint not null
	generated always as (analytics_run.outbox_shard(ordering_key)) stored;
drop index analytics_run.outbox_unpublished;
create index outbox_unpublished on analytics_run.outbox (shard, ordering_key, outbox_id) where published_at is null;
create index outbox_parked on analytics_run.outbox (ordering_key) where parked_at is not null and published_at is null;
create index outbox_published on analytics_run.outbox (published_at) where published_at is not null;

-- Whose a shard is: one relay's at a time.
create table analytics_run.outbox_lease (
	shard smallint primary key,
	worker text,
	lease_until timestamptz
);
insert into analytics_run.outbox_lease (shard) select generate_series(0, 63);
grant select, update (worker, lease_until) on analytics_run.outbox_lease to analytics_etld;

grant execute on function analytics_run.outbox_shard(text), analytics_run.alert_tenant(text) to public;

reset role;
