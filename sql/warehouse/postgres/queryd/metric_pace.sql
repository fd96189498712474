-- Parts of metrics over what was on the books at an instant against the year before: the stay dates 364
-- days earlier, so that weekdays meet weekdays, as they were known 364 days (of 24 hours) earlier, so
-- with the same lead.
-- $1 from date             first stay date of the window
-- $2 to date               last, inclusive
-- $3 periods date[]        first days of the periods, ascending; null = the window is one period
-- $4 dimensions text[]     the dimensions to group by
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
-- $21 as_of timestamptz    null = now
-- rows: one per group (period: its number, property_id, room_type_id, channel, market_segment, rate_plan_id,
--       method, capability, meta_source, currency: null where not grouped by, 'unknown' where the fact does not say; then
--       the parts: pace: nights ahead of last year, negative when behind;
--       on_the_books_last_year, facts = rows read)
select pg_catalog.width_bucket(f.stay_date, $3::date[]) as period,
       case when 'property_id' = any ($4::text[]) then coalesce(f.property_id, 'unknown') end as property_id,
       case when 'room_type_id' = any ($4::text[]) then coalesce(f.room_type_id, 'unknown') end as room_type_id,
       case when 'channel' = any ($4::text[]) then coalesce(f.channel, 'unknown') end as channel,
       case when 'market_segment' = any ($4::text[]) then coalesce(f.market_segment, 'unknown') end as market_segment,
       case when 'rate_plan_id' = any ($4::text[]) then coalesce(f.rate_plan_id, 'unknown') end as rate_plan_id,
       null::text as method,
       null::text as capability,
       null::text as meta_source,
       null::text as currency,
       coalesce(sum(f.rooms_delta - f.last_year_delta), 0) as pace,
       coalesce(sum(f.last_year_delta), 0) as on_the_books_last_year,
       count(*) as facts
  from (
    select h.stay_date, h.property_id, h.room_type_id, h.channel, h.market_segment, h.rate_plan_id, h.kind,
           h.rooms_delta, 0 as last_year_delta
      from tenant_views.fact_room_night_history h
     where h.stay_date between $1::date and $2::date
       and h.known_at <= coalesce($21::timestamptz, pg_catalog.now())
     union all
    select h.stay_date + 364, h.property_id, h.room_type_id, h.channel, h.market_segment, h.rate_plan_id, h.kind,
           0, h.rooms_delta
      from tenant_views.fact_room_night_history h
     where h.stay_date between $1::date - 364 and $2::date - 364
       and h.known_at <= coalesce($21::timestamptz, pg_catalog.now()) - pg_catalog.make_interval(hours => 24 * 364)) f
 where f.kind = 'sold'
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
