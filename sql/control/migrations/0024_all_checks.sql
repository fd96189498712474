-- The checks that some curated tables still lacked: each has a row count, a freshness and a null rate.
set local role analytics_owner;

insert into analytics.dq_checks (check_id, table_name, kind, column_name, severity, params)
select 'dqc_01' || upper(left(md5(concat_ws('/', c.table_name, c.kind, c.column_name)), 24)),
       c.table_name, c.kind, c.column_name, c.severity, jsonb_build_object('limit', 0)
  from (values
    ('fact_funnel', 'row_count_drift', null, 'critical'),
    ('dim_fx', 'null_rate', 'rate_micro', 'warning'),
    ('fact_audit_event', 'null_rate', 'occurred_at', 'warning')
       ) as c (table_name, kind, column_name, severity);

reset role;
