-- Charges the budget that open_budget has locked before anything is read: a portion, so that not every query
-- comes here, or the bytes wanted when a portion would not fit below the next alarm. The first charge that
-- reaches 80 % of the cap, and the first that does not fit, are told (queue_budget_alarm).
-- $1 wanted bigint
-- $2 portion bigint     at least what is wanted
-- rows: 1, or none for a deleted tenant (granted bigint, null: it does not fit; day date; seconds bigint: that the day has left)
with was as (
    select b.*, b.cap_bytes::numeric * 0.8 as mark
      from analytics.budgets b
     where b.tenant_id = pg_catalog.current_setting('analytics.tenant_id')
       and b.day = (pg_catalog.now() at time zone 'UTC')::date),
decided as (
    select w.*, case
               when w.used_bytes + $1::bigint > w.cap_bytes then null
               when w.used_bytes + $2::bigint < w.mark then $2::bigint
               when w.used_bytes >= w.mark and w.used_bytes + $2::bigint <= w.cap_bytes then $2::bigint
               else $1::bigint
           end as granted
      from was w),
reached as (
    select d.*, case
               when d.granted is null then 100
               when d.used_bytes + d.granted >= d.mark then 80
               else 0
           end as share
      from decided d),
changed as (
    update analytics.budgets b
       set used_bytes = b.used_bytes + coalesce(r.granted, 0), alarmed = greatest(b.alarmed, r.share)
      from reached r
     where b.tenant_id = r.tenant_id
       and b.day = r.day
    returning b.day)
select r.granted, r.day,
       extract(epoch from ((r.day + 1)::timestamp at time zone 'UTC' - pg_catalog.now()))::bigint as seconds,
       pg_catalog.set_config('analytics.alarm', case when r.share > r.alarmed then r.share else 0 end::text, true) as alarm
  from reached r
  join changed c
    on c.day = r.day;
