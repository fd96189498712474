-- Days of a room type, of the last week and the next 60 days, on which more rooms are sold than there are to
-- sell. Occupancy above 100 % is shown as it is, and told here.
-- $1 tenants text[]
-- rows: (table_name, column_name null, tenant_id, observed numeric, expected null), one per tenant
select 'fact_inventory_day' as table_name, null::text as column_name, t.tenant_id,
       (select count(*)
          from analytics_curated.fact_inventory_day i
          join (
               select n.room_type_id, n.stay_date, count(*) as sold
                 from analytics_curated.fact_room_night n
                where n.tenant_id = t.tenant_id
                  and n.stay_date between (pg_catalog.now() at time zone 'UTC')::date - 7
                                      and (pg_catalog.now() at time zone 'UTC')::date + 60
                  and n.kind = 'sold'
                  and n.state in ('on_books', 'in_house', 'stayed')
                group by n.room_type_id, n.stay_date) s
            on s.room_type_id = i.room_type_id
           and s.stay_date = i.date
         where i.tenant_id = t.tenant_id
           and s.sold > i.rooms_available)::numeric as observed,
       null::numeric as expected
  from pg_catalog.unnest($1::text[]) as t (tenant_id)
 where t.tenant_id <> '_platform';
