-- Forgets a change that is in the outbox.
-- $1 event_no bigint
-- rows: none
delete from analytics.etl_events where event_no = $1::bigint
