-- rows: the oldest events that wait to be moved, in order (pending_id, ordering_key, subject, tenant_id,
--       event_id, envelope)
select p.pending_id, p.ordering_key, p.subject, p.tenant_id, p.event_id, p.envelope
  from analytics.outbox_pending p
 order by p.pending_id
 limit 200;
