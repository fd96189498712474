-- The keys of the outbox that have something to send, those that are parked first.
-- $1 max_keys integer
-- rows: (ordering_key text, rows bigint, oldest_at text, attempts integer, next_attempt_at text,
--   parked_at text, subject text, last_error text); the last five of the key's first row
select ordering_key, count(*) as rows,
	to_char(min(created_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as oldest_at,
	(array_agg(attempts order by outbox_id))[1] as attempts,
	to_char((array_agg(next_attempt_at order by outbox_id))[1] at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as next_attempt_at,
	to_char((array_agg(parked_at order by outbox_id))[1] at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as parked_at,
	(array_agg(subject order by outbox_id))[1] as subject,
	(array_agg(last_error order by outbox_id))[1] as last_error
from analytics_run.outbox
where published_at is null
group by ordering_key
order by (array_agg(parked_at order by outbox_id))[1], min(outbox_id)
limit $1::integer
