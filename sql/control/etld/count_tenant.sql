-- What there is of a tenant, the job that purges it left out.
-- $1 tenant text
-- $2 job_id text
-- rows: 1 (counts text: JSON, {table: rows})
select analytics.count_tenant($1::text, $2::text)::text as counts
