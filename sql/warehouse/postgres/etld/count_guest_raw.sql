-- Counts events that name the guest of a record among the next keys of raw.
-- $1 record_id text
-- $2 after text     '' = from the start
-- $3 most integer   keys, of all tenants
-- rows: 1 (last_key text, reached_end boolean, bare bigint, redacted bigint)
select last_key, reached_end, bare, redacted
from analytics_run.count_guest_raw($1::text, $2::text, $3::integer)
