-- Tenants and guests that must be forgotten.
--
-- Everything here works in portions of its caller, is repeated without harm, and refuses a tenant that
-- has no tombstone: so nobody purges a tenant that lives, and nothing of it lands meanwhile. The tables
-- are found in the catalog by their column tenant_id; a new one is covered by having it. Functions run
-- as the owner of the tables: raw is immutable to every daemon, except through these.

do $$
begin
	grant execute on function pg_catalog.pg_terminate_backend(integer, bigint) to analytics_provisioner;
	grant usage on schema analytics_run to analytics_provisioner;
end
$$;

set local role analytics_owner;

grant select on analytics_run.tombstone to analytics_provisioner;

-- when the body was replaced by a copy without what names a person or a tenant; key and hash are kept
alter table events_raw.event add column redacted_at timestamptz;

-- What a purge found and what it left, signed. Of an erasure it says how many events, not whose.
create table analytics_run.purge_record (
	record_id text collate "C" primary key,
	kind text not null check (kind in ('tenant', 'guest')),
	tenant_id text collate "C" not null,
	request_key text collate "C",            -- guest: the dedupe key of the event that asks for it
	job_id text collate "C" not null,        -- '' = by hand
	started_at timestamptz not null default now(),
	rows_before jsonb not null,              -- {table: rows}
	control_before jsonb not null,
	walked_to text collate "C" not null default '',  -- raw, by dedupe key
	raw_deleted bigint not null default 0,
	raw_redacted bigint not null default 0,
	finished_at timestamptz,
	document text,                           -- what is signed, byte for byte
	key_id text,
	signature text                           -- Ed25519, base64url
);
create unique index purge_record_open on analytics_run.purge_record (tenant_id, coalesce(request_key, ''))
	where finished_at is null;
grant select on analytics_run.purge_record to analytics_etld;

-- ---- what there is of a tenant

-- Columns that say whose a row is. Raw is worked off by key; a tombstone and the record stay.
create view analytics_run.tenant_column as
select c.oid::regclass as relation, n.nspname || '.' || c.relname as name, a.attname as column_name
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('analytics_run', 'analytics_curated', 'analytics_beside', 'events_raw')
	and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
	and (a.attname = 'tenant_id' or c.relname = 'event_funnel' and a.attname = 'owner_id')
	and n.nspname || '.' || c.relname not in ('events_raw.event', 'analytics_run.tombstone', 'analytics_run.purge_record');
grant select on analytics_run.tenant_column to analytics_etld;

