-- What an answer costs beside its own statement. Whatever a session does anew for each answer is done with
-- a plan that it keeps: queryd's sessions plan every statement for its values (force_custom_plan), and that
-- reaches into functions, so these ask for what no parameter is needed for, or say otherwise for themselves.

set local role analytics_owner;

-- ---- the property scope

-- HMAC-SHA-256 is sha256(outer pad, sha256(inner pad, message)); the pads are the key's, stored beside it.
-- pgcrypto's would be loaded by every session for this alone.
create function analytics_run.hmac_pad(key bytea, mask integer) returns bytea
language plpgsql immutable strict parallel safe set search_path = pg_catalog, pg_temp as $$
declare
	pad bytea := case when octet_length(key) > 64 then sha256(key) else key end;
begin
	pad := pad || decode(repeat('00', 64 - octet_length(pad)), 'hex');
	for i in 0 .. 63 loop
		pad := set_byte(pad, i, get_byte(pad, i) # mask);
	end loop;
	return pad;
end
$$;
alter table analytics_run.scope_key
	add column inner_pad bytea not null generated always as (analytics_run.hmac_pad(key, 54)) stored,   -- 0x36
	add column outer_pad bytea not null generated always as (analytics_run.hmac_pad(key, 92)) stored;   -- 0x5c

-- As before. An assignment, and no PERFORM, which would be planned each time.
create or replace function tenant_views.set_scope(signed text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	was text;
begin
	was := set_config('analytics.scope', signed, true);
end
$$;

-- As before.
create or replace function tenant_views.scope() returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
	part text[] := string_to_array(current_setting('analytics.scope', true), '|');
	inner_pad bytea;
	outer_pad bytea;
	mac bytea;
begin
	if session_user ~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}_l$' then
		return '{*}';
	end if;
	if cardinality(part) is distinct from 3 or part[1] !~ '^[0-9]{1,12}$'
		or part[1]::bigint <= extract(epoch from clock_timestamp())
	then
		return '{}';
	end if;
	select k.inner_pad, k.outer_pad into inner_pad, outer_pad from analytics_run.scope_key k;
	mac := sha256(outer_pad || sha256(inner_pad
		|| convert_to(concat_ws('|', session_user, part[2], pg_backend_pid(), part[1]), 'UTF8')));
	-- digests are compared, so that the time it takes says nothing about the mac
	if sha256(convert_to(encode(mac, 'hex'), 'UTF8')) is distinct from sha256(convert_to(part[3], 'UTF8')) then
		return '{}';
	end if;
	return case part[2] when 'all' then '{*}' else string_to_array(part[2], ',') end;
end
$$;

-- ---- where the tenant's data lies

-- As before, both; of a tenant that has never moved there is nothing to be computed.
create or replace function tenant_views.residency()
returns table (region text, day_from date, day_to date, readable boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
	if exists (select from analytics_run.tenant_region m where m.tenant_id = left(session_user::text, 30) collate "C") then
		return query select r.* from analytics_run.residency(left(session_user::text, 30), now()) r;
	end if;
end
$$;

create or replace function tenant_views.readable() returns datemultirange
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
	if not exists (select from analytics_run.tenant_region m where m.tenant_id = left(session_user::text, 30) collate "C") then
		return '{(,)}';
	end if;
	return (
		select case when coalesce(bool_and(r.readable), true) then '{(,)}' else
			coalesce(range_agg(daterange(r.day_from, r.day_to, '[]')) filter (where r.readable), '{}') end
		from analytics_run.residency(left(session_user::text, 30), now() - interval '2 minutes') r);
end
$$;

-- ---- what was read

-- Index entries that this connection has read of the tables (null: of all) since its statistics were last
-- sent: the difference of two calls in one transaction is what the statements between them read. All
-- entries are the tenant's own, each index begins with tenant_id; of the calendar, 64 count as one.
create function tenant_views.rows_read(tables text[]) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan as $$
begin
	return (
		select coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid) / r.entries), 0)::bigint
		from (
			select to_regclass(format('analytics_curated.%I', v.table_name || '_v' || v.live)) as oid, 1 as entries
			from analytics_run.version v
			where tables is null or v.table_name = any (tables)
			union all
			select 'analytics_curated.dim_calendar_v1'::regclass, 64
			where tables is null or 'dim_calendar' = any (tables)) r
		join pg_index i on i.indrelid = r.oid);
end
$$;
revoke execute on function tenant_views.rows_read(text[]) from public;
grant execute on function tenant_views.rows_read(text[]) to analytics_tenants;
drop function tenant_views.blocks_read();

-- ---- how much a tenant has

