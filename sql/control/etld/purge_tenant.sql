-- Notes that a tenant is deleted, and deletes the next rows of it.
-- $1 tenant text
-- $2 job_id text   the job that purges stays
-- $3 most integer
-- rows: 1 (done boolean): none was left
select analytics.purge_tenant($1::text, $2::text, $3::integer) = 0 as done
