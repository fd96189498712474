-- Takes the guest's pseudonym out of the curated events and queues what is built from them; deletes the
-- dead letters that name him.
-- $1 record_id text
-- rows: 1 (done boolean)
select analytics_run.erase_keys($1::text) >= 0 as done
