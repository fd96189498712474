-- $1 after text       check_id to go on after; null: from the start
-- $2 limit integer
-- rows: the tenant's own, in order of check_id (check_id, document)
select c.check_id, d.document::text as document
  from analytics.dq_checks c
  join analytics.documents d
    on d.id = c.check_id
   and d.tenant_id = c.tenant_id
 where c.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and ($1::text is null or c.check_id > $1::text)
 order by c.check_id
 limit $2::integer;
