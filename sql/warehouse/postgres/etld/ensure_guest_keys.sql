-- Gives each tenant that has none the secret behind its guests' pseudonyms: 32 random bytes, or, with
-- a seed, bytes that follow from it. A seed makes pseudonyms guessable and equal on two stacks: it is
-- for development stacks that are compared, and never set on a real one. A unit does this in a transaction
-- of its own before it takes again: another one that meets the same new tenant waits for no more than that.
-- A tenant that is deleted gets none.
-- $1 tenants text[]
-- $2 seed text  null = random
-- rows: none
insert into analytics_run.guest_key (tenant_id, key)
select distinct t, case when $2::text is null then analytics_run.gen_random_bytes(32)
	else analytics_run.hmac(t, $2::text, 'sha256') end
from unnest($1::text[]) t
where not exists (select from analytics_run.guest_key g where g.tenant_id = t)
	and not exists (select from analytics_run.tombstone d where d.tenant_id = t)
order by t -- two consumers of a shard may do this at once
on conflict (tenant_id) do nothing
