-- Gives back what was charged and not read; negative: charges what was read and not charged.
-- $1 day date
-- $2 unused bigint
update analytics.budgets b
   set used_bytes = greatest(b.used_bytes - $2::bigint, 0)
 where b.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and b.day = $1::date;
