-- Versions of projections (warehouse migration 0017): etld keeps the registry at what the warehouse says.
-- And a refresh says what it will be before it starts: the plan is kept with the job.
set local role analytics_owner;

grant insert on analytics.projections to analytics_etld;

-- as in 0008, but for the job at its end
create or replace view analytics.documents with (security_invoker = true) as
select d.dashboard_id as id, d.tenant_id, d.revision,
       d.summary || jsonb_build_object('widgets', coalesce((
           select jsonb_agg(w.document order by w.y, w.x, w.widget_id)
             from analytics.widget_documents w
            where w.dashboard_id = d.dashboard_id), '[]')) as document
  from analytics.dashboard_documents d
union all
select w.widget_id, w.tenant_id, w.revision, w.document
  from analytics.widget_documents w
union all
select q.query_id, q.tenant_id, q.revision,
       jsonb_build_object(
           'id', q.query_id,
           'revision', q.revision,
           'name', q.name,
           'description', q.description,
           'definition', q.query,
           'ownerId', q.owner_id,
           'createdAt', to_char(q.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updatedAt', to_char(q.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
  from analytics.saved_queries q
union all
select c.check_id, c.tenant_id, c.revision,
       jsonb_build_object(
           'id', c.check_id,
           'revision', c.revision,
           'table', c.table_name,
           'kind', c.kind,
           'column', c.column_name,
           'limit', c.params -> 'limit',
           'severity', c.severity,
           'enabled', c.enabled,
           'mutedUntil', to_char(c.muted_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'updatedAt', to_char(c.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
  from analytics.dq_checks c
union all
select m.key || '@' || m.version, m.tenant_id, null::integer,
       jsonb_build_object('key', m.key, 'version', m.version, 'definitionHash', m.definition_hash)
  from analytics.metric_definitions m
union all
select s.share_id, s.tenant_id, null::integer, s.claims
  from analytics.dashboard_shares s
union all
select j.job_id, j.tenant_id, null::integer, jsonb_build_object('jobId', j.job_id) || case
           when j.params ? 'plan' then jsonb_build_object('plan', j.params -> 'plan') else '{}' end
  from analytics.etl_jobs j;

reset role;
