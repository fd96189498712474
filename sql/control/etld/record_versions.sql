-- Brings the registry to what the warehouse says about versions; recorded again it is the same.
-- $1 tables text[]
-- $2 live integer[]    parallel
-- $3 beside integer[]  parallel; null = there is none
-- $4 building boolean  the version beside the live one is being built; else it is kept from before
-- rows: none
with wanted as (
	select v.table_name, s.version, s.status
	from unnest($1::text[], $2::integer[], $3::integer[]) as v (table_name, live, beside)
	cross join lateral (values (v.live, 'active'),
		(v.beside, case when $4::boolean then 'building' else 'retired' end)) as s (version, status)
	where s.version is not null
), retired as (
	update analytics.projections p set status = 'retired'
	where p.table_name = any ($1::text[])
		and not exists (select from wanted w where w.table_name = p.table_name and w.version = p.version)
)
insert into analytics.projections
	(key, version, consumer, table_name, subjects, depends_on, freshness_class, freshness_slo_seconds, status)
select p.key, w.version, p.consumer, p.table_name, p.subjects, p.depends_on, p.freshness_class, p.freshness_slo_seconds,
	w.status
from wanted w
join analytics.projections p on p.table_name = w.table_name
	and p.version = (select min(version) from analytics.projections where key = p.key)
on conflict (key, version) do update set status = excluded.status
