-- Lists the guest of an erasure_requested event as erased and opens the record of it.
-- $1 tenant text
-- $2 request text  dedupe key of the event
-- $3 job_id text
-- rows: 1 (record_id text), null when the event names nobody (any more)
select analytics_run.open_erasure($1::text, $2::text, $3::text) as record_id
