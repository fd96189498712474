-- Removes answers that are older than 24 hours.
-- rows: 1 (count)
select analytics.forget_idempotency_keys() as count;
