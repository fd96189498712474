-- A signed record, and what there is of its tenant or guest now.
-- $1 record_id text
-- rows: 0 or 1 (kind text, tenant_id text, job_id text, document text, key_id text, signature text, counts
--   text: JSON; null for the record of a guest that says nothing to look for him with)
select kind, tenant_id, job_id, document, key_id, signature, case kind
		when 'tenant' then analytics_run.count_tenant(tenant_id, job_id)
		else analytics_run.count_guest(record_id)
	end::text as counts
from analytics_run.purge_record
where record_id = $1::text and finished_at is not null
