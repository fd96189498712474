-- Parts of metrics over reservations that were ever confirmed, by the property's local date
-- of booking; also those of which nobody has said when the guest comes.
-- $1 from date             first booking date of the window
-- $2 to date               last, inclusive
-- $3 periods date[]        first days of the periods, ascending; null = the window is one period
-- $4 dimensions text[]     the dimensions to group by; also `currency`
-- $5 property_in text[]    null = no filter; so for the others
-- $6 property_out text[]
-- $7 room_type_in text[]
-- $8 room_type_out text[]
-- $9 channel_in text[]
-- $10 channel_out text[]
-- $11 market_segment_in text[]
-- $12 market_segment_out text[]
-- $13 rate_plan_in text[]
-- $14 rate_plan_out text[]
-- $15 method_in text[]
-- $16 method_out text[]
-- $17 capability_in text[]
-- $18 capability_out text[]
-- $19 meta_source_in text[]
-- $20 meta_source_out text[]
-- rows: one per group (period: its number, property_id, room_type_id, channel, market_segment, rate_plan_id,
--       method, capability, meta_source, currency: null where not grouped by, 'unknown' where the fact does not say; then
--       the parts: booked, booked_cancelled, facts = rows read)
select pg_catalog.width_bucket(f.booked_on, $3::date[]) as period,
       case when 'property_id' = any ($4::text[]) then coalesce(f.property_id, 'unknown') end as property_id,
       case when 'room_type_id' = any ($4::text[]) then coalesce(f.room_type_id, 'unknown') end as room_type_id,
       case when 'channel' = any ($4::text[]) then coalesce(f.channel, 'unknown') end as channel,
       case when 'market_segment' = any ($4::text[]) then coalesce(f.market_segment, 'unknown') end as market_segment,
       case when 'rate_plan_id' = any ($4::text[]) then coalesce(f.rate_plan_id, 'unknown') end as rate_plan_id,
       null::text as method,
       null::text as capability,
       null::text as meta_source,
       null::text as currency,
       count(*) as booked,
       count(*) filter (where f.status = 'cancelled') as booked_cancelled,
       count(*) as facts
  from (
       select r.property_id, r.room_type_id, r.channel, r.market_segment, r.rate_plan_id, r.status,
              (r.booked_at at time zone coalesce(p.timezone, 'UTC'))::date as booked_on
         from tenant_views.fact_reservation r
         left join tenant_views.dim_property p
           on p.property_id = r.property_id
        where r.confirmed_at is not null
          and r.booked_at >= $1::date - 2 and r.booked_at < $2::date + 3) f
 where f.booked_on between $1::date and $2::date
   and ($5::text[] is null or coalesce(f.property_id, 'unknown') = any ($5::text[]))
   and ($6::text[] is null or coalesce(f.property_id, 'unknown') <> all ($6::text[]))
   and ($7::text[] is null or coalesce(f.room_type_id, 'unknown') = any ($7::text[]))
   and ($8::text[] is null or coalesce(f.room_type_id, 'unknown') <> all ($8::text[]))
   and ($9::text[] is null or coalesce(f.channel, 'unknown') = any ($9::text[]))
   and ($10::text[] is null or coalesce(f.channel, 'unknown') <> all ($10::text[]))
   and ($11::text[] is null or coalesce(f.market_segment, 'unknown') = any ($11::text[]))
   and ($12::text[] is null or coalesce(f.market_segment, 'unknown') <> all ($12::text[]))
   and ($13::text[] is null or coalesce(f.rate_plan_id, 'unknown') = any ($13::text[]))
   and ($14::text[] is null or coalesce(f.rate_plan_id, 'unknown') <> all ($14::text[]))
   and $15::text[] is null and $16::text[] is null
   and $17::text[] is null and $18::text[] is null
   and $19::text[] is null and $20::text[] is null
 group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
