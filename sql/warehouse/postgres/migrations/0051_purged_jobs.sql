-- A tenant that is purged while a job builds it: what it had in the queue counts as done. The job would wait for
-- it for ever.
set local role analytics_owner;

-- As before (0018), and the jobs whose rows go are counted down.
create or replace function analytics_run.purge_queue(tenant text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
	own_shard constant smallint := analytics_run.shard_of(tenant);
begin
	perform analytics_run.must_be_deleted(tenant);
	perform pg_advisory_xact_lock(c.consumer_id, own_shard::integer)
	from (select consumer_id from analytics_run.consumer order by consumer_id) c;
	delete from analytics_run.delta d
	using analytics_run.consumer c
	where d.consumer = c.consumer and d.shard = own_shard and d.tenant_id = tenant;
	with gone as (
		delete from analytics_run.touched t where t.tenant_id = tenant returning t.job_id
	), part as (
		select job_id, count(*) as touches from gone where job_id is not null group by job_id
	)
	update analytics_run.job j set touches_left = j.touches_left - p.touches from part p where j.job_id = p.job_id;
end
$$;

reset role;
