-- Parts of metrics over what was asked of locks and has an outcome, by business date: credentials to
-- issue, activate, suspend and revoke, and doors to open.
-- $1 from date             first business date of the window
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
--       the parts: lock_succeeded, lock_tried, facts = rows read)
select pg_catalog.width_bucket(f.business_date, $3::date[]) as period,
       case when 'property_id' = any ($4::text[]) then coalesce(f.property_id, 'unknown') end as property_id,
       null::text as room_type_id,
       null::text as channel,
       null::text as market_segment,
       null::text as rate_plan_id,
       null::text as method,
       null::text as capability,
       null::text as meta_source,
       null::text as currency,
       count(*) filter (where f.result in ('succeeded', 'granted')) as lock_succeeded,
       count(*) as lock_tried,
       count(*) as facts
  from tenant_views.fact_lock_action f
 where f.business_date between $1::date and $2::date
   and f.result in ('succeeded', 'granted', 'failed', 'denied')
   and ($5::text[] is null or coalesce(f.property_id, 'unknown') = any ($5::text[]))
   and ($6::text[] is null or coalesce(f.property_id, 'unknown') <> all ($6::text[]))
   and $7::text[] is null and $8::text[] is null
   and $9::text[] is null and $10::text[] is null
   and $11::text[] is null and $12::text[] is null
   and $13::text[] is null and $14::text[] is null
   and $15::text[] is null and $16::text[] is null
   and $17::text[] is null and $18::text[] is null
   and $19::text[] is null and $20::text[] is null
 group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;
