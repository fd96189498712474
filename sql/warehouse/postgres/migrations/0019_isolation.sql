-- Who reads, and what a login can learn beside its rows: the tenant behind a session in one function,
-- a second login of a tenant for reporting tools, read-only principals, the list of all of them, and
-- catalogs and statistics that say nothing of the neighbours.

-- ---- catalogs

-- Names of roles are ids of tenants, and counters of the server are everybody's. What psql, libpq and
-- JDBC ask for stays: names and shapes of relations, types and functions. Monitoring has pg_monitor.
do $$
declare
	r record;
	columns text;
begin
	-- an admin who is no superuser is told once, instead of by a warning for each name
	if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
		raise warning 'catalogs stay readable: who is no superuser cannot revoke them from PUBLIC';
		return;
	end if;
	for r in
		select oid::regclass as name from pg_catalog.pg_class
		where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v') and (relname ~ '^pg_stat(io)?_'
			or relname in ('pg_roles', 'pg_user', 'pg_group', 'pg_auth_members', 'pg_db_role_setting', 'pg_shdepend',
				'pg_locks', 'pg_prepared_xacts', 'pg_replication_slots'))
			and has_table_privilege('public', oid, 'select')
	loop
		execute format('revoke select on %s from public', r.name);
		execute format('grant select on %s to pg_monitor, analytics_owner, analytics_provisioner, analytics_etld', r.name);
	end loop;
	select string_agg(quote_ident(attname), ', ' order by attnum) into columns
	from pg_catalog.pg_attribute
	where attrelid = 'pg_catalog.pg_class'::regclass and not attisdropped
		and attname not in ('relpages', 'reltuples', 'relallvisible', 'relfrozenxid', 'relminmxid');
	revoke select on pg_catalog.pg_class from public;
	execute format('grant select (%s) on pg_catalog.pg_class to public', columns);
	grant select on pg_catalog.pg_class to pg_monitor, analytics_owner, analytics_etld;
	for r in
		select oid::regprocedure as name from pg_catalog.pg_proc
		where pronamespace = 'pg_catalog'::regnamespace and (proname ~ '^pg_stat_get_' or proname ~ '^pg_current_wal_'
			or proname in ('pg_lock_status', 'pg_blocking_pids', 'pg_safe_snapshot_blocking_pids', 'pg_prepared_xact',
				'pg_relation_size', 'pg_total_relation_size', 'pg_table_size', 'pg_indexes_size', 'pg_database_size',
				'pg_tablespace_size', 'pg_notification_queue_usage', 'txid_current', 'pg_current_xact_id'))
			and has_function_privilege('public', oid, 'execute')
	loop
		execute format('revoke execute on function %s from public', r.name);
		execute format('grant execute on function %s to pg_monitor, analytics_owner, analytics_etld', r.name);
	end loop;
	grant execute on function pg_catalog.pg_stat_get_xact_tuples_returned(oid) to analytics_owner;
	grant execute on function pg_catalog.pg_stat_get_activity(integer) to analytics_provisioner;
	-- EXPLAIN shows estimates: what ANALYZE knew of tenants' words goes now, and is not learnt again (below)
	delete from pg_catalog.pg_statistic s
	using pg_catalog.pg_attribute a
	where a.attrelid = s.starelid and a.attnum = s.staattnum and a.atttypid = 'text'::regtype
		and a.attname <> 'tenant_id' and s.starelid in (
			select oid from pg_catalog.pg_class
			where relnamespace = 'analytics_curated'::regnamespace and relname ~ '^(fact|dim)_.*_v1$');
	grant set on parameter temp_file_limit to analytics_provisioner;
end
$$;

-- ---- principals that are no tenants

do $$
begin
	if to_regrole('reporting') is null then
		create role reporting nologin;
	end if;
	if to_regrole('ai_orchestrator') is null then
		create role ai_orchestrator nologin;
	end if;
exception
	-- another database of this cluster is being migrated at the same moment
	when duplicate_object or unique_violation then null;
end
$$;
do $$
begin
	execute format('grant connect on database %I to reporting, ai_orchestrator', current_database());
end
$$;

set local role analytics_owner;

