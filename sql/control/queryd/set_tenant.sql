-- Names the tenant that row level security lets the rest of the transaction see.
-- $1 tenant_id text
select pg_catalog.set_config('analytics.tenant_id', $1::text, true);
