-- What users make: dashboards, widgets, saved queries and shares, with every revision; checks; idempotency
-- keys by user and operation; events on their way to the warehouse's outbox.
--
-- A request names its caller in settings of its transaction (queryd/set_caller.sql), beside the tenant
-- that row level security reads. No text of a user is ever run on these connections.

-- the warehouse, when it is this database, takes advisory locks away from PUBLIC
grant execute on function pg_catalog.pg_try_advisory_xact_lock(bigint) to analytics_queryd;

set local role analytics_owner;

-- ---- dashboards

alter table analytics.dashboards
	add column layout jsonb not null default '{}',
	add column updated_by text collate "C" not null default '';
update analytics.dashboards set updated_by = owner_id;

alter table analytics.widgets
	add column revision integer not null default 1,
	add column created_at timestamptz not null default now(),
	add column updated_at timestamptz not null default now(),
	add column x integer not null generated always as ((layout ->> 'x')::integer) stored,
	add column y integer not null generated always as ((layout ->> 'y')::integer) stored,
	add column w integer not null generated always as ((layout ->> 'w')::integer) stored,
	add column h integer not null generated always as ((layout ->> 'h')::integer) stored;

-- The whole document as it was after each change, the last one of a deleted dashboard included.
create table analytics.dashboard_revisions (
	dashboard_id text collate "C" not null references analytics.dashboards on delete cascade,
	revision integer not null,
	tenant_id text collate "C" not null,
	action text not null,
	actor_id text collate "C" not null,
	document jsonb not null,
	changed_at timestamptz not null default now(),
	primary key (dashboard_id, revision)
);

-- Embed tokens that were given out. A token is signed, not stored; these are its claims.
create table analytics.dashboard_shares (
	share_id text collate "C" primary key,
	dashboard_id text collate "C" not null references analytics.dashboards on delete cascade,
	tenant_id text collate "C" not null,
	actor_id text collate "C" not null,
	audience text not null,
	claims jsonb not null,
	created_at timestamptz not null default now(),
	expires_at timestamptz not null
);
create index dashboard_shares_of_dashboard on analytics.dashboard_shares (dashboard_id);

-- ---- saved queries

alter table analytics.saved_queries add column description text;

create table analytics.saved_query_revisions (
	query_id text collate "C" not null references analytics.saved_queries on delete cascade,
	revision integer not null,
	tenant_id text collate "C" not null,
	action text not null,
	actor_id text collate "C" not null,
	document jsonb not null,
	changed_at timestamptz not null default now(),
	primary key (query_id, revision)
);

-- ---- checks of a tenant's own

alter table analytics.dq_checks
	add column revision integer not null default 1,
	add column updated_at timestamptz not null default now();

-- ---- idempotency keys: one for a user and an operation, with the whole answer

alter table analytics.idempotency_keys
	add column user_id text collate "C" not null default '',
	add column operation text collate "C" not null default 'projections.refresh',
	add column etag text,
	add column location text,
	drop constraint idempotency_keys_pkey,
	add primary key (tenant_id, user_id, operation, key);
alter table analytics.idempotency_keys
	alter column user_id drop default,
	alter column operation drop default;

-- Row level security shows queryd the keys of one tenant; those that are over go for all at once.
create function analytics.forget_idempotency_keys() returns bigint
	language sql volatile security definer set search_path = pg_catalog
as $$
	with over as (
		select k.tenant_id, k.user_id, k.operation, k.key
		  from analytics.idempotency_keys k
		 where k.expires_at <= now()
		 order by k.expires_at
		 limit 10000
		   for update skip locked),
	gone as (
		delete from analytics.idempotency_keys k
		 using over o
		 where (k.tenant_id, k.user_id, k.operation, k.key) = (o.tenant_id, o.user_id, o.operation, o.key)
		returning 1)
	select count(*) from gone
$$;
revoke all on function analytics.forget_idempotency_keys() from public;
grant execute on function analytics.forget_idempotency_keys() to analytics_queryd;

-- ---- events

-- An event is written here in the transaction of the change it tells about. The outbox that is sent
-- from lies in the warehouse, which may be another database: queryd moves rows there in their order,
-- first inserting there (the event id is unique), then deleting here. A crash between the two repeats
-- the insert, which then does nothing.
create table analytics.outbox_pending (
	pending_id bigint generated always as identity primary key,
	tenant_id text collate "C" not null,
	ordering_key text collate "C" not null,
	subject text not null,
	event_id text collate "C" not null unique,
	envelope text not null,
	created_at timestamptz not null default now()
);

-- ---- what a caller may see

