-- A tenant's signals are said; they are due again after an interval.
-- $1 tenant text
-- $2 every_ms bigint
-- rows: none
update analytics_run.signal_due set due_at = now() + $2::bigint * interval '1 ms'
where tenant_id = $1::text
