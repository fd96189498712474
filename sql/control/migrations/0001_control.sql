-- The control database: definitions, dashboards, jobs, checks and keys; nothing here grows with events.
--
-- Run by an admin that may create roles, in one transaction. Roles belong to the cluster and the
-- warehouse may be the same database, so everything that both migrations need is made only if it is
-- missing. The daemons own nothing: analytics_owner does, and nobody can log in as that role.
--
-- Row level security: a table with a tenant_id shows analytics_queryd one tenant at a time, named by
-- `set local analytics.tenant_id`. That is enough here, and only here, because no text of a user is
-- ever run on this connection. Unset means the platform's own rows (tenant_id null) and no other.

do $$
declare
	wanted record;
begin
	for wanted in
		select * from (values
			('analytics_owner', 'nologin'),
			('analytics_provisioner', 'nologin createrole'),
			('analytics_tenants', 'nologin'),
			('analytics_ingestd', 'login'),
			('analytics_etld', 'login'),
			('analytics_queryd', 'login'),
			('analytics_dqd', 'login'),
			('analytics_nobody', 'login in role analytics_tenants')) as role (name, attributes)
	loop
		begin
			if to_regrole(wanted.name) is null then
				execute format('create role %I %s', wanted.name, wanted.attributes);
			end if;
		exception
			-- another database of this cluster is being migrated at the same moment
			when duplicate_object or unique_violation then null;
		end;
	end loop;
	if not (select rolsuper from pg_roles where rolname = current_user) then
		execute format('grant analytics_owner, analytics_provisioner to %I', current_user);
	end if;
	execute format('revoke all on database %I from public', current_database());
	execute format('grant create on database %I to analytics_owner', current_database());
	execute format('grant connect on database %I to analytics_ingestd, analytics_etld, '
		'analytics_queryd, analytics_dqd, analytics_tenants', current_database());
end
$$;

create schema if not exists analytics;
alter schema analytics owner to analytics_owner;
grant usage on schema analytics to analytics_etld, analytics_queryd, analytics_dqd;
set local role analytics_owner;

-- ---- what is built, and from what

create table analytics.projections (
	key text not null,
	version integer not null check (version > 0),
	consumer text not null,               -- the queue of the warehouse that feeds it
	table_name text not null,             -- analytics_curated.<table_name>
	subjects text[] not null,             -- source events, `*` as the last segment of a prefix
	depends_on text[] not null default '{}',
	freshness_class text not null check (freshness_class in ('hot', 'cold')),
	freshness_slo_seconds integer not null,
	status text not null check (status in ('building', 'active', 'retired')),
	primary key (key, version)
);

insert into analytics.projections
	(key, version, consumer, table_name, subjects, depends_on, freshness_class, freshness_slo_seconds, status)
values
	('fact_reservation', 1, 'reservation', 'fact_reservation',
		'{melmastoon.reservation.*}', '{dim_property}', 'hot', 300, 'active'),
	('fact_room_night', 1, 'reservation', 'fact_room_night',
		'{melmastoon.reservation.*}', '{dim_property}', 'hot', 300, 'active'),
	('fact_payment', 1, 'payment', 'fact_payment',
		'{melmastoon.payment.transaction.*,melmastoon.payment.chargeback.*}', '{dim_property}', 'hot', 300, 'active'),
	('fact_inventory_day', 1, 'property', 'fact_inventory_day',
		'{melmastoon.property.room.*,melmastoon.inventory.room_type_daily.*}', '{dim_property}', 'hot', 300, 'active'),
	('dim_property', 1, 'property', 'dim_property',
		'{melmastoon.property.*}', '{}', 'hot', 300, 'active'),
	('dim_room_type', 1, 'property', 'dim_room_type',
		'{melmastoon.property.room_type.*,melmastoon.property.room.*,melmastoon.inventory.room_type_daily.*}',
		'{dim_property}', 'hot', 300, 'active'),
	('dim_room', 1, 'property', 'dim_room',
		'{melmastoon.property.room.*}', '{}', 'hot', 300, 'active'),
	('dim_tenant', 1, 'tenant', 'dim_tenant',
		'{melmastoon.tenant.*}', '{}', 'hot', 300, 'active');

