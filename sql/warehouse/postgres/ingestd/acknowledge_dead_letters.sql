-- Closes open dead letters that nobody will replay: they stay where they are, their alert is resolved.
-- The filters of list_dead_letters.sql, and
-- $1 reason text
-- $2 subject text
-- $3 tenant text
-- $4 since timestamptz
-- $5 until timestamptz
-- $6 ids text[]
-- rows: one for each (dead_letter_id text)
update analytics_run.dead_letter set acknowledged_at = now()
where replayed_at is null and acknowledged_at is null
	and ($1::text is null or reason = $1::text)
	and ($2::text is null or subject = $2::text
		or (right($2::text, 1) = '*' and starts_with(subject, left($2::text, -1))))
	and ($3::text is null or tenant_id = $3::text)
	and ($4::timestamptz is null or last_seen >= $4::timestamptz)
	and ($5::timestamptz is null or last_seen < $5::timestamptz)
	and ($6::text[] is null or dead_letter_id = any ($6::text[]))
returning dead_letter_id
