-- Ends a lease on a snapshot: with a new one, or without when it would be the same. Nothing when the lease is
-- another's meanwhile, or the widget is gone.
-- $1 widget_id text
-- $2 scope_id text
-- $3 worker text
-- $4 next_ms bigint       until it is looked at again
-- $5 snapshot_id text     null = as it was
-- $6 state text
-- $7 body text
-- $8 bytes bigint         read for it; null = as before
update analytics.sync_snapshots s
   set lease_until = null, worker = null, due_at = pg_catalog.now() + $4::bigint * interval '1 millisecond',
       snapshot_id = coalesce($5::text, s.snapshot_id),
       state = case when $5::text is null then s.state else $6::text end,
       body = case when $5::text is null then s.body else $7::text end,
       bytes = coalesce($8::bigint, s.bytes)
 where s.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and s.widget_id = $1::text
   and s.scope_id = $2::text
   and s.worker = $3::text;
