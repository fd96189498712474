-- How much a backfill will be: the tenants, the rows of the consumer's tables by the statistics of the
-- server (an estimate that costs nothing), and the seconds that they take by what etld has rebuilt in the
-- last week, else at 5,000 rows a second.
-- $1 consumer text
-- rows: 1 (tenants bigint, rows bigint, seconds bigint)
select t.tenants, r.rows, ceil(r.rows / coalesce(w.rate, 5000))::bigint as seconds
from (
	select count(distinct s.tenant_id) as tenants
	from analytics_run.table_state s
	join analytics_run.version v using (table_name)
	where v.consumer = $1::text) t
cross join (
	select coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint as rows
	from analytics_run.version v
	join pg_catalog.pg_class c on c.oid = format('analytics_curated.%I', v.table_name || '_v' || v.live)::regclass
	where v.consumer = $1::text) r
left join (
	select sum(rows_upserted)::double precision / nullif(sum(busy_ms), 0) * 1000 as rate
	from analytics_run.refresh_minute
	where projection = $1::text and minute > now() - interval '7 days'
	having sum(rows_upserted) > 1000) w on true
