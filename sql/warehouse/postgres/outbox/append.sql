-- Adds an event to what the relay sends. Holds the shard of its key until the commit (0009_operations.sql):
-- do it last in its transaction. Of an id that is there already nothing is added; only an id can repeat,
-- and naming it here would take a right to read the outbox.
-- $1 ordering_key text  events of one key keep their order
-- $2 subject text
-- $3 tenant_id text     null: the platform's
-- $4 envelope text      the whole event, JSON
-- $5 event_id text      null: written in the transaction of its effect, it cannot come twice
insert into analytics_run.outbox (ordering_key, subject, tenant_id, envelope, event_id)
values ($1::text, $2::text, $3::text, $4::text, $5::text)
    on conflict do nothing;
