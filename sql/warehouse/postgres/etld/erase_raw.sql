-- Takes the guest out of the tenant's events among the next keys of raw.
-- $1 record_id text
-- $2 most integer  keys, of all tenants
-- rows: 1 (done boolean): the end is reached
select analytics_run.erase_raw($1::text, $2::integer) as done
