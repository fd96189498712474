-- Makes the version beside the live one the live one, for all tables of a consumer, and keeps the other.
-- $1 consumer text
-- $2 from_state text    built: the first switch to what was built; kept: a rollback
-- $3 dependents text[]  consumers that read these tables
-- rows: one for each tenant and table whose rows differ (tenant_id text, table_name text, data_version
--   bigint)
-- locks: every shard of the consumer and its views, half a second each; lock_not_available: try again
select tenant_id, table_name, data_version
from analytics_run.switch_version($1::text, $2::text, $3::text[])
