-- Where a region_changed event moves its tenant, and from when on.
-- $1 tenant text
-- $2 event text  dedupe key
-- rows: 0 or 1 (region text, from_region text, since text); a region that is not known as it was said
select analytics_run.region_of(p, 'toRegion') as region, analytics_run.region_of(p, 'fromRegion') as from_region,
	e.occurred_at::text as since
from events_raw.event e
cross join lateral analytics_run.payload_of(e.body, e.payload_key) p
where e.dedupe_key = $2::text and e.tenant_id = $1::text and analytics_run.region_of(p, 'toRegion') is not null