create table analytics.metric_definitions (
	metric_id bigint generated always as identity primary key,
	tenant_id text collate "C",           -- null: the platform's, for every tenant
	key text not null,
	version integer not null check (version > 0),
	display jsonb not null,
	unit_kind text not null,
	definition jsonb not null,
	definition_hash text not null,
	published_at timestamptz not null default now(),
	archived_at timestamptz,
	unique nulls not distinct (tenant_id, key, version)
);

create table analytics.tenants (
	tenant_id text collate "C" primary key,
	status text not null default 'active' check (status in ('active', 'suspended', 'deleted')),
	region text,
	looker_enabled boolean not null default false,
	updated_at timestamptz not null default now()
);

-- ---- jobs: the work that is asked for, not the stream

create table analytics.etl_jobs (
	job_id text collate "C" primary key,  -- job_<ULID>, made by whoever asks
	tenant_id text collate "C",           -- null: all tenants
	kind text not null check (kind in ('refresh', 'backfill', 'purge', 'horizon', 'forecast')),
	projection text,                      -- null: what the kind implies
	params jsonb not null default '{}',
	trigger text not null default 'api' check (trigger in ('api', 'scheduler', 'event', 'operator')),
	schedule_key text unique,             -- two schedulers that ask for the same run make one job
	state text not null default 'queued'
		check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
	attempt integer not null default 0,
	max_attempts integer not null default 3 check (max_attempts > 0),
	run_after timestamptz not null default now(),
	lease_until timestamptz,
	worker text,
	progress real not null default 0 check (progress between 0 and 1),
	error text,
	created_at timestamptz not null default now(),
	finished_at timestamptz,
	check ((state = 'running') = (lease_until is not null and worker is not null))
);
create index etl_jobs_due on analytics.etl_jobs (run_after, job_id) where state = 'queued';
create index etl_jobs_leased on analytics.etl_jobs (lease_until) where state = 'running';

create table analytics.etl_runs (
	job_id text collate "C" not null references analytics.etl_jobs on delete cascade,
	attempt integer not null,
	tenant_id text collate "C",
	state text not null check (state in ('running', 'succeeded', 'failed', 'lost')),
	worker text not null,
	rows_in bigint not null default 0,
	rows_out bigint not null default 0,
	started_at timestamptz not null default now(),
	finished_at timestamptz,
	error text,
	primary key (job_id, attempt)
);

-- ---- data quality

create table analytics.dq_checks (
	check_id text collate "C" primary key,
	tenant_id text collate "C",           -- null: provisioned for every tenant
	table_name text not null,
	kind text not null,
	column_name text,
	params jsonb not null default '{}',
	severity text not null default 'warning' check (severity in ('info', 'warning', 'critical')),
	blocking boolean not null default false,
	enabled boolean not null default true,
	muted_until timestamptz,
	unique nulls not distinct (tenant_id, table_name, kind, column_name)
);

-- The latest result of a check for a tenant. `since` is when the state last changed, so that an
-- alert is raised once and resolved once.
create table analytics.dq_results (
	check_id text collate "C" not null references analytics.dq_checks on delete cascade,
	tenant_id text collate "C" not null,
	result_id text collate "C" not null,
	state text not null check (state in ('pass', 'fail', 'unknown')),
	observed numeric,
	expected numeric,
	detail jsonb not null default '{}',
	data_version bigint,
	since timestamptz not null,
	evaluated_at timestamptz not null default now(),
	primary key (tenant_id, check_id)
);

-- ---- what users make

create table analytics.dashboards (
	dashboard_id text collate "C" primary key,
	tenant_id text collate "C" not null,
	name text not null,
	description text,
	scope text not null check (scope in ('tenant', 'property', 'role', 'user')),
	property_id text collate "C",
	roles text[],
	owner_id text collate "C" not null,
	revision integer not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	deleted_at timestamptz
);
create index dashboards_of_tenant on analytics.dashboards (tenant_id, dashboard_id);

create table analytics.widgets (
	widget_id text collate "C" primary key,
	dashboard_id text collate "C" not null references analytics.dashboards on delete cascade,
	tenant_id text collate "C" not null,
	kind text not null check (kind in ('kpi_tile', 'time_series', 'breakdown', 'funnel', 'heatmap')),
	title text not null,
	query jsonb not null,
	display jsonb not null default '{}',
	layout jsonb not null
);
create index widgets_of_dashboard on analytics.widgets (dashboard_id);

