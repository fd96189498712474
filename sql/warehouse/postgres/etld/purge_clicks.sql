-- Deletes or redacts the next of the platform's events that name the tenant of a record.
-- $1 record_id text
-- $2 most integer
-- rows: 1 (done boolean): none is left
select analytics_run.purge_clicks($1::text, $2::integer) as done
