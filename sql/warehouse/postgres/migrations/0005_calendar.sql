-- dim_calendar: 2010 to 2040, the same for all tenants.
--
-- Solar Hijri by the 33-year rule (years whose remainder is 1, 5, 9, 13, 17, 22, 26 or 30 are leap),
-- which agrees with the observed calendar over all these years. Hijri is the tabular one (civil
-- epoch, leap years 2 5 7 10 13 16 18 21 24 26 29 of 30): the announced month may differ by a day.
-- Weekends are a column for each rule; a tenant's weekend_days choose one when a query runs.

set local role analytics_owner;

create table analytics_curated.dim_calendar_v1 (
	date date primary key,
	year smallint not null,
	quarter smallint not null,
	month smallint not null,
	day smallint not null,
	iso_year smallint not null,
	iso_week smallint not null,
	day_of_week smallint not null,            -- ISO, 1 = Monday
	solar_hijri_year smallint not null,
	solar_hijri_month smallint not null,
	solar_hijri_day smallint not null,
	hijri_year smallint not null,
	hijri_month smallint not null,
	hijri_day smallint not null,
	weekend_fri boolean not null,
	weekend_thu_fri boolean not null,
	weekend_fri_sat boolean not null,
	weekend_sat_sun boolean not null
);

with solar_year as (
	select y, date '2009-03-21' + (365 * (y - 1388) + count(*) filter (where leap) over (
		order by y rows between unbounded preceding and 1 preceding))::integer as starts
	from (select y, y % 33 in (1, 5, 9, 13, 17, 22, 26, 30) as leap from generate_series(1388, 1420) y) years
), solar_month as (
	select y, m, starts + case when m <= 7 then 31 * (m - 1) else 186 + 30 * (m - 7) end as starts
	from solar_year, generate_series(1, 12) m
), lunar_month as (
	select y, m, date '0622-07-19' + 354 * (y - 1) + (11 * y + 3) / 30 + (59 * (m - 1) + 1) / 2 as starts
	from generate_series(1430, 1465) y, generate_series(1, 12) m
)
insert into analytics_curated.dim_calendar_v1
	(date, year, quarter, month, day, iso_year, iso_week, day_of_week,
	 solar_hijri_year, solar_hijri_month, solar_hijri_day, hijri_year, hijri_month, hijri_day,
	 weekend_fri, weekend_thu_fri, weekend_fri_sat, weekend_sat_sun)
select d, extract(year from d), extract(quarter from d), extract(month from d), extract(day from d),
	extract(isoyear from d), extract(week from d), extract(isodow from d),
	solar.y, solar.m, d - solar.starts + 1, lunar.y, lunar.m, d - lunar.starts + 1,
	extract(isodow from d) = 5, extract(isodow from d) in (4, 5),
	extract(isodow from d) in (5, 6), extract(isodow from d) in (6, 7)
from (select date '2010-01-01' + i as d from generate_series(0, date '2040-12-31' - date '2010-01-01') i) days
cross join lateral (select y, m, starts from solar_month where starts <= d order by starts desc limit 1) solar
cross join lateral (select y, m, starts from lunar_month where starts <= d order by starts desc limit 1) lunar;

create view analytics_curated.dim_calendar as select * from analytics_curated.dim_calendar_v1;
grant select on analytics_curated.dim_calendar to analytics_etld, analytics_dqd;

reset role;
