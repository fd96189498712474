-- $1 check_id text
-- $2 revision integer    that is deleted; null: any
-- rows: 1 (refusal: 'missing', 'stale' or null)
with found as (
    select c.check_id, c.revision
      from analytics.dq_checks c
     where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and c.check_id = $1::text
       for update),
changed as (
    delete from analytics.dq_checks c
     using found f
     where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and c.check_id = f.check_id
       and f.revision = coalesce($2::integer, f.revision)
    returning c.check_id)
select case
           when not exists (select from found) then 'missing'
           when not exists (select from changed) then 'stale'
       end as refusal;
