-- Closes the record of an erasure under its signature, and takes the guest out of the event that asked for
-- it: the last that named him.
-- $1 record_id text
-- $2 document text
-- $3 key_id text
-- $4 signature text  base64url
-- rows: 1 (done boolean)
select analytics_run.close_erasure($1::text, $2::text, $3::text, $4::text) as done
