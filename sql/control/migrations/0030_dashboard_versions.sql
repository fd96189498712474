-- What dashboards show is remembered by queryd's processes, each answer of it at a version of the tenant's
-- dashboards: the number of all changes of them and of their widgets that have committed. Of two snapshots the
-- later one sees more of them, or the same ones. Each dashboard is counted in a row of its own, so that who
-- changes one does not wait for who changes another.

set local role analytics_owner;

create table analytics.dashboard_versions (
	tenant_id text collate "C" not null,
	dashboard_id text collate "C" not null, -- stays when its dashboard goes
	changes bigint not null default 1,
	changed_at timestamptz not null default now(),
	primary key (tenant_id, dashboard_id)
);
create index dashboard_versions_changed on analytics.dashboard_versions (changed_at);
alter table analytics.dashboard_versions enable row level security;
create policy dashboard_versions_tenant_isolation on analytics.dashboard_versions to analytics_queryd
	using (tenant_id = nullif(current_setting('analytics.tenant_id', true), ''));
grant select on analytics.dashboard_versions to analytics_queryd;

insert into analytics.dashboard_versions (tenant_id, dashboard_id)
select d.tenant_id, d.dashboard_id from analytics.dashboards d;

-- What goes makes no new row: a tenant's purge takes these as well.
create function analytics.raise_dashboard_version() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	if tg_op = 'DELETE' then
		update analytics.dashboard_versions v set changes = v.changes + 1, changed_at = now()
		where (v.tenant_id, v.dashboard_id) = (old.tenant_id, old.dashboard_id);
	else
		insert into analytics.dashboard_versions as v (tenant_id, dashboard_id) values (new.tenant_id, new.dashboard_id)
		on conflict (tenant_id, dashboard_id) do update set changes = v.changes + 1, changed_at = now();
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
	select v.tenant_id, sum(v.changes)::bigint
	  from analytics.dashboard_versions v
	 where v.tenant_id in (
		select c.tenant_id
		  from analytics.dashboard_versions c
		 where c.changed_at >= now() - make_interval(secs => seconds))
	 group by v.tenant_id
$$;
revoke all on function analytics.list_dashboard_versions(integer) from public;
grant execute on function analytics.list_dashboard_versions(integer) to analytics_queryd;

select analytics.guard_tenant_tables();

reset role;
