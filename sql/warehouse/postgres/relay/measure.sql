-- How far the relays are behind.
-- rows: 1 (unpublished bigint, oldest_seconds double precision, parked_keys bigint)
select count(*) as unpublished,
	coalesce(greatest(0, extract(epoch from clock_timestamp() - min(created_at))), 0)::double precision as oldest_seconds,
	count(*) filter (where parked_at is not null) as parked_keys
from analytics_run.outbox
where published_at is null
