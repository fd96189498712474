-- Profiles of these tables say more than before (control migration 0024): their cells are counted again.
set local role analytics_owner;

insert into analytics_run.profile_dirty (tenant_id, table_name, day)
select tenant_id, table_name, day
from analytics_run.profile
where table_name in ('fact_funnel', 'dim_fx', 'fact_audit_event');

reset role;
