-- What a desktop keeps a copy of: a log of changes with one row an item, the scopes that are pulled, and
-- snapshots of widgets computed for these.
--
-- The log is read by the transaction's number, not by time or a sequence: whoever pulls is told the
-- snapshot (pg_snapshot) that he saw, and next time gets what was not visible in it. A transaction that
-- began before a pull and commits after it is not in that snapshot, so nothing that commits late is passed
-- over, and nothing is sent twice.

set local role analytics_owner;

-- Whose an item is to see: `tenant`, everybody's; a property's id; `scope:<id>`, exactly that scope's;
-- null, private. `audiences` are all there ever were: those are told when it is gone.
create table analytics.sync_items (
	tenant_id text collate "C",           -- null: every tenant's
	kind text collate "C" not null check (kind in ('dashboard', 'widget', 'metric', 'alert', 'snapshot')),
	item_id text collate "C" not null,
	audience text collate "C",
	audiences text[] not null,
	deleted boolean not null,
	changed_xid xid8 not null,
	changed_at timestamptz not null default now(),
	unique nulls not distinct (tenant_id, kind, item_id)
);
create index sync_items_gone on analytics.sync_items (changed_at) where deleted;

-- Property scopes that were pulled lately; snapshots are made for these alone.
create table analytics.sync_scopes (
	tenant_id text collate "C" not null,
	scope_id text collate "C" not null,   -- hash of scope
	scope text collate "C" not null,      -- as queryd signs it
	properties text[],                    -- null: all of the tenant
	pulled_at timestamptz not null default now(),
	primary key (tenant_id, scope_id)
);
create index sync_scopes_recent on analytics.sync_scopes (pulled_at);

create table analytics.sync_snapshots (
	tenant_id text collate "C" not null,
	widget_id text collate "C" not null references analytics.widgets on delete cascade,
	scope_id text collate "C" not null,
	audience text collate "C" not null,
	snapshot_id text collate "C",         -- null: not made yet
	state text collate "C",               -- of what it was made: question and data versions
	body text,
	bytes bigint not null default 0,      -- read for it
	due_at timestamptz not null default now(),
	lease_until timestamptz,
	worker text,
	primary key (tenant_id, widget_id, scope_id)
);
create index sync_snapshots_of_widget on analytics.sync_snapshots (widget_id);

create function analytics.note_sync(tenant text, item_kind text, item text, seen_by text, gone boolean) returns void
	language sql volatile security definer set search_path = pg_catalog
as $$
	insert into analytics.sync_items as i (tenant_id, kind, item_id, audience, audiences, deleted, changed_xid)
	select tenant, item_kind, item, seen_by, array_remove(array[seen_by], null), gone, pg_current_xact_id()
	 where not exists (select from analytics.tenants t where t.tenant_id = tenant and t.status = 'deleted')
	    on conflict (tenant_id, kind, item_id) do update
	   set audience = excluded.audience, deleted = excluded.deleted, changed_xid = excluded.changed_xid,
	       changed_at = now(),
	       audiences = array(select distinct a from unnest(i.audiences || excluded.audiences) a)
$$;
revoke all on function analytics.note_sync(text, text, text, text, boolean) from public;

-- Who pulls has neither a name nor roles: what is for a user or for roles is private here.
create function analytics.dashboard_audience(d analytics.dashboards) returns text
	language sql immutable set search_path = pg_catalog
as $$
	select case d.scope when 'tenant' then 'tenant' when 'property' then d.property_id end
$$;
revoke all on function analytics.dashboard_audience(analytics.dashboards) from public;

create function analytics.sync_dashboard() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	if tg_op = 'DELETE' then
		perform analytics.note_sync(old.tenant_id, 'dashboard', old.dashboard_id, null, true);
		return null;
	end if;
	perform analytics.note_sync(new.tenant_id, 'dashboard', new.dashboard_id, analytics.dashboard_audience(new),
		new.deleted_at is not null);
	if tg_op = 'UPDATE' and (analytics.dashboard_audience(new), new.deleted_at)
			is distinct from (analytics.dashboard_audience(old), old.deleted_at) then
		perform analytics.note_sync(w.tenant_id, 'widget', w.widget_id, analytics.dashboard_audience(new),
			new.deleted_at is not null)
		from analytics.widgets w where w.dashboard_id = new.dashboard_id;
		delete from analytics.sync_snapshots s using analytics.widgets w
		where w.dashboard_id = new.dashboard_id and s.widget_id = w.widget_id;
	end if;
	return null;
