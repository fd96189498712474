-- Opens the record of a deleted tenant's purge, or finds the one that is open.
-- $1 tenant text
-- $2 job_id text      '' = by hand
-- $3 control jsonb    what the control database has of it (count_tenant.sql)
-- rows: 1 (record_id text)
select analytics_run.open_purge($1::text, $2::text, $3::jsonb) as record_id
