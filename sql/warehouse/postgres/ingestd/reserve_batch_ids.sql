-- A supply of batch ids; gaps are harmless.
-- $1 count integer  how many
-- rows: $1 x (batch_id bigint)
select nextval('analytics_run.batch_id') as batch_id
from generate_series(1, $1::integer)