create function analytics_run.must_be_deleted(tenant text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
	if not exists (select from analytics_run.tombstone t where t.tenant_id = tenant) then
		raise exception 'the tenant is not deleted: its tenant.deleted has not landed' using errcode = 'TD002';
	end if;
end
$$;

-- Which rows of a relation are the tenant's ($1). What the outbox says about the job ($2) that purges
-- is sent and pruned like anything else.
create function analytics_run.tenant_condition(name text, column_name text) returns text
language sql immutable as $$
	select format('%I = $1', column_name) || case name
		when 'analytics_run.outbox' then ' and ordering_key <> ''etl_'' || $2' else '' end
$$;

-- {table: rows}, those without any left out.
create function analytics_run.count_tenant(tenant text, job text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
	c record;
	n bigint;
	counts jsonb := '{}';
begin
	for c in select * from analytics_run.tenant_column order by name, column_name loop
		execute format('select count(*) from %s where %s', c.relation,
			analytics_run.tenant_condition(c.name, c.column_name)) into n using tenant, job;
		if n > 0 then
			counts := counts || jsonb_build_object(
				c.name || case c.column_name when 'tenant_id' then '' else '.' || c.column_name end, n);
		end if;
	end loop;
	return counts;
end
$$;

-- ---- redaction

-- A body without what names anybody: of its texts those members stay that say what kind of event it is,
-- when, and how much; and of those no text that holds an id.
create function analytics_run.redacted(j jsonb, member text default '') returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	return case jsonb_typeof(j)
		when 'object' then coalesce((
			select jsonb_object_agg(m.key, analytics_run.redacted(m.value, m.key))
			from jsonb_each(j) m
			where m.key !~* '[0-9a-hjkmnp-tv-z]{26}'), '{}')
		when 'array' then coalesce((
			select jsonb_agg(analytics_run.redacted(a.value, member) order by a.position)
			from jsonb_array_elements(j) with ordinality a (value, position)), '[]')
		when 'string' then
			case when octet_length(j #>> '{}') <= 64 and j #>> '{}' !~* '[0-9a-hjkmnp-tv-z]{26}' and (
				member in ('amountMicro', 'currency', 'occurredAt', 'publishedAt', 'time', 'at', 'bookedAt', 'date',
					'start', 'end', 'stayDate', 'status', 'kind', 'method', 'vendor', 'specVersion', 'schemaVersion',
					'retentionClass')
				or member in ('subject', 'type', 'eventType') and starts_with(j #>> '{}', 'melmastoon.'))
			then j else '"redacted"' end
		else j
	end;
end
$$;

-- A body without one guest: texts that hold his id are null, and so is, beside it, what a person is
-- known by. Everything else stays, so that the facts rebuilt from it are the same without him.
create function analytics_run.without_guest(j jsonb, guest text, member text default '') returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
	if lower(member) in ('name', 'firstname', 'lastname', 'fullname', 'displayname', 'guestname', 'email', 'phone',
		'phonee164', 'address', 'street', 'documentnumber', 'passportnumber', 'nationalid', 'dateofbirth', 'birthdate',
		'ip', 'useragent', 'note', 'notes', 'comment', 'specialrequests', 'cardnumber', 'password', 'contact')
	then
		return 'null';
	end if;
	return case jsonb_typeof(j)
		when 'object' then coalesce((
			select jsonb_object_agg(m.key, analytics_run.without_guest(m.value, guest, m.key))
			from jsonb_each(j) m
			where strpos(upper(m.key), guest) = 0), '{}')
		when 'array' then coalesce((
			select jsonb_agg(analytics_run.without_guest(a.value, guest) order by a.position)
			from jsonb_array_elements(j) with ordinality a (value, position)), '[]')
		when 'string' then case when strpos(upper(j #>> '{}'), guest) > 0 then 'null' else j end
		else j
	end;
end
$$;

-- ---- a tenant's purge, step by step

-- Opens the record, or finds the one that is open. rows_before is of the first attempt.
create function analytics_run.open_purge(tenant text, job text, control_before jsonb) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	found_id text;
begin
	perform analytics_run.must_be_deleted(tenant);
	insert into analytics_run.purge_record (record_id, kind, tenant_id, job_id, rows_before, control_before)
	values ('prg_' || analytics_run.ulid(), 'tenant', tenant, job, analytics_run.count_tenant(tenant, job), control_before)
	on conflict (tenant_id, coalesce(request_key, '')) where finished_at is null do nothing;
	select r.record_id into found_id
	from analytics_run.purge_record r
	where r.tenant_id = tenant and r.request_key is null and r.finished_at is null;
	return found_id;
end
$$;

-- Takes the tenant out of the queues while no unit of work has any of it: each holds the lock
-- (consumer, shard) until its commit. From then on nothing is built for the tenant.
create function analytics_run.purge_queue(tenant text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	own_shard constant smallint := analytics_run.shard_of(tenant);
begin
	perform analytics_run.must_be_deleted(tenant);
	perform pg_advisory_xact_lock(c.consumer_id, own_shard::integer)
	from (select consumer_id from analytics_run.consumer order by consumer_id) c;
	delete from analytics_run.delta d
	using analytics_run.consumer c
	where d.consumer = c.consumer and d.shard = own_shard and d.tenant_id = tenant;
	delete from analytics_run.touched t where t.tenant_id = tenant;
end
$$;

-- Deletes the operational and redacts the kept classes of events given by key.
create function analytics_run.purge_events(record text, owner text, keys text[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan
set enable_seqscan = off as $$
declare
	lo text;
	hi text;
	gone bigint;
	changed bigint;
begin
	select min(k), max(k) into lo, hi from unnest(keys) k;
	delete from events_raw.event e
	where e.dedupe_key between lo and hi and e.dedupe_key = any (keys) and e.tenant_id = owner
		and e.retention_class not in ('regulated', 'audit');
	get diagnostics gone = row_count;
	update events_raw.event e set
		body = coalesce(analytics_run.redacted(analytics_run.to_json(e.body)), '{}')::text, attributes = null,
		aggregate_id = null, correlation_id = null, causation_id = null, traceparent = null, ordering_key = null,
		redacted_at = now()
	where e.dedupe_key between lo and hi and e.dedupe_key = any (keys) and e.tenant_id = owner and e.redacted_at is null;
	get diagnostics changed = row_count;
	update analytics_run.purge_record set raw_deleted = raw_deleted + gone, raw_redacted = raw_redacted + changed
	where record_id = record;
end
$$;

-- Events of the platform that name the tenant: clicks on its hotels. Answers whether none is left.
create function analytics_run.purge_clicks(record text, most integer) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	tenant text;
	keys text[];
begin
	select r.tenant_id into tenant from analytics_run.purge_record r where r.record_id = record;
	perform analytics_run.must_be_deleted(tenant);
	select array_agg(f.event_id) into keys
	from (
		select event_id from analytics_curated.event_funnel
		where owner_id = tenant and tenant_id = '_platform'
		limit most) f;
	if keys is null then
		return true;
	end if;
	perform analytics_run.purge_events(record, '_platform', keys);
	delete from analytics_curated.event_funnel where tenant_id = '_platform' and event_id = any (keys);
	return false;
end
$$;

-- Walks over the keys of raw, of all tenants, `most` at a time: only the index is read of others.
-- Answers whether the end is reached.
create function analytics_run.purge_raw(record text, most integer) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
	tenant text;
	after_key text;
	last_key text;
	walked integer;
	keys text[];
begin
	select r.tenant_id, r.walked_to into tenant, after_key
	from analytics_run.purge_record r where r.record_id = record for update;
	perform analytics_run.must_be_deleted(tenant);
	select max(w.dedupe_key), count(*) into last_key, walked
	from (
		select dedupe_key from events_raw.event where dedupe_key > after_key order by dedupe_key limit most) w;
	if walked > 0 then
		select array_agg(e.dedupe_key) into keys
		from events_raw.event e
		where e.dedupe_key > after_key and e.dedupe_key <= last_key and e.tenant_id = tenant;
		perform analytics_run.purge_events(record, tenant, coalesce(keys, '{}'));
		update analytics_run.purge_record set walked_to = last_key where record_id = record;
	end if;
	return walked < most;
end
$$;

-- Deletes up to `most` rows of the tenant from all tables, and says how many. Alerts go before their
-- letters, lest somebody finds one without any and resolves it.
create function analytics_run.purge_tables(tenant text, job text, most integer) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	c record;
	n bigint;
	gone bigint := 0;
begin
	perform analytics_run.must_be_deleted(tenant);
	for c in
		select * from analytics_run.tenant_column order by name <> 'analytics_run.dead_letter_alert', name
	loop
		execute format('delete from %1$s where ctid = any (array(select ctid from %1$s where %2$s limit $3))',
			c.relation, analytics_run.tenant_condition(c.name, c.column_name)) using tenant, job, most - gone;
		get diagnostics n = row_count;
		gone := gone + n;
		exit when gone >= most;
	end loop;
	-- what names the tenant and is nobody's: letters without a tenant, alerts about its ordering key
	delete from analytics_run.dead_letter d
	where d.tenant_id is null and position(convert_to(right(tenant, 26), 'UTF8') in d.body) > 0;
	delete from analytics_run.outbox o
	where o.tenant_id is null and o.published_at is not null and strpos(o.envelope, tenant) > 0;
	return gone;
end
$$;

-- What is to be signed: as it is now.
create function analytics_run.describe_purge(record text, control_after jsonb) returns text
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
	select jsonb_build_object('recordId', r.record_id, 'kind', r.kind, 'tenantId', r.tenant_id, 'requestKey', r.request_key,
		'jobId', r.job_id, 'startedAt', analytics_run.wire_time(r.started_at), 'finishedAt', analytics_run.wire_time(now()),
		'raw', jsonb_build_object('deleted', r.raw_deleted, 'redacted', r.raw_redacted),
		'warehouse', jsonb_build_object('before', r.rows_before, 'after', case r.kind
			when 'tenant' then analytics_run.count_tenant(r.tenant_id, r.job_id) else '{}' end),
		'control', jsonb_build_object('before', r.control_before, 'after', control_after))::text
	from analytics_run.purge_record r
	where r.record_id = record
$$;

create function analytics_run.sign_purge(record text, signed_document text, key text, signed text) returns boolean
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
	update analytics_run.purge_record r set finished_at = now(), document = signed_document, key_id = key, signature = signed
	where r.record_id = record and r.finished_at is null
	returning true
$$;

-- Counts the tenant's events among the next `most` keys of raw.
create function analytics_run.count_raw(tenant text, after_key text, most integer,
	out last_key text, out reached_end boolean, out bare bigint, out redacted bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
begin
	select max(w.dedupe_key), count(*) < most into last_key, reached_end
	from (
		select dedupe_key from events_raw.event where dedupe_key > after_key order by dedupe_key limit most) w;
	select count(*) filter (where e.redacted_at is null), count(*) filter (where e.redacted_at is not null)
	into bare, redacted
	from events_raw.event e
	where e.dedupe_key > after_key and e.dedupe_key <= last_key and e.tenant_id = tenant;
end
$$;

-- ---- a guest's erasure

-- Where curated events hold a person's pseudonym, and which key is rebuilt without it.
create table analytics_run.person_column (
	relation text not null,
	column_name text not null,
	key_column text not null,
	consumer text not null references analytics_run.consumer,
	primary key (relation, column_name)
);
insert into analytics_run.person_column values
	('analytics_curated.event_reservation', 'guest_key', 'reservation_id', 'reservation'),
	('analytics_curated.event_housekeeping', 'staff_key', 'task_id', 'housekeeping'),
	('analytics_curated.event_audit', 'entity_key', 'event_id', 'audit');

-- The guest that an event wants forgotten, as its bodies name him: in capitals, a ULID without its
-- prefix. Null once the request itself is redacted.
create function analytics_run.guest_of(tenant text, request text, out id text, out mark text)
language sql stable set search_path = pg_catalog, pg_temp as $$
	select g.id, upper(case when g.id ~ '_[0-9A-HJKMNP-TV-Z]{26}$' then right(g.id, 26) else g.id end)
	from (
		select analytics_run.id_of(analytics_run.payload_of(e.body, e.payload_key), 'guestId') as id
		from events_raw.event e
		where e.dedupe_key = request and e.tenant_id = tenant
			and e.subject = 'melmastoon.tenant.guest.erasure_requested.v1') g
$$;

-- Lists the guest as erased, from where on rebuilds leave him out, and opens the record. Null: nobody
-- is to be forgotten (any more), or the event names no guest.
create function analytics_run.open_erasure(tenant text, request text, job text) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	guest text;
	opened text;
begin
	select g.id into guest from analytics_run.guest_of(tenant, request) g;
	if guest is null then
		return null;
	end if;
	insert into analytics_run.erased (tenant_id, guest_key)
	select tenant, analytics_run.guest_key_of(k.key, guest)
	from analytics_run.guest_key k
	where k.tenant_id = tenant
	on conflict do nothing;
	insert into analytics_run.purge_record (record_id, kind, tenant_id, request_key, job_id, rows_before, control_before)
	values ('prg_' || analytics_run.ulid(), 'guest', tenant, request, job, '{}', '{}')
	on conflict (tenant_id, coalesce(request_key, '')) where finished_at is null do nothing;
	select r.record_id into opened
	from analytics_run.purge_record r
	where r.tenant_id = tenant and r.request_key = request and r.finished_at is null;
	return opened;
end
$$;

-- Takes the guest out of the tenant's events among the next `most` keys of raw. Answers whether the end
-- is reached.
create function analytics_run.erase_raw(record text, most integer) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
	r analytics_run.purge_record;
	guest text;
	last_key text;
	walked integer;
	changed bigint;
begin
	select * into r from analytics_run.purge_record p where p.record_id = record for update;
	select g.mark into guest from analytics_run.guest_of(r.tenant_id, r.request_key) g;
	select max(w.dedupe_key), count(*) into last_key, walked
	from (
		select dedupe_key from events_raw.event where dedupe_key > r.walked_to order by dedupe_key limit most) w;
	update events_raw.event e set
		body = coalesce(analytics_run.without_guest(analytics_run.to_json(e.body), guest), '{}')::text,
		attributes = case when strpos(upper(e.attributes), guest) > 0
			then analytics_run.without_guest(analytics_run.to_json(e.attributes), guest)::text else e.attributes end,
		aggregate_id = case when strpos(upper(e.aggregate_id), guest) > 0 then null else e.aggregate_id end,
		ordering_key = case when strpos(upper(e.ordering_key), guest) > 0 then null else e.ordering_key end,
		redacted_at = now()
	where e.dedupe_key > r.walked_to and e.dedupe_key <= last_key and e.tenant_id = r.tenant_id
		and e.dedupe_key <> r.request_key
		and (strpos(upper(e.body), guest) > 0 or strpos(upper(e.attributes), guest) > 0
			or strpos(upper(e.aggregate_id), guest) > 0 or strpos(upper(e.ordering_key), guest) > 0);
	get diagnostics changed = row_count;
	update analytics_run.purge_record p set walked_to = coalesce(last_key, p.walked_to), raw_redacted = p.raw_redacted + changed
	where p.record_id = record;
	return walked < most;
end
$$;

-- Takes the pseudonym out of the curated events and queues their keys; deletes the letters that name him.
-- Reads the tenant's own rows.
create function analytics_run.erase_keys(record text) returns bigint
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

-- The last: the request itself forgets him, with the signature.
create function analytics_run.close_erasure(record text, signed_document text, key text, signed text) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	r analytics_run.purge_record;
	guest text;
begin
	select * into r from analytics_run.purge_record p where p.record_id = record;
	select g.mark into guest from analytics_run.guest_of(r.tenant_id, r.request_key) g;
	update events_raw.event e set
		body = coalesce(analytics_run.without_guest(analytics_run.to_json(e.body), guest), '{}')::text, attributes = null,
		aggregate_id = null, ordering_key = null, redacted_at = now()
	where e.dedupe_key = r.request_key and e.tenant_id = r.tenant_id and guest is not null;
	perform analytics_run.sign_purge(record, signed_document, key, signed);
	return true;
end
$$;

-- A region as it is called here; one that is not known stays as it was said. ingestd/fold.c has the
-- same table.
create function analytics_run.region_of(payload jsonb, member text) returns text
language sql immutable parallel safe as $$
	select case
		when word in ('AF', 'KSA', 'gcp-me-central1') then 'me-central1'
		when word in ('IN', 'gcp-asia-south1') then 'asia-south1'
		when word in ('EU', 'gcp-europe-west4') then 'europe-west3'
		else word
	end
	from (select analytics_run.word_of(payload, member) as word) w
$$;

do $$
declare
	f text;
begin
	foreach f in array array['open_purge(text, text, jsonb)', 'purge_queue(text)', 'purge_clicks(text, integer)',
		'purge_raw(text, integer)', 'purge_tables(text, text, integer)', 'describe_purge(text, jsonb)',
		'sign_purge(text, text, text, text)', 'count_tenant(text, text)', 'count_raw(text, text, integer)',
		'open_erasure(text, text, text)', 'erase_raw(text, integer)', 'erase_keys(text)', 'close_erasure(text, text, text, text)']
	loop
		execute format('revoke execute on function analytics_run.%s from public', f);
		execute format('grant execute on function analytics_run.%s to analytics_etld', f);
	end loop;
	revoke execute on function analytics_run.purge_events(text, text, text[]), analytics_run.guest_of(text, text) from public;
end
$$;

reset role;

-- ---- the tenant's logins

-- Ends the sessions of a deleted tenant and drops its roles; says how many.
create function analytics.drop_tenant(tenant text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	login text;
	dropped integer := 0;
begin
	if tenant !~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}$' then
		raise exception 'not a tenant id: %', left(tenant, 64) using errcode = 'invalid_parameter_value';
	end if;
	if not exists (select from analytics_run.tombstone t where t.tenant_id = tenant) then
		raise exception 'the tenant is not deleted' using errcode = 'TD002';
	end if;
	perform pg_advisory_xact_lock(hashtextextended(tenant, 0));
	foreach login in array array[tenant, tenant || '_l'] loop
		continue when to_regrole(quote_ident(login)) is null;
		execute format('alter role %I nologin', login);
		execute format('grant %I to analytics_provisioner', login);
		perform pg_terminate_backend(a.pid, 0) from pg_stat_activity a where a.usename = login;
		execute format('drop owned by %I', login);
		execute format('drop role %I', login);
		dropped := dropped + 1;
	end loop;
	delete from tenant_views.access_bindings b where b.tenant_id = tenant;
	return dropped;
end
$$;
grant create on schema analytics to analytics_provisioner;
alter function analytics.drop_tenant(text) owner to analytics_provisioner;
revoke create on schema analytics from analytics_provisioner;
revoke execute on function analytics.drop_tenant(text) from public;
grant execute on function analytics.drop_tenant(text) to analytics_etld;