-- Settings of the transaction: analytics.user_id; analytics.roles and analytics.properties as arrays
-- (no properties: all of the tenant); analytics.embedded, the one dashboard that an embed token opens.
create view analytics.visible_dashboards with (security_invoker = true) as
select d.*
  from analytics.dashboards d
 where d.tenant_id = current_setting('analytics.tenant_id')
   and d.deleted_at is null
   and case
           when nullif(current_setting('analytics.embedded', true), '') is not null
               then d.dashboard_id = current_setting('analytics.embedded')
           when d.owner_id = current_setting('analytics.user_id') then true
           when d.scope = 'role' then d.roles && nullif(current_setting('analytics.roles'), '')::text[]
           else d.scope in ('tenant', 'property')
       end
   and (d.scope <> 'property'
        or nullif(current_setting('analytics.properties'), '') is null
        or d.property_id = any (nullif(current_setting('analytics.properties'), '')::text[]));

-- ---- documents: what the API shows of each thing, by its id

create view analytics.widget_documents with (security_invoker = true) as
select w.widget_id, w.dashboard_id, w.tenant_id, w.revision, w.x, w.y,
       jsonb_build_object(
           'id', w.widget_id,
           'dashboardId', w.dashboard_id,
           'revision', w.revision,
           'kind', w.kind,
           'title', w.title,
           'query', w.query,
           'display', w.display,
           'layout', w.layout,
           'createdAt', to_char(w.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updatedAt', to_char(w.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as document
  from analytics.widgets w;

create view analytics.dashboard_documents with (security_invoker = true) as
select d.dashboard_id, d.tenant_id, d.revision, d.deleted_at,
       jsonb_build_object(
           'id', d.dashboard_id,
           'revision', d.revision,
           'name', d.name,
           'description', d.description,
           'scope', d.scope,
           'propertyId', d.property_id,
           'roles', d.roles,
           'layout', d.layout,
           'ownerId', d.owner_id,
           'updatedBy', d.updated_by,
           'createdAt', to_char(d.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updatedAt', to_char(d.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) as summary
  from analytics.dashboards d;

create view analytics.documents with (security_invoker = true) as
select d.dashboard_id as id, d.tenant_id, d.revision,
       d.summary || jsonb_build_object('widgets', coalesce((
           select jsonb_agg(w.document order by w.y, w.x, w.widget_id)
             from analytics.widget_documents w
            where w.dashboard_id = d.dashboard_id), '[]')) as document
  from analytics.dashboard_documents d
union all
select w.widget_id, w.tenant_id, w.revision, w.document
  from analytics.widget_documents w
union all
select q.query_id, q.tenant_id, q.revision,
       jsonb_build_object(
           'id', q.query_id,
           'revision', q.revision,
           'name', q.name,
           'description', q.description,
           'definition', q.query,
           'ownerId', q.owner_id,
           'createdAt', to_char(q.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updatedAt', to_char(q.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
  from analytics.saved_queries q
union all
select c.check_id, c.tenant_id, c.revision,
       jsonb_build_object(
           'id', c.check_id,
           'revision', c.revision,
           'table', c.table_name,
           'kind', c.kind,
           'column', c.column_name,
           'limit', c.params -> 'limit',
           'severity', c.severity,
           'enabled', c.enabled,
           'mutedUntil', to_char(c.muted_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updatedAt', to_char(c.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
  from analytics.dq_checks c
union all
select m.key || '@' || m.version, m.tenant_id, null::integer,
       jsonb_build_object('key', m.key, 'version', m.version, 'definitionHash', m.definition_hash)
  from analytics.metric_definitions m
union all
select s.share_id, s.tenant_id, null::integer, s.claims
  from analytics.dashboard_shares s
union all
select j.job_id, j.tenant_id, null::integer, jsonb_build_object('jobId', j.job_id) || case
           when j.params ? 'plan' then jsonb_build_object('plan', j.params -> 'plan') else '{}' end
  from analytics.etl_jobs j;

-- ---- who may see what

do $$
declare
	t text;
	own constant text := $q$tenant_id = nullif(current_setting('analytics.tenant_id', true), '')$q$;
begin
	foreach t in array array['dashboard_revisions', 'dashboard_shares', 'saved_query_revisions'] loop
		execute format('alter table analytics.%I enable row level security', t);
		execute format('create policy %I on analytics.%I to analytics_queryd using (%s) with check (%s)',
			t || '_tenant_isolation', t, own, own);
	end loop;
	alter table analytics.outbox_pending enable row level security;
	execute format('create policy outbox_pending_tenant_isolation on analytics.outbox_pending for insert '
		'to analytics_queryd with check (%s)', own);
end
$$;
-- the mover carries the events of all tenants
create policy outbox_pending_read on analytics.outbox_pending for select to analytics_queryd using (true);
create policy outbox_pending_moved on analytics.outbox_pending for delete to analytics_queryd using (true);

grant select, insert on analytics.dashboard_revisions, analytics.dashboard_shares,
	analytics.saved_query_revisions to analytics_queryd;
grant select, insert, delete on analytics.outbox_pending to analytics_queryd;
grant select, update on analytics.visible_dashboards to analytics_queryd;
grant select on analytics.widget_documents, analytics.dashboard_documents, analytics.documents to analytics_queryd;

reset role;
