-- tenant_views: all that a tenant can see. A tenant is a login role named by its id; the views
-- compare tenant_id with session_user, which nothing inside a statement can change.
--
-- No subselect around session_user: the planner must see the value, or a small tenant is planned
-- like a large one. The property scope is a subselect on purpose: it is checked once a query.
-- _batch_id stays out: a counter over all tenants would tell one what the others do.

create schema if not exists analytics;
alter schema analytics owner to analytics_owner;
create schema if not exists tenant_views;
alter schema tenant_views owner to analytics_owner;
grant usage on schema tenant_views to analytics_tenants;
grant usage on schema analytics to analytics_etld, analytics_queryd;

-- ---- what a statement could use against its neighbours
--
-- Functions that change settings, run text as SQL, sleep, lock, signal, or write large objects or
-- WAL. Views and clients do not need them: psql, libpq, pg_dump, JDBC and psycopg only SET. An admin
-- who is no superuser cannot revoke them; he gets warnings, and the SQL gate of queryd is then alone.
do $$
declare
	f regprocedure;
begin
	for f in
		select oid from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace and (
			proname in ('set_config', 'ts_stat', 'pg_notify', 'pg_logical_emit_message', 'pg_cancel_backend',
				'pg_terminate_backend', 'pg_export_snapshot', 'lowrite', 'loread')
			or proname ~ '^(query|cursor|table|schema|database)_to_xml'
			or proname ~ '^(pg_sleep|pg_advisory|pg_try_advisory|lo_)'
			or oid = 'pg_catalog.ts_rewrite(tsquery, text)'::regprocedure)
			and has_function_privilege('public', oid, 'execute')
	loop
		execute format('revoke execute on function %s from public', f);
	end loop;
	revoke update on pg_catalog.pg_settings from public;
	revoke usage on language plpgsql, sql from public;
	grant usage on language plpgsql, sql to analytics_owner;
	grant execute on function pg_catalog.set_config(text, text, boolean) to analytics_owner, analytics_queryd;
	grant execute on function pg_catalog.pg_advisory_xact_lock(bigint) to analytics_provisioner;
	grant execute on function pg_catalog.pg_try_advisory_xact_lock(integer, integer) to analytics_etld;
	grant execute on function pg_catalog.pg_try_advisory_lock(bigint), pg_catalog.pg_advisory_unlock(bigint)
		to analytics_etld, analytics_dqd;
	-- a client that leaves has its query cancelled; a role reaches its own backends only
	grant execute on function pg_catalog.pg_cancel_backend(integer)
		to analytics_tenants, analytics_ingestd, analytics_etld, analytics_queryd, analytics_dqd;
end
$$;

-- ---- making a tenant's role

-- The password comes from the caller, who derives it from a credential that no database holds.
-- Answers whether anything was done; an existing role gets the password only when asked.
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
	if to_regrole(quote_ident(tenant)) is not null then
		if renew then
			execute format('alter role %I password %L', tenant, password);
		end if;
		return renew;
	end if;
	execute format('create role %I login password %L connection limit 16 in role analytics_tenants', tenant, password);
	execute format('alter role %I set default_transaction_read_only = on', tenant);
	execute format('alter role %I set default_transaction_isolation = %L', tenant, 'repeatable read');
	execute format('alter role %I set statement_timeout = %L', tenant, '60s');
	execute format('alter role %I set idle_in_transaction_session_timeout = %L', tenant, '30s');
	execute format('alter role %I set search_path = tenant_views', tenant);
	execute format('alter role %I set jit = off', tenant);
	return true;
end
$$;
grant create on schema analytics to analytics_provisioner;
alter function analytics.provision_tenant(text, text, boolean) owner to analytics_provisioner;
revoke create on schema analytics from analytics_provisioner;
revoke execute on function analytics.provision_tenant(text, text, boolean) from public;
grant execute on function analytics.provision_tenant(text, text, boolean) to analytics_etld, analytics_queryd;

set local role analytics_owner;

-- ---- the property scope

-- Sets `analytics.scope` for the transaction: '<expiry, epoch s>|<ids>|<hex hmac>', where ids is
-- `all` or the sorted property ids with commas, and the hmac is HMAC-SHA-256 with scope_key over
-- '<tenant>|<ids>|<backend pid>|<expiry>'. Anyone may set anything: only queryd can sign.
create function tenant_views.set_scope(signed text) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
	select set_config('analytics.scope', signed, true)
