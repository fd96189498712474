-- Keeps the claims of an embed token for a dashboard that the caller sees.
-- $1 share_id text
-- $2 dashboard_id text
-- $3 audience text
-- $4 claims text       JSON object
-- $5 expires_at text
-- rows: 1 (refusal: 'missing' or null)
with found as (
    select d.dashboard_id, d.tenant_id
      from analytics.visible_dashboards d
     where d.dashboard_id = $2::text),
made as (
    insert into analytics.dashboard_shares
           (share_id, dashboard_id, tenant_id, actor_id, audience, claims, expires_at)
    select $1::text, f.dashboard_id, f.tenant_id, pg_catalog.current_setting('analytics.user_id'), $3::text,
           $4::jsonb, $5::timestamptz
      from found f
     where pg_catalog.current_setting('analytics.claim') = 'mine'
    returning share_id, dashboard_id)
select case when not exists (select from found) then 'missing' end as refusal,
       pg_catalog.set_config('analytics.effect', coalesce((select m.share_id from made m), ''), true) as effect,
       pg_catalog.set_config('analytics.dashboard', coalesce((select m.dashboard_id from made m), ''), true) as dashboard;
