-- The bus has them.
-- $1 ids bigint[]
-- rows: none
update analytics_run.outbox set published_at = now(), last_error = null
where outbox_id = any ($1::bigint[]) and published_at is null
