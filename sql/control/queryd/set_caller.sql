-- Names who asks, for the rest of the transaction: what analytics.visible_dashboards looks at.
-- $1 user_id text
-- $2 roles text         array literal
-- $3 properties text    array literal; null: all of the tenant
-- $4 embedded text      the one dashboard that an embed token opens; null: a user asks
select pg_catalog.set_config('analytics.user_id', $1::text, true),
       pg_catalog.set_config('analytics.roles', $2::text, true),
       pg_catalog.set_config('analytics.properties', coalesce($3::text, ''), true),
       pg_catalog.set_config('analytics.embedded', coalesce($4::text, ''), true),
       pg_catalog.set_config('analytics.claim', 'mine', true);
