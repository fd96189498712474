-- What dashboards show is remembered by queryd's processes, each answer of it at a version: how often any
-- dashboard or widget of the tenant has changed. The version's row is locked until its change commits, so
-- who sees a version sees all that led to it.

set local role analytics_owner;

create table analytics.dashboard_versions (
	tenant_id text collate "C" primary key,
	version bigint not null default 1,
	changed_at timestamptz not null default now()
);
create index dashboard_versions_changed on analytics.dashboard_versions (changed_at);
alter table analytics.dashboard_versions enable row level security;
create policy dashboard_versions_tenant_isolation on analytics.dashboard_versions to analytics_queryd
	using (tenant_id = nullif(current_setting('analytics.tenant_id', true), ''));
grant select on analytics.dashboard_versions to analytics_queryd;

insert into analytics.dashboard_versions (tenant_id) select distinct d.tenant_id from analytics.dashboards d;

-- A row that goes makes no version: a tenant's purge takes the versions as well.
create function analytics.raise_dashboard_version() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	if tg_op = 'DELETE' then
		update analytics.dashboard_versions v set version = v.version + 1, changed_at = now()
		where v.tenant_id = old.tenant_id;
	else
		insert into analytics.dashboard_versions as v (tenant_id) values (new.tenant_id)
		on conflict (tenant_id) do update set version = v.version + 1, changed_at = now();
	end if;
	return null;
end
$$;
revoke all on function analytics.raise_dashboard_version() from public;
create trigger raise_version after insert or update or delete on analytics.dashboards
	for each row execute function analytics.raise_dashboard_version();
create trigger raise_version after insert or update or delete on analytics.widgets
	for each row execute function analytics.raise_dashboard_version();

-- Row level security shows queryd one tenant; what Redis may have missed is of any.
create function analytics.list_dashboard_versions(seconds integer) returns table (tenant_id text, version bigint)
	language sql stable security definer set search_path = pg_catalog
as $$
	select v.tenant_id, v.version
	  from analytics.dashboard_versions v
	 where v.changed_at >= now() - make_interval(secs => seconds)
$$;
revoke all on function analytics.list_dashboard_versions(integer) from public;
grant execute on function analytics.list_dashboard_versions(integer) to analytics_queryd;

select analytics.guard_tenant_tables();

reset role;