end
$$;
create trigger sync after insert or update or delete on analytics.dashboards
	for each row execute function analytics.sync_dashboard();

create function analytics.sync_widget() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	if tg_op = 'DELETE' then
		perform analytics.note_sync(old.tenant_id, 'widget', old.widget_id, null, true);
		return null;
	end if;
	perform analytics.note_sync(new.tenant_id, 'widget', new.widget_id, analytics.dashboard_audience(d),
		d.deleted_at is not null)
	from analytics.dashboards d where d.dashboard_id = new.dashboard_id;
	if tg_op = 'UPDATE' then
		delete from analytics.sync_snapshots where widget_id = new.widget_id;
	end if;
	return null;
end
$$;
create trigger sync after insert or update or delete on analytics.widgets
	for each row execute function analytics.sync_widget();

create function analytics.sync_snapshot() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	if tg_op = 'DELETE' then
		perform analytics.note_sync(old.tenant_id, 'snapshot', old.widget_id || '@' || old.scope_id, null, true);
	else
		perform analytics.note_sync(new.tenant_id, 'snapshot', new.widget_id || '@' || new.scope_id, new.audience, false);
	end if;
	return null;
end
$$;
create trigger sync_made after update of snapshot_id on analytics.sync_snapshots
	for each row when (new.snapshot_id is distinct from old.snapshot_id) execute function analytics.sync_snapshot();
create trigger sync_gone after delete on analytics.sync_snapshots
	for each row when (old.snapshot_id is not null) execute function analytics.sync_snapshot();

create function analytics.sync_alert() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	if tg_op = 'DELETE' then
		perform analytics.note_sync(old.tenant_id, 'alert', old.check_id, 'tenant', true);
	else
		perform analytics.note_sync(new.tenant_id, 'alert', new.check_id, 'tenant', new.state <> 'fail');
	end if;
	return null;
end
$$;
create trigger sync_raised after insert on analytics.dq_results
	for each row when (new.state = 'fail') execute function analytics.sync_alert();
create trigger sync_changed after update on analytics.dq_results
	for each row when ((new.state = 'fail') <> (old.state = 'fail')) execute function analytics.sync_alert();
create trigger sync_gone after delete on analytics.dq_results
	for each row when (old.state = 'fail') execute function analytics.sync_alert();

-- A check that is changed, muted or switched off changes the alerts that it raised.
create function analytics.sync_check() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	perform analytics.note_sync(r.tenant_id, 'alert', r.check_id, 'tenant', not new.enabled)
	from analytics.dq_results r where r.check_id = new.check_id and r.state = 'fail';
	return null;
end
$$;
create trigger sync after update on analytics.dq_checks
	for each row when (new is distinct from old) execute function analytics.sync_check();

create function analytics.sync_metric() returns trigger
	language plpgsql security definer set search_path = pg_catalog
as $$
begin
	perform analytics.note_sync(coalesce(new.tenant_id, old.tenant_id), 'metric', coalesce(new.key, old.key), 'tenant',
		tg_op = 'DELETE' and not exists (
			select from analytics.metric_definitions m
			where m.key = old.key and m.tenant_id is not distinct from old.tenant_id));
	return null;
end
$$;
create trigger sync after insert or update or delete on analytics.metric_definitions
	for each row execute function analytics.sync_metric();

revoke all on function analytics.sync_dashboard(), analytics.sync_widget(), analytics.sync_snapshot(),
	analytics.sync_alert(), analytics.sync_check(), analytics.sync_metric() from public;

-- what there is already
select analytics.note_sync(d.tenant_id, 'dashboard', d.dashboard_id, analytics.dashboard_audience(d), d.deleted_at is not null)
from analytics.dashboards d;
select analytics.note_sync(w.tenant_id, 'widget', w.widget_id, analytics.dashboard_audience(d), d.deleted_at is not null)
from analytics.widgets w join analytics.dashboards d using (dashboard_id);
select analytics.note_sync(r.tenant_id, 'alert', r.check_id, 'tenant', false) from analytics.dq_results r where r.state = 'fail';
select analytics.note_sync(m.tenant_id, 'metric', m.key, 'tenant', false)
from (select distinct tenant_id, key from analytics.metric_definitions) m;

