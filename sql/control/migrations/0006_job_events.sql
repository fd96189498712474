-- What changed with a job, written in the statement that changed it; etld carries it to the outbox,
-- which is in the warehouse. etl.completed is not here: it is written there, with the data.

set local role analytics_owner;

create table analytics.etl_events (
	event_no bigint generated always as identity primary key,
	job_id text collate "C" not null,
	attempt integer not null,
	kind text not null check (kind in ('started', 'failed')),
	tenant_id text collate "C",
	projection text,
	trigger text not null,
	rows_in bigint not null default 0,
	rows_out bigint not null default 0,
	duration_ms bigint not null default 0,
	reason text,
	detail text,
	retriable boolean,
	occurred_at timestamptz not null default now()
);

alter table analytics.etl_events enable row level security;
create policy etl_events_tenant_isolation on analytics.etl_events to analytics_queryd
	using (tenant_id is not distinct from nullif(current_setting('analytics.tenant_id', true), ''));
create policy etl_events_etld on analytics.etl_events to analytics_etld using (true);
grant select, insert, delete on analytics.etl_events to analytics_etld;

-- the dead ones, newest first
create index etl_jobs_failed on analytics.etl_jobs (finished_at) where state = 'failed';

reset role;
