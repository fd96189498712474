-- The data versions of a tenant, while Redis cannot say them.
-- $1 tenant text
-- rows: one per table that anything was applied to (table_name, data_version)
select s.table_name, s.data_version
  from analytics_run.table_state s
 where s.tenant_id = $1::text collate "C";
