-- Puts events of the control database into the outbox, those of a key in their order. Those that are there already
-- (a crash came between this and forget_pending_events) are passed over; only their id can repeat, and
-- naming it here would take a right to read the outbox.
-- $1 events text     JSON array of {key, subject, tenant, eventId, envelope}
insert into analytics_run.outbox (ordering_key, subject, tenant_id, event_id, envelope)
select e.key, e.subject, e.tenant, e."eventId", e.envelope
  from rows from (
           pg_catalog.jsonb_to_recordset($1::jsonb) as (key text, subject text, tenant text, "eventId" text, envelope text)
       ) with ordinality as e (key, subject, tenant, "eventId", envelope, position)
 order by analytics_run.outbox_shard(e.key), e.position
    on conflict do nothing;
