-- Sets a key aside that could not be rebuilt, so that the others can go on.
-- $1 consumer text
-- $2 tenants text[]
-- $3 keys text[]  as they were given to the rebuild
-- $4 n integer    which of them
-- $5 error text
-- rows: 1 (attempts integer); 1 means it is new and wants an alert
insert into analytics_run.failed_keys as f (consumer, tenant_id, key, error)
values ($1::text, ($2::text[])[$4::integer], split_part(($3::text[])[$4::integer], '@', 1), left($5::text, 1000))
on conflict (consumer, tenant_id, key) do update set
	error = excluded.error, attempts = f.attempts + 1, last_failed_at = now()
returning attempts
