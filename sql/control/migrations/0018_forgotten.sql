-- A tenant that was purged stays so: no row of it is made in the control database afterwards.
--
-- Daemons know of a deletion some seconds late, and a transaction that began before the purge may
-- commit after it. So the tables refuse by themselves: each insert takes the tenant's lock shared, and
-- looks then; a purge takes it alone before it notes the deletion, which waits for whoever is inserting
-- and is seen by whoever comes later. The lock is per tenant: nobody else waits.

do $$
begin
	grant execute on function pg_catalog.pg_advisory_xact_lock(bigint),
		pg_catalog.pg_advisory_xact_lock_shared(bigint) to analytics_owner;
end
$$;

set local role analytics_owner;

create function analytics.life_lock_of(tenant text) returns bigint
language sql immutable set search_path = pg_catalog, pg_temp as $$
	select hashtextextended('life of ' || tenant, 0)
$$;

-- Whoever writes for several tenants at once leaves the deleted ones out, lest all of them fail.
create function analytics.is_deleted(tenant text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select exists (select from analytics.tenants t where t.tenant_id = tenant and t.status = 'deleted')
$$;

-- volatile, so that what is looked up is as of after the lock
create function analytics.refuse_deleted() returns trigger
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
	if new.tenant_id is not null then
		perform pg_advisory_xact_lock_shared(analytics.life_lock_of(new.tenant_id));
		if exists (select from analytics.tenants t where t.tenant_id = new.tenant_id and t.status = 'deleted') then
			raise exception 'the tenant is deleted' using errcode = 'TD001', table = tg_table_name;
		end if;
	end if;
	return new;
end
$$;

-- Guards every table that has tenants and is not guarded yet; a migration that makes one calls it. A
-- purge's own job is a row, too; its runs and what is told of it hang on that.
create function analytics.guard_tenant_tables() returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
	c record;
begin
	for c in
		select t.relation, t.name from analytics.tenant_column t
		where t.name not in ('analytics.etl_runs', 'analytics.etl_events')
			and not exists (select from pg_trigger g where g.tgrelid = t.relation and g.tgname = 'refuse_deleted')
	loop
		execute format('create trigger refuse_deleted before insert on %s for each row %s execute function analytics.refuse_deleted()',
			c.relation, case c.name when 'analytics.etl_jobs' then 'when (new.kind <> ''purge'')' else '' end);
	end loop;
end
$$;

select analytics.guard_tenant_tables();

-- As before, and alone with the tenant until what it notes is to be seen.
create or replace function analytics.purge_tenant(tenant text, job text, most integer) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	c record;
	n bigint;
	gone bigint := 0;
begin
	perform pg_advisory_xact_lock(analytics.life_lock_of(tenant));
	insert into analytics.tenants as t (tenant_id, status) values (tenant, 'deleted')
	on conflict (tenant_id) do update set status = 'deleted', looker_enabled = false, updated_at = now()
	where t.status <> 'deleted';
	for c in select * from analytics.tenant_column order by name loop
		execute format('delete from %1$s where ctid = any (array(select ctid from %1$s where %2$s limit $3))',
			c.relation, analytics.tenant_condition(c.name)) using tenant, job, most - gone;
		get diagnostics n = row_count;
		gone := gone + n;
		exit when gone >= most;
	end loop;
	return gone;
end
$$;

revoke execute on function analytics.life_lock_of(text), analytics.is_deleted(text), analytics.refuse_deleted(),
	analytics.guard_tenant_tables() from public;
grant execute on function analytics.is_deleted(text) to analytics_etld, analytics_dqd, analytics_queryd;

reset role;
