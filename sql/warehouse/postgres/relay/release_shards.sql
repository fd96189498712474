-- Gives the shards of this relay to whoever wants them.
-- $1 worker text
-- rows: none
update analytics_run.outbox_lease set worker = null, lease_until = null
where worker = $1::text
