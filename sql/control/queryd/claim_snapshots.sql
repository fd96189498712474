-- Leases snapshots that are due to this process (analytics.claim_snapshots).
-- $1 worker text
-- $2 lease_ms bigint
-- $3 most integer
-- $4 heavy_bytes bigint
-- rows: 0 or more (tenant_id, widget_id, dashboard_id, owner_id, scope_id, scope, kind, title, query, revision,
--       state, bytes)
select c.tenant_id, c.widget_id, c.dashboard_id, c.owner_id, c.scope_id, c.scope, c.kind, c.title, c.query, c.revision,
       c.state, c.bytes
  from analytics.claim_snapshots($1::text, $2::bigint * interval '1 millisecond', $3::integer, $4::bigint) as c;
