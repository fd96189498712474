-- Keys and events that were set aside.
-- rows: 1 (failed_keys bigint)
select count(*) as failed_keys from analytics_run.failed_keys
