-- The first login after this one that tenant_views.access_bindings lists and that does not exist.
-- $1 role text
-- rows: 1, or none (role text, tenant_id text, looker boolean, enabled boolean)
select m.role, m.tenant_id, m.kind = 'looker' as looker, m.enabled from analytics.missing_login($1::text) m;