-- ---- work for the generators of all queryds

-- Takes up to `most` snapshots that are due, a tenant's next one before another's second. Made are those of
-- widgets on shared dashboards, for the twenty scopes of a tenant that were pulled last, within seven days;
-- on a property's dashboard for that property alone, whoever pulls it. One that reads much is made only while
-- somebody pulls (an hour), and none when the tenant's budget of the day is used up.
create function analytics.claim_snapshots(me text, lease interval, most integer, heavy_bytes bigint)
	returns table (tenant_id text, widget_id text, dashboard_id text, owner_id text, scope_id text, scope text,
		kind text, title text, query text, revision integer, state text, bytes bigint)
	language sql volatile security definer set search_path = pg_catalog
as $$
	with recent as (
		select s.*, row_number() over (partition by s.tenant_id order by s.pulled_at desc) as place
		  from analytics.sync_scopes s
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
	due as (
		select w.*, row_number() over (partition by w.tenant_id order by s.due_at nulls first, w.widget_id) as turn
		  from wanted w
		  left join analytics.sync_snapshots s
		    on (s.tenant_id, s.widget_id, s.scope_id) = (w.tenant_id, w.widget_id, w.scope_id)
		 where s.widget_id is null
		    or (s.due_at <= now() and (s.lease_until is null or s.lease_until < now())
		        and (s.bytes <= heavy_bytes or w.pulled_at > now() - interval '1 hour'))
		 order by turn, s.due_at nulls first
		 limit most),
	taken as (
		insert into analytics.sync_snapshots as s (tenant_id, widget_id, scope_id, audience, lease_until, worker)
		select d.tenant_id, d.widget_id, d.scope_id, d.audience, now() + lease, me from due d
		 order by d.tenant_id, d.widget_id, d.scope_id
		    on conflict (tenant_id, widget_id, scope_id) do update
		   set lease_until = excluded.lease_until, worker = me
		 where s.due_at <= now() and (s.lease_until is null or s.lease_until < now())
		returning s.*)
	select d.tenant_id, d.widget_id, d.dashboard_id, d.owner_id, d.scope_id, d.scope, d.kind, d.title, d.query::text,
	       d.revision, t.state, t.bytes
	  from taken t
	  join due d
	    on (d.tenant_id, d.widget_id, d.scope_id) = (t.tenant_id, t.widget_id, t.scope_id)
$$;

-- Scopes that nobody pulls any more, their snapshots, and tombstones that every cursor has passed.
create function analytics.forget_sync() returns bigint
	language sql volatile security definer set search_path = pg_catalog
as $$
	with scopes as (
		delete from analytics.sync_scopes where pulled_at < now() - interval '7 days' returning tenant_id, scope_id),
	snapshots as (
		delete from analytics.sync_snapshots s using scopes g
		 where (s.tenant_id, s.scope_id) = (g.tenant_id, g.scope_id)),
	gone as (
		delete from analytics.sync_items where deleted and changed_at < now() - interval '31 days' returning 1)
	select count(*) from gone
$$;
revoke all on function analytics.claim_snapshots(text, interval, integer, bigint), analytics.forget_sync() from public;
grant execute on function analytics.claim_snapshots(text, interval, integer, bigint), analytics.forget_sync() to analytics_queryd;

do $$
declare
	t text;
begin
	foreach t in array array['sync_items', 'sync_scopes', 'sync_snapshots'] loop
		execute format('alter table analytics.%I enable row level security', t);
		execute format('create policy %I on analytics.%I to analytics_queryd using (%s)', t || '_tenant_isolation', t,
			$q$tenant_id = nullif(current_setting('analytics.tenant_id', true), '')$q$
			|| case t when 'sync_items' then ' or tenant_id is null' else '' end);
	end loop;
end
$$;
grant select on analytics.sync_items to analytics_queryd;
grant select, insert, update on analytics.sync_scopes, analytics.sync_snapshots to analytics_queryd;

reset role;
