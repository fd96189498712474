-- $1 snapshot_id text
-- $2 scope text     the properties that the caller sees
-- rows: 1 (body, body_hash), none when it is over, another's, or of other properties
select s.body, s.body_hash
  from analytics.query_snapshots s
 where s.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and s.owner_id = pg_catalog.current_setting('analytics.user_id')
   and s.snapshot_id = $1::text
   and s.scope = $2::text
   and s.expires_at > pg_catalog.now();