create table analytics.saved_queries (
	query_id text collate "C" primary key,
	tenant_id text collate "C" not null,
	owner_id text collate "C" not null,
	name text not null,
	query jsonb not null,
	revision integer not null default 1,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now()
);
create index saved_queries_of_owner on analytics.saved_queries (tenant_id, owner_id, query_id);

-- ---- what queries cost

create table analytics.budgets (
	tenant_id text collate "C" not null,
	day date not null,
	cap_bytes bigint not null check (cap_bytes >= 0),
	used_bytes bigint not null default 0,
	primary key (tenant_id, day)
);

create table analytics.query_log (
	query_id text collate "C" not null,
	tenant_id text collate "C" not null,
	actor_id text collate "C",
	kind text not null,
	bytes_scanned bigint not null,
	duration_ms integer not null,
	rows bigint not null,
	outcome text not null,
	ran_at timestamptz not null default now()
);
create index query_log_recent on analytics.query_log (tenant_id, ran_at);

create table analytics.idempotency_keys (
	tenant_id text collate "C" not null,
	key text collate "C" not null,
	request_hash bytea not null,
	status integer,                       -- null: the first request is still in flight
	response text,
	expires_at timestamptz not null,
	primary key (tenant_id, key)
);
create index idempotency_keys_expiry on analytics.idempotency_keys (expires_at);

-- ---- who may see what

do $$
declare
	t text;
	own constant text := $q$tenant_id is not distinct from nullif(current_setting('analytics.tenant_id', true), '')$q$;
begin
	foreach t in array array['metric_definitions', 'tenants', 'etl_jobs', 'etl_runs', 'dq_checks', 'dq_results',
		'dashboards', 'widgets', 'saved_queries', 'budgets', 'query_log', 'idempotency_keys']
	loop
		execute format('alter table analytics.%I enable row level security', t);
		execute format('create policy %I on analytics.%I to analytics_queryd using (%s) with check (%s)',
			t || '_tenant_isolation', t,
			case when t in ('metric_definitions', 'dq_checks') then own || ' or tenant_id is null' else own end,
			own);
	end loop;
	-- etld and dqd work for all tenants; their grants below say on what
	foreach t in array array['tenants', 'etl_jobs', 'etl_runs'] loop
		execute format('create policy %I on analytics.%I to analytics_etld using (true)', t || '_etld', t);
	end loop;
	foreach t in array array['dq_checks', 'dq_results', 'metric_definitions', 'etl_jobs'] loop
		execute format('create policy %I on analytics.%I to analytics_dqd using (true)', t || '_dqd', t);
	end loop;
end
$$;

grant select on analytics.projections to analytics_etld, analytics_queryd, analytics_dqd;
grant update (status) on analytics.projections to analytics_etld;

grant select, insert, update on analytics.etl_jobs to analytics_etld;
grant select, insert, update on analytics.etl_runs to analytics_etld;
grant select, insert, update on analytics.tenants to analytics_etld;

grant select, insert on analytics.metric_definitions to analytics_queryd;
grant update (archived_at) on analytics.metric_definitions to analytics_queryd;
grant select on analytics.tenants to analytics_queryd;
grant select, insert on analytics.etl_jobs to analytics_queryd;
grant select on analytics.etl_runs to analytics_queryd;
grant select, insert, update, delete on analytics.dq_checks to analytics_queryd;
grant select on analytics.dq_results to analytics_queryd;
grant select, insert, update, delete on analytics.dashboards, analytics.widgets, analytics.saved_queries,
	analytics.idempotency_keys to analytics_queryd;
grant select, insert, update on analytics.budgets to analytics_queryd;
grant select, insert on analytics.query_log to analytics_queryd;

grant select, insert, update on analytics.dq_checks to analytics_dqd;
grant select, insert, update, delete on analytics.dq_results to analytics_dqd;
grant select on analytics.metric_definitions to analytics_dqd;
grant select, insert on analytics.etl_jobs to analytics_dqd;

reset role;
