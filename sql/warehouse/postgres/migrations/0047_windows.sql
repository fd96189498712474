-- What projection.refreshed.v1 says of its days and its job. A table without days has no window, and a row
-- without a day widens none; job_run (<job_id>.<attempt>) is the run that all of the rows came from, null
-- when some came from elsewhere.
set local role analytics_owner;

alter table analytics_run.refresh_due
	alter column day_from drop not null,
	alter column day_to drop not null,
	add column job_run text collate "C";

reset role;
