-- Keeps the dashboard that this transaction changed as it is now.
-- $1 action text
insert into analytics.dashboard_revisions (dashboard_id, revision, tenant_id, action, actor_id, document)
select d.id, d.revision, d.tenant_id, $1::text, pg_catalog.current_setting('analytics.user_id'), d.document
  from analytics.documents d
 where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and d.id = nullif(pg_catalog.current_setting('analytics.dashboard', true), '');