grant usage on schema analytics_curated to reporting, ai_orchestrator;
grant select on analytics_curated.fact_reservation, analytics_curated.fact_room_night, analytics_curated.fact_payment,
	analytics_curated.fact_inventory_day, analytics_curated.dim_property, analytics_curated.dim_room_type,
	analytics_curated.dim_room, analytics_curated.dim_tenant, analytics_curated.dim_calendar, analytics_curated.dim_fx
	to reporting;
grant select on analytics_curated.fact_reservation, analytics_curated.fact_payment,
	analytics_curated.dim_property, analytics_curated.dim_room_type, analytics_curated.dim_room,
	analytics_curated.dim_tenant, analytics_curated.dim_calendar, analytics_curated.dim_fx
	to ai_orchestrator;

-- ---- the tenant of a session

-- tnt_… and tnt_…_l are logins of one tenant: its first 30 characters. One expression, so that the
-- planner puts it in place of the call and sees the value; a subselect would hide it. Its users say
-- COLLATE "C", which all ids have.
create function tenant_views.tenant() returns text
language sql stable parallel safe as $$
	select left(session_user::text, 30)
$$;
revoke execute on function tenant_views.tenant() from public;
grant execute on function tenant_views.tenant() to analytics_tenants;

-- As before, and all properties for tnt_…_l, which has no scope to sign.
create or replace function tenant_views.scope() returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
	part text[] := string_to_array(current_setting('analytics.scope', true), '|');
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

-- Every view once more, with tenant() where it said session_user. Where tenant_id is a plain column it
-- becomes that value too: a condition on it is then no question to the statistics of all tenants.
do $$
declare
	v record;
	query text;
begin
	for v in
		select oid::regclass as name, pg_get_viewdef(oid) as query from pg_class
		where relnamespace = 'tenant_views'::regnamespace and relkind = 'v'
	loop
		query := replace(v.query, '(SESSION_USER)::text', '(tenant_views.tenant() collate "C")');
		query := regexp_replace(query, '^ SELECT \w+\.tenant_id,', ' SELECT tenant_views.tenant() collate "C" AS tenant_id,');
		if query <> v.query then
			execute format('create or replace view %s with (security_barrier) as %s', v.name, query);
		end if;
	end loop;
end
$$;

-- queryd's sessions scan by index only, so there must be a condition for one; of all days it is true.
do $$
begin
	execute 'create or replace view tenant_views.dim_calendar with (security_barrier) as '
		|| rtrim(pg_get_viewdef('tenant_views.dim_calendar'::regclass), ';')
		|| ' where dim_calendar.date >= date ''0001-01-01''';
end
$$;

-- What a tenant is charged must not tell how large the others are, and blocks do: the height of an
-- index, what vacuum has been through. So it is index entries, which are all the tenant's own (each
-- index begins with tenant_id), as if each row lay in a block of its own; of the calendar, 64 in one.
create or replace function tenant_views.blocks_read() returns bigint
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
	select coalesce(sum(pg_stat_get_xact_tuples_returned(i.indexrelid)
		/ case i.indrelid when 'analytics_curated.dim_calendar_v1'::regclass then 64 else 1 end), 0)::bigint
	from pg_index i
	join pg_class c on c.oid = i.indrelid
	where c.relnamespace = 'analytics_curated'::regnamespace
$$;

-- A value in the statistics of a column is some tenant's: with EXPLAIN one could look for it.
do $$
declare
	c record;
begin
	for c in
		select attrelid::regclass as name, attname from pg_attribute
		where attrelid in (
				select oid from pg_class
				where relnamespace = 'analytics_curated'::regnamespace and relname ~ '^(fact|dim)_.*_v1$' and relkind = 'r')
			and attnum > 0 and not attisdropped and atttypid = 'text'::regtype and attname <> 'tenant_id'
	loop
		execute format('alter table %s alter column %I set statistics 0', c.name, c.attname);
	end loop;
end
$$;

-- ---- who may read what

-- A row for each role that reads tenants' data. kind: service (queryd logs in with it), looker (the
-- tenant's reporting tool; enabled or NOLOGIN), nobody (sees no row), reader (all tenants, by grants).
create table tenant_views.access_bindings (
	role text collate "C" primary key,
	tenant_id text collate "C",  -- null: no single one
	kind text not null check (kind in ('service', 'looker', 'nobody', 'reader')),
	enabled boolean not null default true,
	since timestamptz not null default now()
);
insert into tenant_views.access_bindings (role, tenant_id, kind)
select r.rolname, case when r.rolname ~ '^tnt_' then r.rolname end,
	case when r.rolname ~ '^tnt_' then 'service' else 'nobody' end
