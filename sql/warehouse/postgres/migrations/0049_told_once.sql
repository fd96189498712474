-- What is told once.
set local role analytics_owner;

-- A run ends once, and what was told first counts: one that had completed when its worker went silent has
-- not failed.
delete from analytics_run.job_event f
using analytics_run.job_event c
where f.kind = 'failed' and c.kind = 'completed' and c.job_id = f.job_id and c.attempt = f.attempt;
create unique index job_event_ending on analytics_run.job_event (job_id, attempt) where kind <> 'started';

-- Whom etld has told that what is waiting for a consumer fails again and again: outbox_failing.sql.
create table analytics_run.failing (
	consumer text collate "C" not null references analytics_run.consumer,
	tenant_id text collate "C" not null,
	told_at timestamptz not null default now(),
	primary key (consumer, tenant_id)
);
grant select, insert, update, delete on analytics_run.failing to analytics_etld;

reset role;
