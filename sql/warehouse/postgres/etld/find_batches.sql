-- Finds the batches of raw that a consumer reads, a step over the keys of all of it. Begun again by a later
-- attempt it goes on; once the build is open there is nothing to find.
-- $1 job_id text
-- $2 consumer text
-- $3 most integer  keys
-- rows: 1 (done boolean): all are found
select analytics_run.find_batches($1::text, $2::text, $3::integer) as done
