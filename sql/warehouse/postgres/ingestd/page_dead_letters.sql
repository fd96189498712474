-- The next open dead letters to replay, in the order they came: at most 64, and no more than 8 MiB of
-- bytes beyond the first. The filters of list_dead_letters.sql, and
-- $1 reason text
-- $2 subject text
-- $3 tenant text
-- $4 since timestamptz
-- $5 until timestamptz
-- $6 ids text[]
-- $7 after text         the last id of the page before
-- rows: (dead_letter_id text, reason text, place text, source text, attributes text, transport text,
--   body text: base64, event_id text)
select dead_letter_id, reason, place, source, attributes, transport,
	translate(encode(body, 'base64'), e'\n', '') as body, event_id
from (
	select *, sum(octet_length(body)) over (order by dead_letter_id) as bytes
	from (
		select dead_letter_id, reason, place, source, attributes, transport, body, event_id
		from analytics_run.dead_letter
		where dead_letter_id > $7::text and replayed_at is null and acknowledged_at is null
			and ($1::text is null or reason = $1::text)
			and ($2::text is null or subject = $2::text
				or (right($2::text, 1) = '*' and starts_with(subject, left($2::text, -1))))
			and ($3::text is null or tenant_id = $3::text)
			and ($4::timestamptz is null or last_seen >= $4::timestamptz)
			and ($5::timestamptz is null or last_seen < $5::timestamptz)
			and ($6::text[] is null or dead_letter_id = any ($6::text[]))
		order by dead_letter_id
		limit 64) page) page
where bytes - octet_length(body) < 8388608
order by dead_letter_id
