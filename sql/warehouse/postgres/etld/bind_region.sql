-- Binds a tenant's views to where it moves; see analytics_run.residency. A tenant that was deleted is bound nowhere.
-- $1 tenant text
-- $2 region text
-- $3 from_region text   null = not said
-- $4 since timestamptz
-- rows: 1 (done boolean)
with noted as (
	insert into analytics_run.tenant_region (tenant_id, since, region, from_region)
	select $1::text, $4::timestamptz, $2::text, $3::text
	where not exists (select from analytics_run.tombstone t where t.tenant_id = $1::text)
	on conflict (tenant_id, since) do update set region = excluded.region, from_region = excluded.from_region
)
select true as done
