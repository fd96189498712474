-- A tenant that moves to another region: from the day of its move on, its data is that region's. What a
-- database of one region cannot read, its views do not show, and queryd refuses windows that reach there.
--
-- The day of a move (the tenant's own) belongs to the region that it moves to. A database says which
-- region it is in by analytics_run.setting `region`, stored by `etld migrate`; '*' (one database for
-- all) reads every region, and nobody is refused anything.

set local role analytics_owner;

-- Spellings of regions; ingestd/fold.c has the same table.
create table analytics_run.region_spelling (
	spelling text collate "C" primary key,
	region text not null
);
insert into analytics_run.region_spelling values
	('AF', 'me-central1'),
	('KSA', 'me-central1'),
	('me-central1', 'me-central1'),
	('gcp-me-central1', 'me-central1'),
	('IN', 'asia-south1'),
	('asia-south1', 'asia-south1'),
	('gcp-asia-south1', 'asia-south1'),
	('EU', 'europe-west3'),
	('europe-west3', 'europe-west3'),
	('gcp-europe-west3', 'europe-west3'),
	('europe-west4', 'europe-west3'),
	('gcp-europe-west4', 'europe-west3');
grant select on analytics_run.region_spelling to analytics_etld;

-- One that is not known stays as it was said.
create function analytics_run.region_named(word text) returns text
language sql stable parallel safe as $$
	select coalesce((select s.region from analytics_run.region_spelling s where s.spelling = word), word)
$$;
create or replace function analytics_run.region_of(payload jsonb, member text) returns text
language sql stable parallel safe as $$
	select analytics_run.region_named(analytics_run.word_of(payload, member))
$$;

insert into analytics_run.setting (key, value) values ('region', '*');

-- A row for each move. Views follow a move a while after it was noted: by then every queryd knows of it,
-- and none takes what is left to be seen for all there is.
create table analytics_run.tenant_region (
	tenant_id text collate "C" not null,
	since timestamptz not null,
	region text not null,
	from_region text,  -- null: not said
	noted_at timestamptz not null default now(),
	primary key (tenant_id, since)
);
grant select, insert, update on analytics_run.tenant_region to analytics_etld;

-- Where a tenant's data was when, and whether that can be read here; no row: it has never moved. Ends
-- are inclusive, null is open. A first move that does not say where from is from here unless it is to here.
create function analytics_run.residency(tenant text, known_at timestamptz)
returns table (region text, day_from date, day_to date, readable boolean)
language sql stable set search_path = pg_catalog, pg_temp as $$
	with here as (
		select s.value as region from analytics_run.setting s where s.key = 'region'
	), move as (
		select m.region, m.from_region, lag(m.region) over w as before, (m.since at time zone z.timezone)::date as day,
			lead((m.since at time zone z.timezone)::date) over w as next_day
		from analytics_run.tenant_region m
		cross join lateral (
			select coalesce((select t.timezone from analytics_curated.dim_tenant t where t.tenant_id = tenant), 'UTC') as timezone) z
		where m.tenant_id = tenant and m.noted_at <= known_at
		window w as (order by m.since)
	), period as (
		select m.from_region as region, null::date as day_from, m.day - 1 as day_to, m.from_region is null and m.region <> h.region as mine
		from move m, here h
		where m.before is null
		union all
		select m.region, m.day, m.next_day - 1, false
		from move m
		where m.next_day is null or m.next_day > m.day
	)
	select p.region, p.day_from, p.day_to, h.region = '*' or p.mine or p.region is not distinct from h.region
	from period p, here h
	order by p.day_from nulls first
$$;
revoke execute on function analytics_run.residency(text, timestamptz) from public;

-- The same for the tenant that is logged in, as of now: what queryd looks at.
create function tenant_views.residency()
returns table (region text, day_from date, day_to date, readable boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
	return query select r.* from analytics_run.residency(left(session_user::text, 30), now()) r;
end
$$;

-- The dates whose rows the views show. Asked once a query, and of nearly every tenant there is nothing to say.
create function tenant_views.readable() returns datemultirange
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
	mine constant text := left(session_user::text, 30);
begin
	if not exists (select from analytics_run.tenant_region m where m.tenant_id = mine) then
		return '{(,)}';
	end if;
	return (
		select case when coalesce(bool_and(r.readable), true) then '{(,)}' else
			coalesce(range_agg(daterange(r.day_from, r.day_to, '[]')) filter (where r.readable), '{}') end
		from analytics_run.residency(mine, now() - interval '2 minutes') r);
end
$$;
revoke execute on function tenant_views.residency(), tenant_views.readable() from public;
grant execute on function tenant_views.residency(), tenant_views.readable() to analytics_tenants;

-- A row is shown when a date by which it is asked for can be read: of a reservation any from its booking
-- to its departure. The condition stands behind the tenant's; in this order a row of a tenant that never
-- moved costs the test of a boolean.
do $$
declare
	v record;
	query text;
begin
	for v in
		select * from (values
			('fact_reservation', '&& daterange(least((booked_at at time zone ''UTC'')::date - 1, arrival_date), '
				'greatest((booked_at at time zone ''UTC'')::date, departure_date, arrival_date), ''[]'')'),
			('fact_room_night', '@> stay_date'),
			('fact_room_night_history', '@> stay_date'),
			('fact_inventory_day', '@> date'),
			('fact_payment', '@> business_date'),
			('fact_housekeeping_task', '@> business_date'),
			('fact_lock_action', '@> business_date'),
			('fact_funnel', '@> business_date'),
			('fact_ai_suggestion', '@> business_date'),
			('fact_demand_forecast', '@> stay_date'),
			('fact_demand_forecast_latest', '@> stay_date'),
			('forecast_accuracy', '@> daterange(stay_date - 364, stay_date, ''[]'')'),  -- beside last year's
			('fact_audit_event', '@> (occurred_at at time zone ''UTC'')::date')) as v (name, dated)
	loop
		query := regexp_replace(pg_get_viewdef(('tenant_views.' || v.name)::regclass),
			'(\(\w+\.tenant_id = \(tenant_views\.tenant\(\) COLLATE "C"\)\))',
			'\1 AND ((select tenant_views.readable() = ''{(,)}'') or (select tenant_views.readable()) ' || v.dated || ')');
		if query !~ 'tenant_views\.readable' then
			raise exception 'tenant_views.% is not as it was', v.name;
		end if;
		execute format('create or replace view tenant_views.%I with (security_barrier) as %s', v.name, query);
	end loop;
end
$$;

reset role;
