-- What queries cost: caps of single tenants, alarms of a day, and a log that is written in batches. And
-- results of saved queries that are kept as they were.

set local role analytics_owner;

alter table analytics.budgets
	add column own_cap boolean not null default false, -- an operator set it; holds for the days after too
	add column alarmed integer not null default 0;     -- per cent of the cap that was told: 0, 80, 100

alter table analytics.query_log
	add column entry_id text collate "C" unique,                -- so that a batch sent again is not there twice
	add column query_hash text collate "C" not null default '', -- equal questions have the same
	add column times bigint not null default 1;                 -- equal outcomes within a second are one row
alter table analytics.query_log alter column query_id drop not null; -- of a saved query
create index query_log_age on analytics.query_log (ran_at);

-- Row level security shows queryd one tenant; a batch is of several. Each entry may bring an event.
create function analytics.log_queries(entries jsonb) returns void
	language sql volatile security definer set search_path = pg_catalog
as $$
	with e as (
		select *
		  from jsonb_to_recordset(entries) as e
		       (entry_id text, tenant_id text, actor_id text, query_id text, query_hash text, kind text,
		        outcome text, times bigint, bytes bigint, duration_ms integer, rows bigint, event_id text, subject text,
		        envelope text)
		 where not exists (
			select from analytics.tenants t where t.tenant_id = e.tenant_id and t.status = 'deleted')),
	logged as (
		insert into analytics.query_log
		       (entry_id, query_id, tenant_id, actor_id, kind, bytes_scanned, duration_ms, rows, outcome,
		        query_hash, times)
		select e.entry_id, e.query_id, e.tenant_id, e.actor_id, e.kind, e.bytes, e.duration_ms, e.rows,
		       e.outcome, e.query_hash, e.times
		  from e
		    on conflict (entry_id) do nothing)
	insert into analytics.outbox_pending (tenant_id, ordering_key, subject, event_id, envelope)
	select e.tenant_id, e.tenant_id, e.subject, e.event_id, e.envelope
	  from e
	 where e.envelope is not null
	    on conflict (event_id) do nothing
$$;

-- The answer to a run of a saved query, as it was sent. It belongs to who asked for it, and to the properties
-- that he saw then.
create table analytics.query_snapshots (
	snapshot_id text collate "C" primary key,
	tenant_id text collate "C" not null,
	owner_id text collate "C" not null,
	scope text collate "C" not null,
	query_id text collate "C" not null,
	body text not null,
	body_hash text collate "C" not null,     -- sha-256, hex
	data_versions text collate "C" not null, -- of the tables that were read
	created_at timestamptz not null default now(),
	expires_at timestamptz not null default now() + interval '30 days'
);
create index query_snapshots_expiry on analytics.query_snapshots (expires_at);

alter table analytics.query_snapshots enable row level security;
create policy query_snapshots_tenant_isolation on analytics.query_snapshots to analytics_queryd
	using (tenant_id = nullif(current_setting('analytics.tenant_id', true), ''))
	with check (tenant_id = nullif(current_setting('analytics.tenant_id', true), ''));
grant select, insert on analytics.query_snapshots to analytics_queryd;

-- What is over: entries and snapshots after 30 days, budgets after 90 unless they hold a tenant's own cap.
create function analytics.forget_query_log() returns bigint
	language sql volatile security definer set search_path = pg_catalog
as $$
	with budgets as (
		delete from analytics.budgets b
		 where b.day < current_date - 90
		   and not b.own_cap),
	snapshots as (
		delete from analytics.query_snapshots s
		 where s.expires_at <= now()),
	over as (
		select l.ctid
		  from analytics.query_log l
		 where l.ran_at < now() - interval '30 days'
		 order by l.ran_at
		 limit 10000),
	gone as (
		delete from analytics.query_log l
		 using over o
		 where l.ctid = o.ctid
		returning 1)
	select count(*) from gone
$$;

revoke all on function analytics.log_queries(jsonb), analytics.forget_query_log() from public;
grant execute on function analytics.log_queries(jsonb), analytics.forget_query_log() to analytics_queryd;

reset role;
