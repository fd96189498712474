-- Forgets that events were rejected which the append has taken by now: it comes in the same transaction, and
-- has noted those that it rejects again.
-- $1 consumer text
-- $2 batches bigint[]  as appended
-- $3 tenants text[]
-- $4 key_lo text
-- $5 key_hi text
-- rows: none
delete from analytics_run.failed_keys f
where f.consumer = $1::text and f.tenant_id = any ($3::text[]) and f.key like 'event:%' and f.last_failed_at < now()
	and exists (
		select
		from events_raw.event e
		where e.dedupe_key between $4::text and $5::text and e.dedupe_key = split_part(f.key, ':', 2)
			and e.tenant_id = f.tenant_id and e.batch_id = any ($2::bigint[]) and e.body <> '')
