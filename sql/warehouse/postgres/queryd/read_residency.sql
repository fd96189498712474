-- Where the tenant's data was when, and whether that can be read here.
-- rows: in order, none for a tenant that has never moved (region, null: not said; day_from and day_to as days since
--       1970-01-01, inclusive, null: open; readable boolean)
select r.region, r.day_from - date '1970-01-01' as day_from, r.day_to - date '1970-01-01' as day_to, r.readable
  from tenant_views.residency() r;
