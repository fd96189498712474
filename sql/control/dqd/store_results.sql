-- Stores results and says which states are to be told: those that differ from what was told last, also
-- when another dqd stored or an earlier one ended before it told. A check that passes from its first
-- result on is no news, and neither is one that is unknown. A result that was measured later stays. Tenants
-- that were deleted meanwhile are left out.
-- $1 check_ids text[]    parallel arrays
-- $2 tenants text[]
-- $3 result_ids text[]
-- $4 states text[]       pass, fail, unknown
-- $5 observed numeric[]
-- $6 expected numeric[]
-- $7 as_of timestamptz   of list_checks
-- rows: what is to be told (check_id, change_id: the result that changed the state, tenant_id, table_name,
--       kind, severity, observed, expected, state, since, changes: how many so far)
with alive as materialized (
    select t.tenant_id
      from (select distinct u.tenant_id from unnest($2::text[]) as u (tenant_id)) t
     where not analytics.is_deleted(t.tenant_id)
), result as (
    select r.*
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::numeric[])
           as r (check_id, tenant_id, result_id, state, observed, expected)
      join alive a on a.tenant_id = r.tenant_id
), stored as (
    insert into analytics.dq_results as p
           (check_id, tenant_id, result_id, change_id, changes, state, observed, expected, since,
            evaluated_at)
    select r.check_id, r.tenant_id, r.result_id, r.result_id, 1, r.state, r.observed, r.expected,
           pg_catalog.now(), $7::timestamptz
      from result r
     order by r.tenant_id, r.check_id
        on conflict (tenant_id, check_id) do update
       set result_id = excluded.result_id, state = excluded.state, observed = excluded.observed,
           expected = excluded.expected, evaluated_at = excluded.evaluated_at,
           since = case when p.state = excluded.state then p.since else excluded.since end,
           change_id = case when p.state = excluded.state then coalesce(p.change_id, excluded.change_id)
                            else excluded.change_id end,
           changes = case when p.state = excluded.state then p.changes else p.changes + 1 end
     where p.evaluated_at <= excluded.evaluated_at
    returning p.check_id, p.tenant_id, p.change_id, p.changes, p.state, p.told, p.observed, p.expected, p.since
)
select s.check_id, s.change_id, s.tenant_id, c.table_name, c.kind, c.severity, s.observed, s.expected,
       s.state, pg_catalog.to_char(s.since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as since,
       s.changes
  from stored s
  join analytics.dq_checks c on c.check_id = s.check_id
 where s.state <> s.told
   and s.state <> 'unknown';
