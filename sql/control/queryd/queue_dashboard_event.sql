-- Tells about the dashboard that this transaction changed.
-- $1 subject text
-- $2 envelope text     of the event; its payload is filled in here
-- $3 more text         members of the payload besides the dashboard's, JSON object
insert into analytics.outbox_pending (tenant_id, ordering_key, subject, event_id, envelope)
select d.tenant_id, d.tenant_id, $1::text, $2::jsonb ->> 'id',
       pg_catalog.jsonb_set($2::jsonb, '{payload}', pg_catalog.jsonb_build_object(
           'dashboardId', d.dashboard_id,
           'revision', d.revision,
           'scope', d.scope,
           'actor', pg_catalog.current_setting('analytics.user_id')) || $3::jsonb)::text
  from analytics.dashboards d
 where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and d.dashboard_id = nullif(pg_catalog.current_setting('analytics.dashboard', true), '');
