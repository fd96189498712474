-- Records a refresh of a table: watermark and counts for every tenant that took part, each by itself
-- (a tenant reads this, and may learn nothing of its neighbours in the unit); a new data version for
-- those whose rows changed. Cached answers of the others stay good.
-- $1 table_name text
-- $2 changed_tenants text[]    the arrays of a rebuild's row; may repeat a tenant
-- $3 tenant_upserted bigint[]
-- $4 tenant_deleted bigint[]
-- $5 batch_tenants text[]      as taken: tenants and landing times
-- $6 landed timestamptz[]
-- $7 key_tenants text[]        of the keys rebuilt
-- rows: one for each tenant (tenant_id text, table_name text, data_version bigint)
insert into analytics_run.table_state as s
	(tenant_id, table_name, data_version, watermark, refreshed_at, rows_in, rows_upserted, rows_deleted)
select t.tenant_id, $1::text, (t.upserted + t.deleted > 0)::integer, coalesce(t.landed_at, 'epoch'), now(), t.keys,
	t.upserted, t.deleted
from (
	select tenant_id, max(landed_at) as landed_at, sum(keys) as keys, sum(upserted) as upserted, sum(deleted) as deleted
	from (
		select tenant_id, landed_at, 0 as keys, 0 as upserted, 0 as deleted
		from unnest($5::text[], $6::timestamptz[]) as b (tenant_id, landed_at)
		union all
		select tenant_id, null, 1, 0, 0 from unnest($7::text[]) as k (tenant_id)
		union all
		select tenant_id, null, 0, upserted, deleted
		from unnest($2::text[], $3::bigint[], $4::bigint[]) as c (tenant_id, upserted, deleted)) part
	group by tenant_id
	order by tenant_id) t
on conflict (tenant_id, table_name) do update set
	data_version = s.data_version + excluded.data_version,
	watermark = greatest(s.watermark, excluded.watermark),
	refreshed_at = excluded.refreshed_at, rows_in = excluded.rows_in,
	rows_upserted = excluded.rows_upserted, rows_deleted = excluded.rows_deleted
returning tenant_id, table_name, data_version
