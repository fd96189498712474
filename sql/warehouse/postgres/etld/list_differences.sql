-- What the last build of a consumer has changed, or would change, over all tenants.
-- $1 consumer text
-- rows: one for each table (table_name text, from_version integer, to_version integer, tenants bigint,
--   tenants_differing bigint, rows_before bigint, rows_after bigint, removed bigint, added bigint,
--   changed bigint, sums text, sums_differing text); sums: {column: [before, after]} of its numbers
select d.table_name, case b.state when 'kept' then v.beside else v.live end as from_version,
	case b.state when 'kept' then v.live else v.beside end as to_version, d.tenants, d.tenants_differing, d.rows_before,
	d.rows_after, d.removed, d.added, d.changed, s.sums, s.sums_differing
from analytics_run.build b
join analytics_run.version v using (consumer)
cross join lateral (
	select v.table_name, count(*) as tenants, count(*) filter (where gone + came > 0) as tenants_differing,
		coalesce(sum(live_rows), 0)::bigint as rows_before, coalesce(sum(beside_rows), 0)::bigint as rows_after,
		coalesce(sum(gone - changed), 0)::bigint as removed, coalesce(sum(came - changed), 0)::bigint as added,
		coalesce(sum(changed), 0)::bigint as changed
	from analytics_run.build_difference
	where consumer = b.consumer and table_name = v.table_name) d
cross join lateral (
	select coalesce(jsonb_object_agg(name, jsonb_build_array(before::text, after::text)), '{}')::text as sums,
		string_agg(name || ' ' || before || ' -> ' || after, ', ' order by name) filter (where before <> after) as sums_differing
	from (
		select m.key as name, coalesce(sum((m.value ->> 0)::numeric), 0) as before,
			coalesce(sum((m.value ->> 1)::numeric), 0) as after
		from analytics_run.build_difference x
		cross join lateral jsonb_each(x.sums) m
		where x.consumer = b.consumer and x.table_name = v.table_name
		group by m.key) measure) s
where b.consumer = $1::text
order by d.table_name
