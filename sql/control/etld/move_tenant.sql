-- Notes that a tenant has moved. The newest move says where it is now, in whatever order they come.
-- $1 tenant text
-- $2 region text
-- $3 from_region text   null = not said
-- $4 since timestamptz
-- rows: 1 (done boolean)
with noted as (
	insert into analytics.tenant_regions (tenant_id, since, region, from_region)
	values ($1::text, $4::timestamptz, $2::text, $3::text)
	on conflict (tenant_id, since) do update set region = excluded.region, from_region = excluded.from_region
), bound as (
	insert into analytics.tenants as t (tenant_id, region)
	select $1::text, $2::text
	where not exists (
		select from analytics.tenant_regions r where r.tenant_id = $1::text and r.since > $4::timestamptz)
	on conflict (tenant_id) do update set region = excluded.region, updated_at = now()
)
select true as done
