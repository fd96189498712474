-- What can be verified afterwards: that a guest who was forgotten is nowhere, that a reporting login that is
-- off reads nothing. And the holidays of dim_calendar.

set local role analytics_owner;

-- ---- a guest's erasure

-- A record of an erasure does not say whose it is. It keeps a digest of what bodies call him, made with the
-- tenant's key: with that, and only while the tenant has its key, a text can be asked whether it names him.
alter table analytics_run.purge_record add column guest_digest text;

create function analytics_run.guest_digest(key bytea, mark text) returns text
language sql immutable parallel safe as $$
	select encode(analytics_run.hmac(convert_to('erasure|' || mark, 'UTF8'), key, 'sha256'), 'hex')
$$;

-- Whether a text names him: by a ULID, whatever stands before it, or by a quoted text that is his id.
create function analytics_run.names_guest(words text, key bytea, digest text) returns boolean
language sql immutable parallel safe as $$
	select exists (
		select from regexp_matches(upper(words), '[0-9A-HJKMNP-TV-Z]{26}', 'g') m
		where analytics_run.guest_digest(key, m[1]) = digest
		union all
		select from regexp_matches(upper(words), '"([^"\\]{1,128})"', 'g') m
		where analytics_run.guest_digest(key, m[1]) = digest)
$$;

-- As before, and the digest.
create or replace function analytics_run.open_erasure(tenant text, request text, job text) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	guest record;
	opened text;
begin
	select * into guest from analytics_run.guest_of(tenant, request);
	if guest.id is null then
		return null;
	end if;
	insert into analytics_run.erased (tenant_id, guest_key)
	select tenant, analytics_run.guest_key_of(k.key, guest.id)
	from analytics_run.guest_key k
	where k.tenant_id = tenant
	on conflict do nothing;
	insert into analytics_run.purge_record (record_id, kind, tenant_id, request_key, job_id, rows_before, control_before,
		guest_digest)
	values ('prg_' || analytics_run.ulid(), 'guest', tenant, request, job, '{}', '{}',
		(select analytics_run.guest_digest(k.key, guest.mark) from analytics_run.guest_key k where k.tenant_id = tenant))
	on conflict (tenant_id, coalesce(request_key, '')) where finished_at is null do nothing;
	select r.record_id into opened
	from analytics_run.purge_record r
	where r.tenant_id = tenant and r.request_key = request and r.finished_at is null;
	return opened;
end
$$;

-- As before, and the digest is signed, too: whose absence is verified cannot be exchanged.
create or replace function analytics_run.describe_purge(record text, control_after jsonb) returns text
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
	select jsonb_build_object('recordId', r.record_id, 'kind', r.kind, 'tenantId', r.tenant_id, 'requestKey', r.request_key,
		'jobId', r.job_id, 'startedAt', analytics_run.wire_time(r.started_at), 'finishedAt', analytics_run.wire_time(now()),
		'raw', jsonb_build_object('deleted', r.raw_deleted, 'redacted', r.raw_redacted), 'guestDigest', r.guest_digest,
		'warehouse', jsonb_build_object('before', r.rows_before, 'after', case r.kind
			when 'tenant' then analytics_run.count_tenant(r.tenant_id, r.job_id) else '{}' end),
		'control', jsonb_build_object('before', r.control_before, 'after', control_after))::text
	from analytics_run.purge_record r
	where r.record_id = record
$$;

-- Where pseudonyms of persons are, in whatever table of the curated layer.
create view analytics_run.pseudonym_column as
select c.oid::regclass as relation, n.nspname || '.' || c.relname as name, a.attname as column_name
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname in ('analytics_curated', 'analytics_beside') and c.relkind in ('r', 'p') and not c.relispartition
	and a.attname in ('guest_key', 'staff_key', 'entity_key') and a.attnum > 0 and not a.attisdropped;

-- What is left of the guest of a record beside raw: {table: rows}, those without any left out. A pseudonym
-- counts when it is of anybody whom the tenant has erased. Null: the record has no digest to look with.
create function analytics_run.count_guest(record text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
	r analytics_run.purge_record;
	c record;
	tenant_key bytea;
	n bigint;
	counts jsonb := '{}';
begin
	select * into r from analytics_run.purge_record p where p.record_id = record;
	if r.guest_digest is null then
		return null;
	end if;
	for c in select * from analytics_run.pseudonym_column order by name, column_name loop
		execute format('select count(*) from %s t where t.tenant_id = $1 and t.%I in '
			'(select e.guest_key from analytics_run.erased e where e.tenant_id = $1)', c.relation, c.column_name)
			into n using r.tenant_id;
		if n > 0 then
			counts := counts || jsonb_build_object(c.name, n);
		end if;
	end loop;
	select k.key into tenant_key from analytics_run.guest_key k where k.tenant_id = r.tenant_id;
	select count(*) into n
	from analytics_run.dead_letter d
	where (d.tenant_id = r.tenant_id or d.tenant_id is null)
		and analytics_run.names_guest(concat_ws(' ', encode(d.body, 'escape'), d.attributes), tenant_key, r.guest_digest);
	if n > 0 then
		counts := counts || jsonb_build_object('analytics_run.dead_letter', n);
	end if;
	return counts;
end
$$;

-- Counts the tenant's events among the next `most` keys of raw: those that name the guest, and those
-- that something was taken out of.
create function analytics_run.count_guest_raw(record text, after_key text, most integer,
	out last_key text, out reached_end boolean, out bare bigint, out redacted bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
	r analytics_run.purge_record;
	tenant_key bytea;
begin
	select * into r from analytics_run.purge_record p where p.record_id = record;
	select k.key into tenant_key from analytics_run.guest_key k where k.tenant_id = r.tenant_id;
	select max(w.dedupe_key), count(*) < most into last_key, reached_end
	from (
		select dedupe_key from events_raw.event where dedupe_key > after_key order by dedupe_key limit most) w;
	select count(*) filter (where analytics_run.names_guest(
			concat_ws(' ', e.body, e.attributes, '"' || e.aggregate_id || '"', '"' || e.ordering_key || '"'),
			tenant_key, r.guest_digest)),
		count(*) filter (where e.redacted_at is not null)
	into bare, redacted
	from events_raw.event e
	where e.dedupe_key > after_key and e.dedupe_key <= last_key and e.tenant_id = r.tenant_id;
end
$$;

revoke execute on function analytics_run.count_guest(text), analytics_run.count_guest_raw(text, text, integer),
	analytics_run.guest_digest(bytea, text), analytics_run.names_guest(text, bytea, text) from public;
grant execute on function analytics_run.count_guest(text), analytics_run.count_guest_raw(text, text, integer)
	to analytics_etld;

reset role;
