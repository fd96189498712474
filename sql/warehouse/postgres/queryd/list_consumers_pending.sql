-- What waits for each consumer.
-- rows: one per consumer (consumer, age of the oldest event in whole seconds, 0 when none)
select p.consumer,
       coalesce(pg_catalog.floor(extract(epoch from pg_catalog.clock_timestamp() - p.oldest_landed_at)), 0)::bigint
         as age_s
  from tenant_views.pending p
 order by p.consumer;
