-- What the control database knows of a tenant that must be forgotten, found by the column tenant_id; and
-- where a tenant's data lies.

set local role analytics_owner;

create view analytics.tenant_column as
select c.oid::regclass as relation, n.nspname || '.' || c.relname as name
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'analytics' and c.relkind in ('r', 'p') and a.attname = 'tenant_id' and a.attnum > 0
	and not a.attisdropped and c.relname <> 'tenants';

-- The job ($2) that purges is a row of these, too.
create function analytics.tenant_condition(name text) returns text
language sql immutable as $$
	select 'tenant_id = $1' || case
		when name in ('analytics.etl_jobs', 'analytics.etl_runs', 'analytics.etl_events') then ' and job_id <> $2' else '' end
$$;

revoke execute on function analytics.tenant_condition(text) from public;

-- {table: rows}, those without any left out.
create function analytics.count_tenant(tenant text, job text) returns jsonb
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
	c record;
	n bigint;
	counts jsonb := '{}';
begin
	for c in select * from analytics.tenant_column order by name loop
		execute format('select count(*) from %s where %s', c.relation, analytics.tenant_condition(c.name)) into n
			using tenant, job;
		if n > 0 then
			counts := counts || jsonb_build_object(c.name, n);
		end if;
	end loop;
	return counts;
end
$$;

-- Notes that the tenant is deleted, and deletes up to `most` rows of it (and what hangs on them); says how
-- many.
create function analytics.purge_tenant(tenant text, job text, most integer) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	c record;
	n bigint;
	gone bigint := 0;
begin
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

revoke execute on function analytics.count_tenant(text, text), analytics.purge_tenant(text, text, integer) from public;
grant execute on function analytics.count_tenant(text, text), analytics.purge_tenant(text, text, integer) to analytics_etld;

-- Where a tenant's data is written from when on: a row for each move.
create table analytics.tenant_regions (
	tenant_id text collate "C" not null,
	since timestamptz not null,
	region text not null,
	from_region text,
	primary key (tenant_id, since)
);
alter table analytics.tenant_regions enable row level security;
create policy tenant_regions_tenant_isolation on analytics.tenant_regions to analytics_queryd
	using (tenant_id = nullif(current_setting('analytics.tenant_id', true), ''));
create policy tenant_regions_etld on analytics.tenant_regions to analytics_etld using (true);
grant select on analytics.tenant_regions to analytics_queryd;
grant select, insert, update on analytics.tenant_regions to analytics_etld;

reset role;