$$;

-- The properties that this connection may see now: '{*}' for all, '{}' when the setting is missing,
-- expired, of another tenant or connection, or not signed by us. Never null, never an error.
create function tenant_views.scope() returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
	part text[] := string_to_array(current_setting('analytics.scope', true), '|');
	mac bytea;
begin
	if cardinality(part) is distinct from 3 or part[1] !~ '^[0-9]{1,12}$'
		or part[1]::bigint <= extract(epoch from clock_timestamp())
	then
		return '{}';
	end if;
	select analytics_run.hmac(
			convert_to(concat_ws('|', session_user, part[2], pg_backend_pid(), part[1]), 'UTF8'), key, 'sha256')
		into mac
	from analytics_run.scope_key;
	-- digests are compared, so that the time it takes says nothing about the mac
	if sha256(convert_to(encode(mac, 'hex'), 'UTF8')) is distinct from sha256(convert_to(part[3], 'UTF8')) then
		return '{}';
	end if;
	return case part[2] when 'all' then '{*}' else string_to_array(part[2], ',') end;
end
$$;

-- ---- the views

do $$
declare
	t text;
	columns text;
	mine constant text := 'tenant_id = session_user::text';
	-- in this order a row of a user without a property list costs the test of a boolean
	scoped constant text := ' and ((select tenant_views.scope() = ''{*}'')'
		' or property_id = any ((select tenant_views.scope())::text[]))';
begin
	foreach t in array array['fact_reservation', 'fact_room_night', 'fact_payment', 'fact_inventory_day',
		'dim_property', 'dim_room_type', 'dim_room', 'dim_tenant', 'dim_calendar']
	loop
		select string_agg(quote_ident(attname), ', ' order by attnum) into columns
		from pg_attribute
		where attrelid = ('analytics_curated.' || t)::regclass and attnum > 0 and attname <> '_batch_id';
		execute format('create view tenant_views.%I with (security_barrier) as select %s from analytics_curated.%I %s',
			t, columns, t,
			case t
				when 'dim_calendar' then ''
				when 'dim_tenant' then 'where ' || mine
				else 'where ' || mine || scoped
			end);
	end loop;
end
$$;

create view tenant_views.table_state with (security_barrier) as
select table_name, data_version, watermark, refreshed_at, rows_upserted, rows_deleted
from analytics_run.table_state
where tenant_id = session_user::text;

-- What has landed for this tenant and is not applied yet: one row for each consumer, the counts
-- bounded at 1000 deltas so that asking costs the same on any backlog.
create view tenant_views.pending with (security_barrier) as
select c.consumer, d.oldest_landed_at, d.deltas, d.events, t.touched
from analytics_run.consumer c
cross join lateral (
	select min(d.landed_at) as oldest_landed_at, count(*)::integer as deltas, coalesce(sum(d.events), 0)::bigint as events
	from (
		select landed_at, events
		from analytics_run.delta
		where consumer = c.consumer
			and shard = analytics_run.shard_of(session_user::text)
			and tenant_id = session_user::text
		order by batch_id
		limit 1000) d) d
cross join lateral (
	select exists (
		select from analytics_run.touched
		where consumer = c.consumer
			and shard = analytics_run.shard_of(session_user::text)
			and tenant_id = session_user::text) as touched) t
where c.consumer <> 'none';

-- Blocks of 8 kB that this connection has read of the curated tables and their indexes since its
-- statistics were last sent: the difference of two calls in one transaction is what the statements
-- between them read.
create function tenant_views.blocks_read() returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
	select coalesce(sum(pg_stat_get_xact_blocks_fetched(r.oid)), 0)::bigint
	from (
		select c.oid from pg_class c
		where c.relnamespace = 'analytics_curated'::regnamespace and c.relkind in ('r', 'i')) r
$$;

revoke execute on function tenant_views.set_scope(text), tenant_views.scope(), tenant_views.blocks_read() from public;
grant execute on function tenant_views.set_scope(text), tenant_views.scope(), tenant_views.blocks_read()
	to analytics_tenants;
grant select on all tables in schema tenant_views to analytics_tenants;

reset role;
