-- Raises the year that inventory is built from (see rebuild_room_type.sql) and has the rooms of every
-- tenant built again, worked off in portions behind what lands meanwhile. It is never lowered.
-- $1 year integer
-- rows: 1 (error null, done true, rows_in bigint, rows_out null); rows_in = tenants, 0 when it is that year
--   already, or a later one
with raised as (
	update analytics_run.setting set value = $1::integer::text
	where key = 'inventory_horizon_year' and value::integer < $1::integer
	returning 1
), touched as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select 'property', tenant_id, 'all', ''
	from (select distinct tenant_id from analytics_run.table_state) known
	where exists (select from raised)
	returning 1
)
select null::text as error, true as done, count(*) as rows_in, null::bigint as rows_out from touched
