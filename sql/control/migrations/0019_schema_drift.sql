-- The check that events still look as they did, for every curated table: how many shapes of the events that feed
-- it have drifted (analytics_run.shape_drift). Shapes are of all tenants together: its results are the
-- platform's (`_platform`), whom no token names. Operators have the alert, the metric and the view.
set local role analytics_owner;

insert into analytics.dq_checks (check_id, table_name, kind, severity, params)
select 'dqc_01' || upper(left(md5(concat_ws('/', p.table_name, 'schema_drift')), 24)), p.table_name, 'schema_drift', 'warning',
	jsonb_build_object('limit', 0)
from (select distinct table_name from analytics.projections) p;

reset role;
