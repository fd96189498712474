-- What can be verified afterwards: that a guest who was forgotten is nowhere, that a login that is gone or off
-- reads nothing, that events look as they did. And the holidays of dim_calendar.

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

-- ---- holidays

-- Public holidays as their laws name them: a day of the Gregorian or the Solar Hijri year, days after Easter
-- Sunday, or days of the Hijri year. The last are computed by the tabular calendar: the announced day may be
-- one earlier or later, and dim_calendar marks them. Days that a government adds for one year are not known.
create table analytics_run.holiday_rule (
	country char(2) not null,
	calendar text not null check (calendar in ('gregorian', 'solar_hijri', 'hijri', 'easter')),
	month smallint not null,                       -- easter: 0
	day smallint not null,                         -- easter: days after it
	days smallint not null default 1 check (days > 0),
	name text not null,
	first_year smallint not null default 2010,     -- Gregorian, of the day itself
	last_year smallint not null default 2040
);
insert into analytics_run.holiday_rule (country, calendar, month, day, days, name, first_year, last_year) values
	('AF', 'solar_hijri', 1, 1, 1, 'Nawroz', 2010, 2021),
	('AF', 'solar_hijri', 2, 8, 1, 'Mujahideen Victory Day', 2010, 2040),
	('AF', 'gregorian', 5, 1, 1, 'Labour Day', 2010, 2021),
	('AF', 'solar_hijri', 5, 24, 1, 'Victory Day', 2022, 2040),
	('AF', 'solar_hijri', 5, 28, 1, 'Independence Day', 2010, 2040),
	('AF', 'hijri', 1, 10, 1, 'Ashura', 2010, 2040),
	('AF', 'hijri', 3, 12, 1, 'Mawlid', 2010, 2040),
	('AF', 'hijri', 9, 1, 1, 'First of Ramadan', 2010, 2040),
	('AF', 'hijri', 10, 1, 3, 'Eid al-Fitr', 2010, 2040),
	('AF', 'hijri', 12, 9, 1, 'Day of Arafah', 2010, 2040),
	('AF', 'hijri', 12, 10, 3, 'Eid al-Adha', 2010, 2040),
	('TJ', 'gregorian', 1, 1, 1, 'New Year''s Day', 2010, 2040),
	('TJ', 'gregorian', 3, 8, 1, 'Mother''s Day', 2010, 2040),
	('TJ', 'gregorian', 3, 21, 4, 'Navruz', 2010, 2040),
	('TJ', 'gregorian', 5, 9, 1, 'Victory Day', 2010, 2040),
	('TJ', 'gregorian', 6, 27, 1, 'Day of National Unity', 2010, 2040),
	('TJ', 'gregorian', 9, 9, 1, 'Independence Day', 2010, 2040),
	('TJ', 'gregorian', 11, 6, 1, 'Constitution Day', 2010, 2040),
	('TJ', 'hijri', 10, 1, 1, 'Eid al-Fitr', 2010, 2040),
	('TJ', 'hijri', 12, 10, 1, 'Eid al-Adha', 2010, 2040),
	('IR', 'solar_hijri', 1, 1, 4, 'Nowruz', 2010, 2040),
	('IR', 'solar_hijri', 1, 12, 1, 'Islamic Republic Day', 2010, 2040),
	('IR', 'solar_hijri', 1, 13, 1, 'Nature Day', 2010, 2040),
	('IR', 'solar_hijri', 3, 14, 1, 'Death of Khomeini', 2010, 2040),
	('IR', 'solar_hijri', 3, 15, 1, 'Uprising of 15 Khordad', 2010, 2040),
	('IR', 'solar_hijri', 11, 22, 1, 'Victory of the Revolution', 2010, 2040),
	('IR', 'solar_hijri', 12, 29, 1, 'Nationalisation of Oil', 2010, 2040),
	('IR', 'hijri', 1, 9, 1, 'Tasua', 2010, 2040),
	('IR', 'hijri', 1, 10, 1, 'Ashura', 2010, 2040),
	('IR', 'hijri', 2, 20, 1, 'Arbaeen', 2010, 2040),
	('IR', 'hijri', 2, 28, 1, 'Death of Muhammad', 2010, 2040),
	('IR', 'hijri', 2, 29, 1, 'Martyrdom of Reza', 2010, 2040),  -- the last of Safar
	('IR', 'hijri', 3, 17, 1, 'Birth of Muhammad', 2010, 2040),
	('IR', 'hijri', 6, 3, 1, 'Martyrdom of Fatima', 2010, 2040),
	('IR', 'hijri', 7, 13, 1, 'Birth of Ali', 2010, 2040),
	('IR', 'hijri', 7, 27, 1, 'Mission of Muhammad', 2010, 2040),
	('IR', 'hijri', 8, 15, 1, 'Birth of Mahdi', 2010, 2040),
	('IR', 'hijri', 9, 21, 1, 'Martyrdom of Ali', 2010, 2040),
	('IR', 'hijri', 10, 1, 2, 'Eid al-Fitr', 2010, 2040),
	('IR', 'hijri', 10, 25, 1, 'Martyrdom of Sadeq', 2010, 2040),
	('IR', 'hijri', 12, 10, 1, 'Eid al-Adha', 2010, 2040),
	('IR', 'hijri', 12, 18, 1, 'Eid al-Ghadir', 2010, 2040),
	('PT', 'gregorian', 1, 1, 1, 'New Year''s Day', 2010, 2040),
	('PT', 'easter', 0, -2, 1, 'Good Friday', 2010, 2040),
	('PT', 'easter', 0, 0, 1, 'Easter Sunday', 2010, 2040),
	('PT', 'gregorian', 4, 25, 1, 'Freedom Day', 2010, 2040),
	('PT', 'gregorian', 5, 1, 1, 'Labour Day', 2010, 2040),
	('PT', 'easter', 0, 60, 1, 'Corpus Christi', 2010, 2012),  -- four of them were no holidays for three years
	('PT', 'easter', 0, 60, 1, 'Corpus Christi', 2016, 2040),
	('PT', 'gregorian', 6, 10, 1, 'Portugal Day', 2010, 2040),
	('PT', 'gregorian', 8, 15, 1, 'Assumption', 2010, 2040),
	('PT', 'gregorian', 10, 5, 1, 'Republic Day', 2010, 2012),
	('PT', 'gregorian', 10, 5, 1, 'Republic Day', 2016, 2040),
	('PT', 'gregorian', 11, 1, 1, 'All Saints'' Day', 2010, 2012),
	('PT', 'gregorian', 11, 1, 1, 'All Saints'' Day', 2016, 2040),
	('PT', 'gregorian', 12, 1, 1, 'Restoration of Independence', 2010, 2012),
	('PT', 'gregorian', 12, 1, 1, 'Restoration of Independence', 2016, 2040),
	('PT', 'gregorian', 12, 8, 1, 'Immaculate Conception', 2010, 2040),
	('PT', 'gregorian', 12, 25, 1, 'Christmas Day', 2010, 2040);

