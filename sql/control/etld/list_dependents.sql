-- Who makes something of these tables.
-- $1 tables text[]
-- rows: 1 (consumers text[])
select coalesce(array_agg(distinct consumer), '{}') as consumers
from analytics.projections
where status = 'active' and depends_on && $1::text[] and table_name <> all ($1::text[])
