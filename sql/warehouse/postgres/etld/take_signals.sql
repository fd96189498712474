-- Takes a tenant whose signals are due, the longest waiting first, and puts him off for ten minutes:
-- whoever dies over him has him tried again then. Tenants not seen before are due at once.
-- rows: 0 or 1 (tenant_id text)
with added as (
	insert into analytics_run.signal_due (tenant_id, due_at)
	select s.tenant_id, now()
	from analytics_run.table_state s
	where s.table_name = 'fact_room_night_history'
		and not exists (select from analytics_run.signal_due d where d.tenant_id = s.tenant_id)
	on conflict (tenant_id) do nothing
	returning tenant_id
), due as (
	select tenant_id
	from analytics_run.signal_due
	where due_at <= now()
	order by due_at, tenant_id
	limit 1
	for update skip locked
), taken as (
	update analytics_run.signal_due d set due_at = now() + interval '10 min'
	from due
	where d.tenant_id = due.tenant_id
	returning d.tenant_id
)
select tenant_id from taken
