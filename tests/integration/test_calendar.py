"""dim_calendar against other ways to the same dates: Solar Hijri from the breaks of the leap cycle (and
from the equinox, as announced), Hijri from Julian day numbers. The migration counts by other rules."""
import datetime as dt

BREAKS = (-61, 9, 38, 199, 426, 686, 756, 818, 1111, 1181, 1210, 1635, 2060, 2097, 2192, 2262, 2324, 2394, 2456, 3178)
# 1 Farvardin as announced in Tehran, Kabul and Dushanbe alike: 20 March in these years, else the 21st
MARCH_20 = {2012, 2016, 2020, 2024, 2028, 2029, 2032, 2033, 2036, 2037, 2040}


def nowruz(year):
    """1 Farvardin by the arithmetic of the 2820 years' breaks, which counts leap days since each break."""
    gregorian, leap_j, previous = year + 621, -14, BREAKS[0]
    for point in BREAKS[1:]:
        jump = point - previous
        if year < point:
            break
        leap_j += jump // 33 * 8 + jump % 33 // 4
        previous = point
    n = year - previous
    leap_j += n // 33 * 8 + (n % 33 + 3) // 4
    if jump % 33 == 4 and jump - n == 4:
        leap_j += 1
    leap_g = gregorian // 4 - (gregorian // 100 + 1) * 3 // 4 - 150
    return dt.date(gregorian, 3, 20 + leap_j - leap_g)


def solar_hijri(day):
    year = day.year - 621
    if day < nowruz(year):
        year -= 1
    n = (day - nowruz(year)).days
    return (year, n // 31 + 1, n % 31 + 1) if n < 186 else (year, (n - 186) // 30 + 7, (n - 186) % 30 + 1)


def hijri(day):
    """Tabular, civil epoch, by the day number: 10631 days are 30 years."""
    n = day.toordinal() + 1721425 - 1948440 + 10632
    cycle = (n - 1) // 10631
    n = n - 10631 * cycle + 354
    j = (10985 - n) // 5316 * (50 * n // 17719) + n // 5670 * (43 * n // 15238)
    n = n - (30 - j) // 15 * (17719 * j // 50) - j // 16 * (15238 * j // 43) + 29
    month = 24 * n // 709
    return 30 * cycle + j - 30, month, n - 709 * month // 24


def test_every_day_of_the_calendar(world):
    rows = world.rows("select date, solar_hijri_year, solar_hijri_month, solar_hijri_day, hijri_year, hijri_month, hijri_day, iso_year, iso_week, day_of_week,"
                      " weekend_fri, weekend_thu_fri, weekend_fri_sat, weekend_sat_sun from analytics_curated.dim_calendar order by date")
    assert rows[0][0] == "2010-01-01" and rows[-1][0] == "2040-12-31" and len(rows) == 11323
    for date, *found in rows:
        day = dt.date.fromisoformat(date)
        weekend = ["t" if day.isoweekday() in days else "f" for days in ((5,), (4, 5), (5, 6), (6, 7))]
        expected = [str(v) for v in (*solar_hijri(day), *hijri(day), *day.isocalendar())] + weekend
        assert found == expected, date


def test_days_that_everybody_knows(world):
    known = dict((r[0], r[1:]) for r in world.rows("select date, solar_hijri_year || '-' || solar_hijri_month || '-' || solar_hijri_day,"
                                                   " hijri_year || '-' || hijri_month || '-' || hijri_day from analytics_curated.dim_calendar"))
    starts = {date for date, (solar, _) in known.items() if solar.endswith("-1-1")}
    assert starts == {f"{year}-03-{20 if year in MARCH_20 else 21}" for year in range(2010, 2041)}
    assert known["2024-03-20"][0] == "1403-1-1" and known["2025-03-20"][0] == "1403-12-30" and known["2021-08-15"][0] == "1400-5-24"
    assert known["2023-07-19"][1] == "1445-1-1" and known["2024-03-11"][1] == "1445-9-1" and known["2010-01-01"][1] == "1431-1-15"


def easter(year):
    """By Meeus, Jones and Butcher."""
    a, (b, c) = year % 19, divmod(year, 100)
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    w = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    month, day = divmod(h + w - 7 * ((a + 11 * h + 22 * w) // 451) + 114, 31)
    return dt.date(year, month, day + 1)


def test_holidays(world):
    """By name, in the calendar that their law counts by; those of the moon are marked."""
    rows = world.rows("select date, holiday_af, holiday_tj, holiday_ir, holiday_pt, holiday_af_tabular, holiday_tj_tabular,"
                      " holiday_ir_tabular, holiday_pt_tabular from analytics_curated.dim_calendar order by date")
    days = {dt.date.fromisoformat(row[0]): dict(zip(("AF", "TJ", "IR", "PT"), zip(row[1:5], row[5:]))) for row in rows}

    def of(country, day):
        return days[dt.date.fromisoformat(day)][country]

    assert [day for day in days if "Good Friday" in (days[day]["PT"][0] or "")] == [easter(y) - dt.timedelta(2) for y in range(2010, 2041)]
    assert {day.year for day in days if days[day]["PT"][0] == "Corpus Christi"} == set(range(2010, 2041)) - {2013, 2014, 2015}
    assert of("PT", "2024-05-30")[0] == "Corpus Christi" and of("PT", "2014-10-05") == (None, "f") and of("PT", "2024-04-25")[0] == "Freedom Day"
    # Solar Hijri: the same day of its year, whichever of ours that is
    assert of("IR", "2024-03-20") == of("IR", "2023-03-24") == ("Nowruz", "f") and of("IR", "2024-02-11")[0] == "Victory of the Revolution"
    assert of("AF", "2024-08-18") == of("AF", "2023-08-19") == ("Independence Day", "f")
    assert of("AF", "2021-03-21")[0] == "Nawroz" and of("AF", "2022-03-21")[0] is None and of("TJ", "2022-03-21")[0] == "Navruz"
    # of the moon: by the tabular calendar, and said so, unless the day is one anyway
    assert of("AF", "2024-04-10") == of("TJ", "2024-04-10") == of("IR", "2024-04-11") == ("Eid al-Fitr", "t")
    assert of("IR", "2014-06-04")[1] == "f" and of("TJ", "2024-06-17") == ("Eid al-Adha", "t") and of("AF", "2024-06-19")[0] == "Eid al-Adha"
    marked = {country: sum(day[country][1] == "t" for day in days.values()) for country in ("AF", "TJ", "IR", "PT")}
    assert marked["PT"] == 0 and all(marked[country] > 50 for country in ("AF", "TJ", "IR"))
    missing = world.rows("select distinct name from analytics_run.holiday_rule r where not exists (select from analytics_curated.dim_calendar c"
                         " where strpos(concat_ws(' ', holiday_af, holiday_tj, holiday_ir, holiday_pt), r.name) > 0)")
    assert missing == []
