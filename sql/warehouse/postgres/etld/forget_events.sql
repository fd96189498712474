-- Deletes the typed rows of batches that are to be read again, as far as raw can tell them again. Needs
-- lock_unit and take_portion; the append must follow in the same transaction.
-- $1 consumer text
-- $2 batches bigint[]  as taken
-- $3 tenants text[]    as taken: of one tenant
-- $4 key_lo text
-- $5 key_hi text
-- rows: 1 (batches bigint[], tenants text[], key_lo text, key_hi text, key_tenants text[], keys text[]);
--   the first four are for the append; keys[i] of key_tenants[i] have lost a row
select f.read_batches as batches, array_fill(t.tenant_id, array[cardinality(f.read_batches)]) as tenants, f.read_lo as key_lo,
	f.read_hi as key_hi, array_fill(t.tenant_id, array[coalesce(cardinality(f.keys), 0)]) as key_tenants, f.keys
from (select ($3::text[])[1] as tenant_id) t
cross join lateral analytics_run.forget_events($1::text, $2::bigint[], t.tenant_id, $4::text, $5::text) f
