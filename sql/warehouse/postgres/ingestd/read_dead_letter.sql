-- One dead letter with everything that is known of it.
-- $1 id text
-- rows: 0 or 1 (the columns of list_dead_letters.sql, then replayed_at text, replay_outcome text,
--   acknowledged_at text, attributes text, transport text, body text: base64)
select dead_letter_id, reason, severity, subject, tenant_id, producer, event_id, source, place, times,
	octet_length(body) as bytes,
	to_char(first_seen at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as first_seen,
	to_char(last_seen at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_seen,
	to_char(tried_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as tried_at,
	case when replayed_at is not null then 'replayed' when acknowledged_at is not null then 'acknowledged'
		else 'open' end as state,
	to_char(replayed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as replayed_at,
	replay_outcome,
	to_char(acknowledged_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as acknowledged_at,
	attributes, transport,
	translate(encode(body, 'base64'), e'\n', '') as body
from analytics_run.dead_letter
where dead_letter_id = $1::text