-- Of a profile only the number of rows is asked for when a query is estimated: from the index, which has a
-- hundred days in a block, where the table has a few.
create unique index profile_cell on analytics_run.profile (tenant_id, table_name, day) include (rows);
alter table analytics_run.profile drop constraint profile_pkey, add constraint profile_pkey primary key using index profile_cell;

-- As before; a tenant without dirty cells, as most are most of the time, is one scan of that index.
create or replace function tenant_views.extents()
returns table (table_name text, first_day date, last_day date, rows bigint)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
set enable_seqscan = off set plan_cache_mode = force_custom_plan as $$
declare
	tenant constant text := left(session_user::text, 30);
	dirty record;
begin
	if tenant_views.scope() <> '{*}' then
		return;
	end if;
	if not exists (select from analytics_run.profile_dirty d where d.tenant_id = left(session_user::text, 30) collate "C") then
		return query
			select p.table_name, min(p.day), max(p.day), sum(p.rows)::bigint
			from analytics_run.profile p
			where p.tenant_id = left(session_user::text, 30) collate "C" and p.rows > 0
			group by p.table_name, (p.day - date '1970-01-01') / 30;
		return;
	end if;
	return query
		select p.table_name, min(p.day), max(p.day), sum(p.rows)::bigint
		from analytics_run.profile p
		where p.tenant_id = tenant collate "C" and p.rows > 0 and (p.table_name, p.day) not in (
			select d.table_name, d.day from analytics_run.profile_dirty d where d.tenant_id = tenant collate "C")
		group by p.table_name, (p.day - date '1970-01-01') / 30;
	for dirty in
		select v.table_name, v.day_column from analytics_run.version v
		where exists (
			select from analytics_run.profile_dirty d
			where d.tenant_id = tenant collate "C" and d.table_name = v.table_name)
	loop
		return query execute format('
			select $2, min(f.day), max(f.day), count(*) from (
				select %s as day from analytics_curated.%I t
				where t.tenant_id = $1 collate "C" %s
				limit 200000) f
			group by (f.day - date ''1970-01-01'') / 30',
			coalesce('t.' || quote_ident(dirty.day_column), 'date ''1970-01-01'''), dirty.table_name,
			'and t.' || quote_ident(dirty.day_column) || ' in (
				select d.day from analytics_run.profile_dirty d
				where d.tenant_id = $1 collate "C" and d.table_name = $2)')
			using tenant, dirty.table_name;
	end loop;
end
$$;

-- ---- the password of a tenant's role

-- What Postgres keeps of a password for SCRAM-SHA-256 (RFC 5803), with one round of hashing instead of 4096.
-- The rounds make guessing slow; these passwords are 256 bits of an HMAC, which nobody guesses, and each login
-- costs its client all of them.
create function analytics.scram_secret(password text) returns text
language plpgsql volatile strict security definer set search_path = pg_catalog, pg_temp as $$
declare
	salt constant bytea := analytics_run.gen_random_bytes(16);
	salted constant bytea := analytics_run.hmac(salt || '\x00000001'::bytea, convert_to(password, 'UTF8'), 'sha256');
	stored constant bytea := sha256(analytics_run.hmac('Client Key'::bytea, salted, 'sha256'));
	server constant bytea := analytics_run.hmac('Server Key'::bytea, salted, 'sha256');
begin
	return format('SCRAM-SHA-256$1:%s$%s:%s', encode(salt, 'base64'), encode(stored, 'base64'), encode(server, 'base64'));
end
$$;
revoke execute on function analytics.scram_secret(text) from public;
grant execute on function analytics.scram_secret(text) to analytics_provisioner;

reset role;

-- As before.
create or replace function analytics.provision_tenant(tenant text, password text, renew boolean default false)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	if tenant !~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}$' then
		raise exception 'not a tenant id: %', left(tenant, 64) using errcode = 'invalid_parameter_value';
	end if;
	if length(password) < 32 then
		raise exception 'the password of a tenant role must be derived' using errcode = 'invalid_password';
	end if;
	perform pg_advisory_xact_lock(hashtextextended(tenant, 0));
	insert into tenant_views.access_bindings (role, tenant_id, kind) values (tenant, tenant, 'service')
	on conflict do nothing;
	if to_regrole(quote_ident(tenant)) is not null then
		if renew then
			execute format('alter role %I password %L', tenant, analytics.scram_secret(password));
		end if;
		return renew;
	end if;
	execute format('create role %I login password %L connection limit 16 in role analytics_tenants', tenant,
		analytics.scram_secret(password));
	perform analytics.set_role(tenant, 'service');
	return true;
end
$$;
