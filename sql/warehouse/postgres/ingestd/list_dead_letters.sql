-- Dead letters for an operator, the last seen first. A filter that is null lets everything pass.
-- $1 reason text
-- $2 subject text      whole, or a prefix that ends with *
-- $3 tenant text
-- $4 since timestamptz  last seen at or after
-- $5 until timestamptz  last seen before
-- $6 closed boolean    also those that were replayed or acknowledged
-- $7 max_letters integer
-- rows: (dead_letter_id text, reason text, severity text, subject text, tenant_id text, producer text,
--   event_id text, source text, place text, times integer, bytes integer, first_seen text, last_seen text,
--   tried_at text, state text)
select dead_letter_id, reason, severity, subject, tenant_id, producer, event_id, source, place, times,
	octet_length(body) as bytes,
	to_char(first_seen at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as first_seen,
	to_char(last_seen at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as last_seen,
	to_char(tried_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as tried_at,
	case when replayed_at is not null then 'replayed' when acknowledged_at is not null then 'acknowledged'
		else 'open' end as state
from analytics_run.dead_letter
where ($1::text is null or reason = $1::text)
	and ($2::text is null or subject = $2::text
		or (right($2::text, 1) = '*' and starts_with(subject, left($2::text, -1))))
	and ($3::text is null or tenant_id = $3::text)
	and ($4::timestamptz is null or last_seen >= $4::timestamptz)
	and ($5::timestamptz is null or last_seen < $5::timestamptz)
	and ($6::boolean or (replayed_at is null and acknowledged_at is null))
order by last_seen desc, dead_letter_id
limit $7::integer
