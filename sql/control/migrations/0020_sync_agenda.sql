-- What desktops pull costs what has changed, and not what there is.
--
-- A pull reads the log from its cursor on: what a snapshot has not seen has a transaction's number of at
-- least the snapshot's xmin, and there is an index by that.
--
-- Generators look at the tenants on an agenda: at those whose scopes, dashboards or widgets have changed, or
-- of whose snapshots one is due; at each other one now and then, for what no row says (a day's budget, a
-- scope that is pulled again). Before, each look joined the scopes and widgets of all.

set local role analytics_owner;

create index sync_items_changed on analytics.sync_items (tenant_id, changed_xid);
create index sync_snapshots_due on analytics.sync_snapshots (tenant_id, due_at);

create table analytics.sync_agenda (
	tenant_id text collate "C" primary key,
	look_at timestamptz not null default now()
);
create index sync_agenda_due on analytics.sync_agenda (look_at);
alter table analytics.sync_agenda enable row level security;
create policy sync_agenda_tenant_isolation on analytics.sync_agenda to analytics_queryd
	using (tenant_id = nullif(current_setting('analytics.tenant_id', true), ''));

insert into analytics.sync_agenda (tenant_id) select distinct s.tenant_id from analytics.sync_scopes s;

-- A scope that is pulled puts its tenant on the agenda.
create function analytics.agenda_scope() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	insert into analytics.sync_agenda as a (tenant_id) values (new.tenant_id)
	on conflict (tenant_id) do update set look_at = now() where a.look_at > now();
	return null;
end
$$;
create trigger agenda after insert or update on analytics.sync_scopes
	for each row execute function analytics.agenda_scope();

create function analytics.agenda_change() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	update analytics.sync_agenda a set look_at = now() where a.tenant_id = new.tenant_id and a.look_at > now();
	return null;
end
$$;
create trigger agenda after insert or update on analytics.dashboards
	for each row execute function analytics.agenda_change();
create trigger agenda after insert or update on analytics.widgets
	for each row execute function analytics.agenda_change();

create function analytics.agenda_due() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	update analytics.sync_agenda a set look_at = new.due_at where a.tenant_id = new.tenant_id and a.look_at > new.due_at;
	return null;
end
$$;
create trigger agenda after update of due_at on analytics.sync_snapshots
	for each row execute function analytics.agenda_due();

-- As before, of at most 64 tenants that are due to be looked at. One of which more is due than was taken
-- stays due; the others come when their next snapshot does, or a lease ends.
create or replace function analytics.claim_snapshots(me text, lease interval, most integer, heavy_bytes bigint)
	returns table (tenant_id text, widget_id text, dashboard_id text, owner_id text, scope_id text, scope text,
		kind text, title text, query text, revision integer, state text, bytes bigint)
	language sql volatile security definer set search_path = pg_catalog
as $$
	with looked as materialized (
		select a.tenant_id
		  from analytics.sync_agenda a
		 where a.look_at <= now()
		 order by a.look_at
		 limit 64
		   for update skip locked),
	recent as (
		select s.*, row_number() over (partition by s.tenant_id order by s.pulled_at desc) as place
		  from analytics.sync_scopes s
		  join looked using (tenant_id)
		 where s.pulled_at > now() - interval '7 days'),
	wanted as (
		select distinct on (w.widget_id, e.scope_id) w.widget_id, d.tenant_id, d.dashboard_id, d.owner_id, e.scope_id,
		       e.scope, e.audience, w.kind, w.title, w.query, w.revision, r.pulled_at
		  from recent r
		  join analytics.dashboards d
		    on d.tenant_id = r.tenant_id and d.deleted_at is null and d.scope in ('tenant', 'property')
		   and (d.scope <> 'property' or r.properties is null or d.property_id = any (r.properties))
		  join analytics.widgets w
		    on w.dashboard_id = d.dashboard_id
		 cross join lateral (
			select case when d.scope = 'property' then d.property_id else r.scope end as scope,
			       case when d.scope = 'property' then d.property_id else r.scope_id end as scope_id,
			       case when d.scope = 'property' then d.property_id else 'scope:' || r.scope_id end as audience) e
		 where r.place <= 20
		   and not exists (
			select from analytics.budgets b
			 where b.tenant_id = d.tenant_id and b.day = (now() at time zone 'UTC')::date and b.alarmed >= 100)
		 order by w.widget_id, e.scope_id, r.pulled_at desc),
	ready as materialized (
		select w.*, s.due_at, row_number() over (partition by w.tenant_id order by s.due_at nulls first, w.widget_id) as turn
		  from wanted w
		  left join analytics.sync_snapshots s
		    on (s.tenant_id, s.widget_id, s.scope_id) = (w.tenant_id, w.widget_id, w.scope_id)
		 where s.widget_id is null
		    or (s.due_at <= now() and (s.lease_until is null or s.lease_until < now())
		        and (s.bytes <= heavy_bytes or w.pulled_at > now() - interval '1 hour'))),
	due as materialized (
		select r.*
		  from ready r
		 order by r.turn, r.due_at nulls first
		 limit most),
	taken as (
		insert into analytics.sync_snapshots as s (tenant_id, widget_id, scope_id, audience, lease_until, worker)
		select d.tenant_id, d.widget_id, d.scope_id, d.audience, now() + lease, me from due d
		 order by d.tenant_id, d.widget_id, d.scope_id
		    on conflict (tenant_id, widget_id, scope_id) do update
		   set lease_until = excluded.lease_until, worker = me
		 where s.due_at <= now() and (s.lease_until is null or s.lease_until < now())
		returning s.*),
	next as (
		update analytics.sync_agenda a
		   set look_at = case
		       when (select count(*) from ready r where r.tenant_id = a.tenant_id)
		            > (select count(*) from due d where d.tenant_id = a.tenant_id) then now()
		       else least(now() + interval '15 seconds', (
			       select min(greatest(s.due_at, s.lease_until))
			         from analytics.sync_snapshots s
			        where s.tenant_id = a.tenant_id and greatest(s.due_at, s.lease_until) > now()))
		       end
		  from looked l
		 where a.tenant_id = l.tenant_id)
	select d.tenant_id, d.widget_id, d.dashboard_id, d.owner_id, d.scope_id, d.scope, d.kind, d.title, d.query::text,
	       d.revision, t.state, t.bytes
	  from taken t
	  join due d
	    on (d.tenant_id, d.widget_id, d.scope_id) = (t.tenant_id, t.widget_id, t.scope_id)
$$;

-- A tenant whose scopes are forgotten leaves the agenda, too.
create or replace function analytics.forget_sync() returns bigint
	language sql volatile security definer set search_path = pg_catalog
as $$
	with scopes as (
		delete from analytics.sync_scopes where pulled_at < now() - interval '7 days' returning tenant_id, scope_id),
	snapshots as (
		delete from analytics.sync_snapshots s using scopes g
		 where (s.tenant_id, s.scope_id) = (g.tenant_id, g.scope_id)),
	agenda as (
		delete from analytics.sync_agenda a
		 where not exists (
			select from analytics.sync_scopes s
			 where s.tenant_id = a.tenant_id and s.pulled_at >= now() - interval '7 days')),
	gone as (
		delete from analytics.sync_items where deleted and changed_at < now() - interval '31 days' returning 1)
	select count(*) from gone
$$;

revoke all on function analytics.agenda_scope(), analytics.agenda_change(), analytics.agenda_due() from public;
select analytics.guard_tenant_tables();

reset role;
