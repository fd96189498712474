-- Queues every key of a consumer for rebuilding: a refresh. One row a tenant, worked off in portions
-- behind what lands meanwhile.
-- $1 consumer text
-- $2 tenant text  null = every tenant
-- rows: 1 (tenants bigint)
with touched as (
	insert into analytics_run.touched (consumer, tenant_id, kind, key)
	select $1::text, tenant_id, 'all', ''
	from (select distinct tenant_id from analytics_run.table_state) known
	where $2::text is null or tenant_id = $2::text
	returning 1
)
select count(*) as tenants from touched