-- A column for each country, its holiday's name or null; and whether that name stands there by the tabular
-- calendar alone.
alter table analytics_curated.dim_calendar_v1
	add column holiday_af text, add column holiday_af_tabular boolean not null default false,
	add column holiday_tj text, add column holiday_tj_tabular boolean not null default false,
	add column holiday_ir text, add column holiday_ir_tabular boolean not null default false,
	add column holiday_pt text, add column holiday_pt_tabular boolean not null default false;

-- Easter Sunday by Gauss's rule as it is from 1900 to 2099: d days after 21 March is full moon, e more the
-- Sunday after it.
with moon as (
	select y, (19 * (y % 19) + 24) % 30 as d from generate_series(2010, 2040) y
), easter as (
	select make_date(y, 3, 22) + (d + e) - case when d = 29 and e = 6 or d = 28 and e = 6 and y % 19 > 10 then 7 else 0 end as sunday
	from moon
	cross join lateral (select (2 * (y % 4) + 4 * (y % 7) + 6 * d + 5) % 7 as e) week
), holiday as (
	select c.date, r.country, string_agg(r.name, ', ' order by r.calendar <> 'hijri' desc, r.name) as name,
		bool_and(r.calendar = 'hijri') as tabular
	from analytics_run.holiday_rule r
	join analytics_curated.dim_calendar_v1 c on c.year between r.first_year and r.last_year and case r.calendar
			when 'gregorian' then c.month = r.month and c.day >= r.day and c.day < r.day + r.days
			when 'solar_hijri' then c.solar_hijri_month = r.month and c.solar_hijri_day >= r.day and c.solar_hijri_day < r.day + r.days
			when 'hijri' then c.hijri_month = r.month and c.hijri_day >= r.day and c.hijri_day < r.day + r.days
			else c.date in (select e.sunday + r.day from easter e)
		end
	group by c.date, r.country
)
update analytics_curated.dim_calendar_v1 c set
	holiday_af = h.names ->> 'AF', holiday_af_tabular = coalesce((h.tabular ->> 'AF')::boolean, false),
	holiday_tj = h.names ->> 'TJ', holiday_tj_tabular = coalesce((h.tabular ->> 'TJ')::boolean, false),
	holiday_ir = h.names ->> 'IR', holiday_ir_tabular = coalesce((h.tabular ->> 'IR')::boolean, false),
	holiday_pt = h.names ->> 'PT', holiday_pt_tabular = coalesce((h.tabular ->> 'PT')::boolean, false)
from (
	select date, jsonb_object_agg(country, name) as names, jsonb_object_agg(country, tabular) as tabular
	from holiday
	group by date) h
where c.date = h.date;

