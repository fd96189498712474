-- A signed record, and what there is of its tenant now.
-- $1 record_id text
-- rows: 0 or 1 (kind text, tenant_id text, job_id text, document text, key_id text, signature text, counts
--   text: JSON)
select kind, tenant_id, job_id, document, key_id, signature, analytics_run.count_tenant(tenant_id, job_id)::text as counts
from analytics_run.purge_record
where record_id = $1::text and finished_at is not null
