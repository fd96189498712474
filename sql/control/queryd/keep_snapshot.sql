-- Keeps what a run of a saved query answered, for the caller.
-- $1 snapshot_id text
-- $2 scope text           the properties he sees
-- $3 query_id text
-- $4 body text
-- $5 body_hash text       hex
-- $6 data_versions text
insert into analytics.query_snapshots (snapshot_id, tenant_id, owner_id, scope, query_id, body, body_hash, data_versions)
values ($1::text, pg_catalog.current_setting('analytics.tenant_id'), pg_catalog.current_setting('analytics.user_id'),
        $2::text, $3::text, $4::text, $5::text, $6::text);
