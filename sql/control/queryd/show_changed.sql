-- The document of what this transaction changed, in the form of read_answer.
-- $1 status integer
-- rows: 0 or 1 (status, response, etag, location, same)
select $1::integer as status, d.document::text as response, '"v' || d.revision || '"' as etag,
       null::text as location, true as same
  from analytics.documents d
 where d.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
   and d.id = nullif(pg_catalog.current_setting('analytics.effect', true), '');
