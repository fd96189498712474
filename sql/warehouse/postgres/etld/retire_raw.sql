-- Lets go of what is past its retention in raw: one portion of one month. Null = kept for ever.
-- $1 operational interval  since it was received
-- $2 regulated interval
-- $3 audit interval
-- $4 analytical interval
-- $5 keys interval         of events whose content is gone already
-- $6 max_rows integer      looked at
-- rows: 0 or 1 (month text, looked_at bigint, emptied bigint, deleted bigint); none = nothing is due
select month, looked_at, emptied, deleted
from analytics_run.retire_raw($1::interval, $2::interval, $3::interval, $4::interval, $5::interval, $6::integer)
