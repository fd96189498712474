-- Tenants that were deleted lately, so that what is remembered of them goes.
-- $1 seconds integer   how far to look back
-- rows: one per tenant (tenant_id)
select t.tenant_id
  from analytics_run.tombstone t
 where t.deleted_at >= pg_catalog.now() - pg_catalog.make_interval(secs => $1::integer);
