-- Marks every cell of a table for counting: the cells that have rows and those that had some. What
-- has no day is one cell (1970-01-01).
-- $1 table_name text  null: every table
insert into analytics_run.profile_dirty (tenant_id, table_name, day)
select cell.tenant_id, cell.table_name, cell.day
  from (
    select distinct f.tenant_id, 'fact_reservation', coalesce(f.arrival_date, date '1970-01-01')
      from analytics_curated.fact_reservation f
     union
    select distinct f.tenant_id, 'fact_room_night', f.stay_date
      from analytics_curated.fact_room_night f
     union
    select distinct f.tenant_id, 'fact_inventory_day', f.date
      from analytics_curated.fact_inventory_day f
     union
    select distinct f.tenant_id, 'fact_payment', f.business_date
      from analytics_curated.fact_payment f
     union
    select distinct f.tenant_id, 'dim_property', date '1970-01-01'
      from analytics_curated.dim_property f
     union
    select distinct f.tenant_id, 'dim_room_type', date '1970-01-01'
      from analytics_curated.dim_room_type f
     union
    select distinct f.tenant_id, 'dim_room', date '1970-01-01'
      from analytics_curated.dim_room f
     union
    select distinct f.tenant_id, 'dim_tenant', date '1970-01-01'
      from analytics_curated.dim_tenant f
     union
    select distinct f.tenant_id, 'fact_housekeeping_task', f.business_date
      from analytics_curated.fact_housekeeping_task f
     union
    select distinct f.tenant_id, 'dim_fx', f.rate_date
      from analytics_curated.dim_fx f
     union
    select distinct f.tenant_id, 'fact_lock_action', f.business_date
      from analytics_curated.fact_lock_action f
     union
    select distinct f.tenant_id, 'fact_ai_suggestion', f.business_date
      from analytics_curated.fact_ai_suggestion f
     union
    select distinct f.tenant_id, 'fact_demand_forecast', f.stay_date
      from analytics_curated.fact_demand_forecast f
     union
    select distinct f.tenant_id, 'fact_audit_event', f.business_date
      from analytics_curated.fact_audit_event f
     union
    select distinct f.tenant_id, 'fact_funnel', f.business_date
      from analytics_curated.fact_funnel f
     union
    select distinct f.tenant_id, 'fact_room_night_history', f.stay_date
      from analytics_curated.fact_room_night_history f
     union
    select p.tenant_id, p.table_name, p.day
      from analytics_run.profile p
       ) as cell (tenant_id, table_name, day)
 where $1::text is null
    or cell.table_name = $1::text;
