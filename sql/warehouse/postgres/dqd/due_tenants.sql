-- The next tenants to check: refreshed lately or waiting for events to be applied, or all of them; and the
-- platform, when a shape of events is new, or with all.
-- $1 since_seconds int  how far to look back; null: every tenant
-- $2 after text         the last tenant of the page before; null: from the start
-- rows: exactly one (tenants text[], last text), both null when none is left
select pg_catalog.array_agg(t.tenant_id order by t.tenant_id) as tenants, max(t.tenant_id) as last
  from (
       select d.tenant_id
         from (
              select s.tenant_id
                from analytics_run.table_state s
               where $1::integer is null
                  or s.refreshed_at > pg_catalog.now() - pg_catalog.make_interval(secs => $1::integer)
                  or exists (
                     select from analytics_run.delta d
                      where d.tenant_id = s.tenant_id
                        and d.shard = analytics_run.shard_of(s.tenant_id)
                        and d.consumer <> 'none')
               union
              select '_platform'
               where $1::integer is null
                  or exists (
                     select from analytics_run.event_shape e
                      where e.first_seen > pg_catalog.now() - pg_catalog.make_interval(secs => $1::integer))) d
        where $2::text is null
           or d.tenant_id > $2::text
        order by d.tenant_id
        limit 100) t;