from pg_auth_members m
join pg_roles r on r.oid = m.member
where m.roleid = 'analytics_tenants'::regrole
	and (r.rolname ~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}$' or r.rolname = 'analytics_nobody')
union all
values ('reporting', null, 'reader'), ('ai_orchestrator', null, 'reader');
grant usage on schema tenant_views to analytics_provisioner;
grant select, insert, update, delete on tenant_views.access_bindings to analytics_provisioner;

reset role;

-- ---- making and keeping the roles

-- What a role of this kind is set to; a tenant may change its own settings, and gets these back.
create function analytics.settings_of(kind text) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
	select array['default_transaction_read_only=on', 'default_transaction_isolation=repeatable read',
		'statement_timeout=60s', 'idle_in_transaction_session_timeout=30s', 'search_path=tenant_views', 'jit=off']
		|| case kind when 'looker' then array['temp_file_limit=256MB', 'work_mem=16MB', 'lock_timeout=5s'] else '{}' end
	where kind in ('service', 'looker')
$$;

-- temp_file_limit only where a superuser has let the provisioner set it. `role` is what no security
-- definer may reset; set to whatever, it does nothing for a role that is a member of nobody.
create function analytics.set_role(role text, kind text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
	setting text;
	place text;
begin
	for place, setting in
		select case when s.setdatabase <> 0 then format('in database %I ', d.datname) else '' end, split_part(c, '=', 1)
		from pg_db_role_setting s
		cross join unnest(s.setconfig) c
		left join pg_database d on d.oid = s.setdatabase
		where s.setrole = to_regrole(quote_ident(role)) and c !~ '^(role|session_authorization)='
	loop
		execute format('alter role %I %sreset %s', role, place, setting);
	end loop;
	foreach setting in array analytics.settings_of(kind)
	loop
		-- a list of names, where quotes would make it one
		begin
			execute format('alter role %I set %I = %L', role, split_part(setting, '=', 1), split_part(setting, '=', 2));
		exception
			when insufficient_privilege then
				raise notice '% is not set: no superuser has migrated', split_part(setting, '=', 1);
		end;
	end loop;
end
$$;

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
			execute format('alter role %I password %L', tenant, password);
		end if;
		return renew;
	end if;
	execute format('create role %I login password %L connection limit 16 in role analytics_tenants', tenant, password);
	perform analytics.set_role(tenant, 'service');
	return true;
end
$$;

-- Switches the login of a tenant's reporting tool on or off; made at the first time. Answers its name.
create function analytics.provision_looker(tenant text, password text, enabled boolean) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	name constant text := tenant || '_l';
	login constant text := case when enabled then 'login' else 'nologin' end;
begin
	if tenant !~ '^tnt_[0-9A-HJKMNP-TV-Z]{26}$' then
		raise exception 'not a tenant id: %', left(tenant, 64) using errcode = 'invalid_parameter_value';
	end if;
	if length(password) < 32 then
		raise exception 'the password of a tenant role must be derived' using errcode = 'invalid_password';
	end if;
	perform pg_advisory_xact_lock(hashtextextended(tenant, 0));
	insert into tenant_views.access_bindings as b (role, tenant_id, kind, enabled) values (name, tenant, 'looker', enabled)
	on conflict (role) do update set enabled = excluded.enabled, since = now() where b.enabled <> excluded.enabled;
	if to_regrole(quote_ident(name)) is null then
		execute format('create role %I connection limit 3 in role analytics_tenants', name);
		perform analytics.set_role(name, 'looker');
	end if;
	execute format('alter role %I %s password %L', name, login, password);
	return name;
end
$$;

-- What is not as access_bindings says, a row each; with repair it is made so where that is possible.
-- A missing tenant role is made by queryd when the tenant next asks: its password is not known here.
create function analytics.reconcile_access(repair boolean)
returns table (role text, problem text, repaired boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	d record;
begin
	for d in
		-- a role that reads tenants' views and is in no list
		select r.rolname::text as name, 'reads tenant_views without a binding' as problem,
			format('revoke analytics_tenants from %I', r.rolname) as cure, null as kind
		from pg_auth_members m
		join pg_roles r on r.oid = m.member
		where m.roleid = 'analytics_tenants'::regrole
			and not exists (select from tenant_views.access_bindings b where b.role = r.rolname)
		union all
		select b.role, 'the role does not exist', null, null
		from tenant_views.access_bindings b
		where to_regrole(quote_ident(b.role)) is null
		union all
		select b.role, format('is a member of %s', m.roleid::regrole), format('revoke %s from %I', m.roleid::regrole, b.role), null
		from tenant_views.access_bindings b
		join pg_auth_members m on m.member = to_regrole(quote_ident(b.role))
		where b.kind = 'reader' or m.roleid <> 'analytics_tenants'::regrole
		union all
		select b.role, 'is no member of analytics_tenants', format('grant analytics_tenants to %I', b.role), null
		from tenant_views.access_bindings b
		where b.kind <> 'reader' and to_regrole(quote_ident(b.role)) is not null
			and not exists (select from pg_auth_members m
				where m.member = to_regrole(quote_ident(b.role)) and m.roleid = 'analytics_tenants'::regrole)
		union all
		select b.role, 'has attributes that a reader must not have', format('alter role %I nocreaterole nocreatedb', b.role), null
		from tenant_views.access_bindings b
		join pg_roles r on r.rolname = b.role
		where r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls
		union all
		select b.role, case when r.rolcanlogin then 'may log in' else 'cannot log in' end,
			format('alter role %I %s', b.role, case when r.rolcanlogin then 'nologin' else 'login' end), null
		from tenant_views.access_bindings b
		join pg_roles r on r.rolname = b.role
		where r.rolcanlogin <> (b.enabled and b.kind <> 'reader') and b.kind <> 'nobody'
		union all
		select b.role, 'has another connection limit',
			format('alter role %I connection limit %s', b.role, case b.kind when 'looker' then 3 else 16 end), null
		from tenant_views.access_bindings b
		join pg_roles r on r.rolname = b.role
		where r.rolconnlimit <> case b.kind when 'looker' then 3 else 16 end and b.kind in ('service', 'looker')
		union all
		select b.role, 'has other settings', null, b.kind
		from tenant_views.access_bindings b
		join pg_roles r on r.rolname = b.role
		where b.kind in ('service', 'looker')
			and exists (
				select from pg_db_role_setting s
				cross join unnest(s.setconfig) c
				where s.setrole = r.oid and c !~ '^(role|session_authorization)='
					and (s.setdatabase <> 0 or c <> all (analytics.settings_of(b.kind)))
				union all
				select from unnest(analytics.settings_of(b.kind)) c
				where c <> all (coalesce(r.rolconfig, '{}')) and c !~ '^temp_file_limit=')
		union all
		select b.role, 'wants to be another role when it logs in, in vain: reset it by hand', null, null
		from tenant_views.access_bindings b
		join pg_roles r on r.rolname = b.role
		where exists (select from unnest(r.rolconfig) c where c ~ '^(role|session_authorization)=')
		order by 1, 2
	loop
		role := d.name;
		problem := d.problem;
		repaired := false;
		begin
			if repair and d.kind is not null then
				perform analytics.set_role(d.name, d.kind);
				repaired := true;
			elsif repair and d.cure is not null then
				execute d.cure;
				repaired := true;
			end if;
		exception
			when insufficient_privilege then  -- a superuser made it so
				problem := problem || ': ' || sqlerrm;
		end;
		return next;
	end loop;
end
$$;

grant create, usage on schema analytics to analytics_provisioner;
alter function analytics.settings_of(text) owner to analytics_provisioner;
alter function analytics.set_role(text, text) owner to analytics_provisioner;
alter function analytics.provision_looker(text, text, boolean) owner to analytics_provisioner;
alter function analytics.reconcile_access(boolean) owner to analytics_provisioner;
revoke create on schema analytics from analytics_provisioner;
revoke execute on function analytics.settings_of(text), analytics.set_role(text, text),
	analytics.provision_tenant(text, text, boolean), analytics.provision_looker(text, text, boolean),
	analytics.reconcile_access(boolean) from public;
grant execute on function analytics.provision_tenant(text, text, boolean) to analytics_etld, analytics_queryd;
grant execute on function analytics.provision_looker(text, text, boolean), analytics.reconcile_access(boolean)
	to analytics_queryd;
