-- One step from built to switched: compares the next tenant, or looks whether tenants still read with
-- snapshots from before all was built.
-- $1 consumer text
-- $2 job_id text
-- rows: 1 (step text, rest bigint); step: comparing, waiting (for so many), ready, switched (is done)
select step, rest
from analytics_run.prepare_switch($1::text, $2::text)
