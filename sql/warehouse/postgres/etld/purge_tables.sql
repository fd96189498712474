-- Deletes the next rows of a deleted tenant from every table of the warehouse.
-- $1 tenant text
-- $2 job_id text
-- $3 most integer
-- rows: 1 (done boolean): none was left
select analytics_run.purge_tables($1::text, $2::text, $3::integer) = 0 as done
