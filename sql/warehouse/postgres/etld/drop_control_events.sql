-- Takes events out of the queue that have become jobs.
-- $1 tenants text[]
-- $2 keys text[]
-- rows: none
delete from analytics_run.control_event
where (tenant_id, dedupe_key) in (select * from unnest($1::text[], $2::text[]))
