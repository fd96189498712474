-- Is there anything of a tenant, and has it a role of its own?
-- $1 tenant_id text
-- rows: 1 (has_rows boolean, has_role boolean, is_deleted boolean)
select exists (select from analytics_run.table_state s where s.tenant_id = $1::text)
       or exists (
           select from analytics_run.delta d
            where d.consumer in (select c.consumer from analytics_run.consumer c where c.consumer <> 'none')
              and d.shard = analytics_run.shard_of($1::text)
              and d.tenant_id = $1::text) as has_rows,
       pg_catalog.to_regrole(pg_catalog.quote_ident($1::text)) is not null as has_role,
       exists (select from analytics_run.tombstone t where t.tenant_id = $1::text) as is_deleted;
