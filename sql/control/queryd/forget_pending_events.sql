-- $1 events text     JSON array of what list_pending_events gave and the outbox has by now
delete from analytics.outbox_pending p
 using pg_catalog.jsonb_to_recordset($1::jsonb) as e (id bigint)
 where p.pending_id = e.id;
