-- Adds an event to what the relay sends. Holds the shard of its key until the commit (0009_operations.sql):
-- do it last in its transaction.
-- $1 ordering_key text  events of one key keep their order
-- $2 subject text
-- $3 tenant_id text     null: the platform's
-- $4 envelope text      the whole event, JSON
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope)
values ($1::text, $2::text, $3::text, $4::text);
