-- What is left of a refresh: queued portions of a consumer's keys.
-- $1 consumer text
-- $2 tenant text  null = every tenant
-- rows: 1 (remaining bigint)
select count(*) as remaining
from analytics_run.touched
where consumer = $1::text and kind = 'all' and ($2::text is null or tenant_id = $2::text)
