-- Which versions of a consumer's tables there are.
-- $1 consumer text
-- rows: 1 (tables text[], live integer[], beside integer[], building boolean), parallel
select array_agg(v.table_name order by v.table_name) as tables, array_agg(v.live order by v.table_name) as live,
	array_agg(v.beside order by v.table_name) as beside,
	coalesce((select state <> 'kept' from analytics_run.build where consumer = $1::text), false) as building
from analytics_run.version v
where v.consumer = $1::text
