-- Closes a record under its signature.
-- $1 record_id text
-- $2 document text
-- $3 key_id text
-- $4 signature text  base64url
-- rows: 1 (done boolean)
select coalesce(analytics_run.sign_purge($1::text, $2::text, $3::text, $4::text), true) as done