create or replace view analytics_curated.dim_calendar as select * from analytics_curated.dim_calendar_v1;
do $$
declare
	columns text;
begin
	select string_agg(quote_ident(attname), ', ' order by attnum) into columns
	from pg_attribute
	where attrelid = 'analytics_curated.dim_calendar'::regclass and attnum > 0;
	execute format('create or replace view tenant_views.dim_calendar with (security_barrier) as select %s '
		'from analytics_curated.dim_calendar where date >= date ''0001-01-01''', columns);
end
$$;

-- ---- shapes of events that change

-- A shape that nobody announced: seen first after its subject's first week, in which the subject shows what it
-- can look like, and in the last week, after which it is how the subject looks. `changed`: members that have
-- other JSON types than before; `vanished`: members that every shape of the first week has. What is only
-- added is no row. Of all tenants together, so this is for operators.
create view analytics_run.shape_drift as
with shape as (
	select s.*, min(s.first_seen) over (partition by s.subject, s.schema_version) + interval '7 days' as known_from
	from analytics_run.event_shape s
	where s.subject not like 'melmastoon.analytics.%'
), drifting as (
	select * from shape where first_seen > known_from and first_seen > now() - interval '7 days'
), member as materialized (
	select s.subject, s.schema_version, s.fingerprint, s.first_seen, s.first_seen <= s.known_from as learned,
		regexp_replace(line, ' [^ ]+$', '') as path, substring(line from '[^ ]+$') as type
	from shape s
	cross join lateral unnest(string_to_array(rtrim(s.paths, E'\n'), E'\n')) as line
	where exists (select from drifting d where d.subject = s.subject and d.schema_version = s.schema_version)
), required as (
	select m.subject, m.schema_version, m.path
	from member m
	where m.learned
	group by 1, 2, 3
	having count(distinct m.fingerprint) = (
		select count(*) from shape s
		where s.subject = m.subject and s.schema_version = m.schema_version and s.first_seen <= s.known_from)
)
select d.subject, d.schema_version, d.fingerprint, d.first_seen, c.changed, v.vanished
from drifting d
cross join lateral (
	select coalesce(array_agg(n.path || ': ' || n.type || ', was ' || o.types order by n.path), '{}') as changed
	from member n
	join lateral (
		select string_agg(distinct o.type, ' or ' order by o.type) as types, bool_or(o.type = n.type) as same
		from member o
		where o.subject = n.subject and o.schema_version = n.schema_version and o.path = n.path
			and o.first_seen < n.first_seen) o on not o.same
	where n.subject = d.subject and n.schema_version = d.schema_version and n.fingerprint = d.fingerprint) c
cross join lateral (
	select coalesce(array_agg(r.path order by r.path), '{}') as vanished
	from required r
	where r.subject = d.subject and r.schema_version = d.schema_version and not exists (
		select from member n
		where n.subject = d.subject and n.schema_version = d.schema_version and n.fingerprint = d.fingerprint
			and n.path = r.path)) v
where c.changed <> '{}' or v.vanished <> '{}';
grant select on analytics_run.shape_drift, analytics_run.version to analytics_dqd;

-- ---- the logins of a deleted tenant
--
-- They are dropped with it; whoever did not know yet must not make them again. The first thing that
-- provisioning does is to list the role.

create function tenant_views.refuse_deleted() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
	if exists (select from analytics_run.tombstone t where t.tenant_id = new.tenant_id) then
		raise exception 'the tenant is deleted' using errcode = 'TD001';
	end if;
	return new;
end
$$;
revoke execute on function tenant_views.refuse_deleted() from public;
create trigger refuse_deleted before insert on tenant_views.access_bindings
	for each row execute function tenant_views.refuse_deleted();

reset role;

-- ---- a reporting login that is off

-- Ends what sessions it has, and says how many. In a transaction after the one that switched it off, lest
-- somebody logs in between. To signal a session one must be a member of its role: for as long as this takes.
create function analytics.end_looker_sessions(tenant text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	name constant text := tenant || '_l';
	ended integer;
begin
	perform pg_advisory_xact_lock(hashtextextended(tenant, 0));
	if not exists (select from tenant_views.access_bindings b where b.role = name and b.kind = 'looker' and not b.enabled) then
		raise exception 'the reporting login of the tenant is not off' using errcode = 'object_not_in_prerequisite_state';
	end if;
	execute format('grant %I to analytics_provisioner', name);
	select count(*) filter (where pg_terminate_backend(a.pid, 5000)) into ended
	from pg_stat_activity a
	where a.usename = name;
	execute format('revoke %I from analytics_provisioner', name);
	return ended;
end
$$;
grant create on schema analytics to analytics_provisioner;
alter function analytics.end_looker_sessions(text) owner to analytics_provisioner;
revoke create on schema analytics from analytics_provisioner;
revoke execute on function analytics.end_looker_sessions(text) from public;
grant execute on function analytics.end_looker_sessions(text) to analytics_queryd;
