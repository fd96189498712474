-- What landed events wait for.
-- $1 tenant text   null = of all tenants
-- rows: one per consumer (consumer)
select d.consumer
  from analytics_run.delta d
 where d.consumer <> 'none'
   and ($1::text is null or d.tenant_id = $1::text)
 group by d.consumer
 order by d.consumer;
