-- Tells that a share of the budget is used, if this transaction was the first to reach it.
-- $1 subject text
-- $2 envelope text     of the event; its payload is filled in here
insert into analytics.outbox_pending (tenant_id, ordering_key, subject, event_id, envelope)
select b.tenant_id, b.tenant_id, $1::text, $2::jsonb ->> 'id',
       pg_catalog.jsonb_set($2::jsonb, '{payload}', pg_catalog.jsonb_build_object(
           'checkId', 'budget.daily_bytes',
           'resultId', pg_catalog.format('budget.%s.%s', b.day, b.alarmed),
           'table', 'budgets',
           'kind', 'budget',
           'severity', case b.alarmed when 100 then 'blocking' else 'warning' end,
           'observed', b.used_bytes,
           'expected', b.cap_bytes,
           'percent', b.alarmed,
           'state', 'raised',
           'since', pg_catalog.to_char(pg_catalog.now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'resetsAt', pg_catalog.to_char(b.day + 1, 'YYYY-MM-DD"T00:00:00Z"')))::text
  from analytics.budgets b
 where b.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and b.day = (pg_catalog.now() at time zone 'UTC')::date
   and pg_catalog.current_setting('analytics.alarm') <> '0';
