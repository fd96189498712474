-- Jobs that events ask for: a tenant that leaves, moves or forgets a guest.
set local role analytics_owner;

alter table analytics.etl_jobs drop constraint etl_jobs_kind_check;
alter table analytics.etl_jobs add constraint etl_jobs_kind_check
	check (kind in ('refresh', 'backfill', 'purge', 'horizon', 'forecast', 'region', 'erasure'));

reset role;
