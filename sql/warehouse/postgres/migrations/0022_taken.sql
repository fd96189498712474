-- Units of a few keys run on plans that are made once (etld/plan_for_few.sql). Only the read of raw is
-- planned each time: for the months between the keys, and not for all 480.

set local role analytics_owner;

-- What of an event is appended.
create type events_raw.taken_event as (
	dedupe_key text collate "C",
	tenant_id text collate "C",
	batch_id bigint,
	subject text,
	domain text,
	occurred_at timestamptz,
	aggregate_type text,
	aggregate_id text,
	aggregate_version bigint,
	correlation_id text,
	payload_key text,
	body text
);

-- The events of a consumer in the deltas that etld/take_delta.sql has taken. Runs as its caller.
create function events_raw.taken(consumer text, batches bigint[], tenants text[], key_lo text, key_hi text)
returns setof events_raw.taken_event
language plpgsql stable
set plan_cache_mode = force_custom_plan set enable_seqscan = off set search_path = pg_catalog, pg_temp as $$
begin
	return query
	select e.dedupe_key, e.tenant_id, e.batch_id, e.subject, e.domain, e.occurred_at, e.aggregate_type, e.aggregate_id,
		e.aggregate_version, e.correlation_id, e.payload_key, e.body
	from events_raw.event e
	where e.batch_id = any (batches)
		and e.dedupe_key between key_lo and key_hi
		-- `is true` keeps this a table of hashes that each row is looked up in: for a join the planner takes a
		-- nested loop where it knows no better
		and ((e.batch_id, e.tenant_id) in (
			select t.batch_id, t.tenant_id from unnest(batches, tenants) as t (batch_id, tenant_id))) is true
		and analytics_run.consumer_of(e.domain) = consumer;
end
$$;
revoke execute on function events_raw.taken(text, bigint[], text[], text, text) from public;
grant execute on function events_raw.taken(text, bigint[], text[], text, text) to analytics_etld;

reset role;
