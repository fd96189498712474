-- The checks that every curated table has for every tenant. `limit` is of the kind: the tolerated
-- share of rows too many or too few, the seconds an event may wait, the share of nulls. A tenant's own
-- row for the same table, kind and column takes precedence.
set local role analytics_owner;

insert into analytics.dq_checks (check_id, table_name, kind, column_name, severity, params)
select 'dqc_01' || upper(left(md5(concat_ws('/', c.table_name, c.kind, c.column_name)), 24)),
       c.table_name, c.kind, c.column_name, c.severity, jsonb_build_object('limit', c."limit")
  from (values
    ('fact_reservation', 'row_count_drift', null, 'critical', 0),
    ('fact_reservation', 'freshness', null, 'warning', 300),
    ('fact_reservation', 'null_rate', 'property_id', 'warning', 0),
    ('fact_reservation', 'null_rate', 'arrival_date', 'warning', 0),
    ('fact_reservation', 'null_rate', 'departure_date', 'warning', 0),
    ('fact_reservation', 'null_rate', 'currency', 'warning', 0),
    ('fact_room_night', 'row_count_drift', null, 'critical', 0),
    ('fact_room_night', 'freshness', null, 'warning', 300),
    ('fact_room_night', 'null_rate', 'property_id', 'warning', 0),
    ('fact_room_night', 'null_rate', 'room_type_id', 'warning', 0),
    ('fact_room_night', 'null_rate', 'rate_micro', 'warning', 0),
    ('fact_room_night', 'null_rate', 'currency', 'warning', 0),
    ('fact_inventory_day', 'row_count_drift', null, 'critical', 0),
    ('fact_inventory_day', 'freshness', null, 'warning', 300),
    ('fact_inventory_day', 'null_rate', 'property_id', 'warning', 0),
    ('fact_payment', 'row_count_drift', null, 'critical', 0),
    ('fact_payment', 'freshness', null, 'warning', 300),
    ('fact_payment', 'null_rate', 'amount_micro', 'warning', 0),
    ('fact_payment', 'null_rate', 'currency', 'warning', 0),
    ('dim_property', 'row_count_drift', null, 'critical', 0),
    ('dim_property', 'freshness', null, 'warning', 300),
    ('dim_property', 'null_rate', 'timezone', 'warning', 0),
    ('dim_property', 'null_rate', 'currency', 'warning', 0),
    ('dim_room_type', 'row_count_drift', null, 'critical', 0),
    ('dim_room_type', 'freshness', null, 'warning', 300),
    ('dim_room_type', 'null_rate', 'property_id', 'warning', 0),
    ('dim_room', 'row_count_drift', null, 'critical', 0),
    ('dim_room', 'freshness', null, 'warning', 300),
    ('dim_room', 'null_rate', 'property_id', 'warning', 0),
    ('dim_room', 'null_rate', 'room_type_id', 'warning', 0),
    ('dim_tenant', 'row_count_drift', null, 'critical', 0),
    ('dim_tenant', 'freshness', null, 'warning', 300),
    ('dim_tenant', 'null_rate', 'name', 'warning', 0)
       ) as c (table_name, kind, column_name, severity, "limit");

reset role;
