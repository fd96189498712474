-- More kinds of checks: no key twice (every table), no value below zero where it cannot be; and two that are
-- for somebody's eye and say nothing against the figures: guests who never came, rooms sold twice.
set local role analytics_owner;

insert into analytics.dq_checks (check_id, table_name, kind, column_name, severity, params)
select 'dqc_01' || upper(left(md5(concat_ws('/', c.table_name, c.kind, c.column_name)), 24)),
       c.table_name, c.kind, c.column_name, c.severity, jsonb_build_object('limit', 0)
  from (
    select p.table_name, 'distinct_count', null, 'critical'
      from (select distinct on (key) table_name from analytics.projections order by key, version desc) p
     where p.table_name <> 'dim_calendar'
     union all
    values
    ('fact_room_night', 'below_zero', 'rate_micro', 'warning'),
    ('fact_reservation', 'below_zero', 'room_revenue_micro', 'warning'),
    ('fact_payment', 'below_zero', 'amount_micro', 'warning'),
    ('fact_inventory_day', 'below_zero', 'rooms_available', 'warning'),
    ('fact_reservation', 'stale_arrivals', null, 'info'),
    ('fact_inventory_day', 'overbooking', null, 'info')
       ) as c (table_name, kind, column_name, severity);

reset role;
