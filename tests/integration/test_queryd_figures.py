"""Every figure of queryd against the curated rows themselves, summed here in Python."""

import collections
import datetime as dt
import fractions
import itertools

import pytest

from hotel import METRICS, STAYED, WINDOW, Hotel, compute, day

Night = collections.namedtuple("Night", "date property_id channel market_segment currency sold occupied rate")
Day = collections.namedtuple("Day", "date property_id currency available in_order")
Booking = collections.namedtuple("Booking", "arrival departure property_id channel status nights lead")
DIMENSIONS = ("property_id", "channel", "market_segment", "currency")


class Rows:
    """All curated rows of a tenant, read as admin."""

    def __init__(self, stack, tenant):
        held = "state in ('on_books','in_house','stayed')"
        self.nights = [
            Night(day(r[0]), *[v or "unknown" for v in r[1:4]], r[4], r[5] == "t", r[6] == "t", int(r[7]))
            for r in stack.psql(
                f"select stay_date, property_id, channel, market_segment, currency,"
                f" {held} and kind = 'sold', {held} and kind in ('sold','complimentary','house_use'),"
                f" coalesce(rate_micro, 0) from analytics_curated.fact_room_night where tenant_id = '{tenant}'")]
        self.days = [Day(day(r[0]), r[1], r[2], int(r[3]), int(r[4])) for r in stack.psql(
            "select f.date, f.property_id, p.currency, f.rooms_total - f.closed - f.house_permanent,"
            " f.rooms_total - f.closed - f.house_permanent - f.out_of_order"
            " from analytics_curated.fact_inventory_day f"
            " join analytics_curated.dim_property p using (tenant_id, property_id)"
            f" where f.tenant_id = '{tenant}' and f.date between '2024-01-01' and '2024-12-31'")]
        self.bookings = [
            Booking(day(r[0]), day(r[1]), r[2], r[3], r[4], int(r[5]), int(r[6])) for r in stack.psql(
                "select arrival_date, departure_date, property_id, channel, status, nights, lead_time_days"
                " from analytics_curated.fact_reservation"
                f" where tenant_id = '{tenant}' and confirmed_at is not null")]

    def parts(self, metric):
        """(rows, date of a row, numerator of a row), the same of the denominator or None."""
        def nights(value):
            return self.nights, (lambda n: n.date), value

        def days(value):
            return self.days, (lambda d: d.date), value

        def bookings(value, date="arrival"):
            return self.bookings, (lambda b: getattr(b, date)), value

        sold, occupied = nights(lambda n: n.sold), nights(lambda n: n.occupied)
        revenue = nights(lambda n: n.rate if n.sold else 0)
        available, in_order = days(lambda d: d.available), days(lambda d: d.in_order)
        expected = bookings(lambda b: b.status in ("checked_in", "checked_out", "no_show"))
        left = lambda b: b.status == "checked_out" and b.nights > 0
        return {
            "rooms_sold": (sold, None), "rooms_occupied": (occupied, None),
            "rooms_available": (available, None), "room_revenue": (revenue, None),
            "occupancy_pct": (sold, available), "occupancy_total_pct": (occupied, available),
            "occupancy_adjusted_pct": (sold, in_order), "adr": (revenue, sold),
            "revpar": (revenue, available),
            "alos": (bookings(lambda b: b.nights if left(b) else 0, "departure"),
                     bookings(left, "departure")),
            "cancellation_rate": (bookings(lambda b: b.status == "cancelled"), bookings(lambda b: 1)),
            "no_show_rate": (bookings(lambda b: b.status == "no_show"), expected),
            "lead_time_days": (bookings(lambda b: b.lead), bookings(lambda b: 1)),
        }[metric]


def floor(date, granularity):
    if granularity == "week":
        return date - dt.timedelta(date.weekday())
    month = {"month": date.month, "quarter": (date.month - 1) // 3 * 3 + 1, "year": 1}.get(granularity)
    return date.replace(month=month, day=1) if month else date


def expected(rows, metric, dimensions, granularity):
    """{(period or None, dimension…): value}, only of cells with rows."""
    money = metric in ("room_revenue", "adr", "revpar")
    names = [d for d in DIMENSIONS if d in dimensions or (d == "currency" and money)]
    sums = collections.defaultdict(lambda: [0, 0])
    for which, part in enumerate(rows.parts(metric)):
        if part is None:
            continue
        for row in part[0]:
            date = part[1](row)
            if day(WINDOW["from"]) <= date <= day(WINDOW["to"]):
                period = floor(date, granularity) if granularity else None
                sums[(period, *(getattr(row, d) for d in names))][which] += part[2](row)
    if rows.parts(metric)[1] is None:
        return {key: fractions.Fraction(n) for key, (n, _) in sums.items()}
    return {key: fractions.Fraction(n, d) if d else None for key, (n, d) in sums.items()}


def same(served, wanted):
    if served is None or wanted is None:
        return served == wanted
    if isinstance(served, str):  # micro-units, halves to even
        return int(served) == round(wanted)
    return abs(served - float(wanted)) <= 1e-12 * max(1, abs(wanted))


@pytest.fixture(scope="module")
def rows(stack, random_hotel):
    return Rows(stack, random_hotel.tenant)


@pytest.mark.parametrize("metric", METRICS)
def test_figures_are_those_of_the_rows(stack, rows, token, metric):
    inventory = metric.startswith("occupancy") or metric in ("rooms_available", "revpar")
    choices = ([], ["property_id"]) + (() if inventory else (["channel"], ["channel", "property_id"]))
    periods = (None, "day", "week", "month", "quarter", "year")
    for granularity, dimensions in itertools.product(periods, choices):
        body = {"dimensions": dimensions, **({"granularity": granularity} if granularity else {})}
        result = compute(stack, token, metric, **body)
        wanted = expected(rows, metric, dimensions, granularity)
        served = {}
        for row in result["rows"]:
            period = day(row["date"]) if granularity else None
            served[(period, *(row[d] for d in DIMENSIONS if d in row))] = row[metric]
        assert set(wanted) <= set(served)
        for key, value in served.items():
            none = None if rows.parts(metric)[1] else 0
            assert same(value, wanted.get(key, none)), (key, value, wanted.get(key))
        # dense: every group x every period
        periods = {key[0] for key in served}
        assert len(served) == len(periods) * len({key[1:] for key in served})
        if granularity:
            days = (day(WINDOW["to"]) - day(WINDOW["from"])).days + 1
            assert periods == {floor(day(WINDOW["from"]) + dt.timedelta(n), granularity)
                               for n in range(days)}


def test_totals_are_those_of_the_window(stack, random_hotel, token):
    one = [{"dimension": "property_id", "op": "eq", "values": [random_hotel.id("ppt", "kabul")]}]
    for metric in METRICS:
        whole = compute(stack, token, metric, filters=one)["rows"][0][metric]
        assert compute(stack, token, metric, filters=one, granularity="day")["totals"][metric] == whole
    assert compute(stack, token, "adr")["totals"] is None


def test_occupancy_times_adr_is_revpar(stack, token):
    body = {"granularity": "day", "dimensions": ["property_id"]}
    occupancy, adr, revpar = (
        {(r["date"], r["property_id"]): r[m] for r in compute(stack, token, m, **body)["rows"]}
        for m in ("occupancy_pct", "adr", "revpar"))
    assert len(revpar) == 2 * 68
    for key, value in revpar.items():
        if occupancy[key] and adr[key]:
            assert abs(occupancy[key] * int(adr[key]) - int(value)) <= 1


def test_shares(stack, rows, token):
    result = compute(stack, token, "channel_mix", dimensions=["property_id"], granularity="month")
    sums, sold = collections.Counter(), collections.Counter()
    for row in result["rows"]:
        sums[row["date"], row["property_id"]] += row["channel_mix"] or 0
    for n in rows.nights:
        if n.sold and day(WINDOW["from"]) <= n.date <= day(WINDOW["to"]):
            sold[str(floor(n.date, "month")), n.property_id, n.channel] += 1
    for row in result["rows"]:
        whole = sum(v for k, v in sold.items() if k[:2] == (row["date"], row["property_id"]))
        assert whole and abs(row["channel_mix"] - sold[row["date"], row["property_id"], row["channel"]] / whole) < 1e-12
    assert all(abs(v - 1) < 1e-9 for v in sums.values())
    assert result["totals"] == {"channel_mix": 1}
    only = compute(stack, token, "channel_mix", filters=[
        {"dimension": "channel", "op": "eq", "values": ["ota"]}])["rows"]
    everything = compute(stack, token, "channel_mix")["rows"]
    assert only == [r for r in everything if r["channel"] == "ota"]


def test_filters(stack, random_hotel, rows, token):
    inside = [n for n in rows.nights if n.sold and day(WINDOW["from"]) <= n.date <= day(WINDOW["to"])]
    cases = [
        ([("channel", "eq", ["ota"])], lambda n: n.channel == "ota"),
        ([("channel", "ne", ["ota"])], lambda n: n.channel != "ota"),
        ([("channel", "in", ["ota", "gds", "it's \"{}\\"])], lambda n: n.channel in ("ota", "gds")),
        ([("channel", "not_in", ["ota", "gds"])], lambda n: n.channel == "direct"),
        ([("market_segment", "eq", ["unknown"])], lambda n: n.market_segment == "unknown"),
        ([("market_segment", "ne", ["group"]), ("channel", "eq", ["gds"])],
         lambda n: n.market_segment != "group" and n.channel == "gds"),
        ([("property_id", "eq", ["prp_" + random_hotel.id("ppt", "kabul")[4:].lower()])],
         lambda n: n.property_id == random_hotel.id("ppt", "kabul")),
        ([("channel", "eq", ["'; drop table x; --"])], lambda n: False),
    ]
    for filters, keep in cases:
        served = compute(stack, token, "rooms_sold", filters=[
            dict(zip(("dimension", "op", "values"), f)) for f in filters])
        assert served["rows"] == [{"rooms_sold": sum(map(keep, inside))}], filters


def test_golden_vector(stack):
    hotel = Hotel("golden")
    hotel.property("p", 100)
    for n in range(3):
        hotel.absent("p", n, "extended_closure", "2024-03-01", "2024-11-01")
    hotel.absent("p", 3, "house_permanent", "2024-01-02")
    for n in range(5):
        hotel.absent("p", 10 + n, "short", "2024-06-09", "2024-06-12")
    stays = ([(100, None, STAYED, 1)] * 70 + [(0, "complimentary", STAYED, 1)] * 4
             + [(0, "house_use", STAYED, 1)] * 2 + [(30, "day_use", STAYED, 0)] * 3
             + [(100, None, ("no_show",), 1)] * 2 + [(100, None, ("cancelled",), 1)])
    for n, (rate, kind, then, nights) in enumerate(stays):
        hotel.stay("p", n, "2024-06-10", nights, rate, kind, then=then)
    hotel.send(stack)
    token, night = stack.token(hotel.tenant), {"from": "2024-06-10", "to": "2024-06-10"}
    wanted = {"rooms_available": 96, "rooms_sold": 70, "rooms_occupied": 76,
              "occupancy_pct": 70 / 96, "occupancy_total_pct": 76 / 96,
              "occupancy_adjusted_pct": 70 / 91, "adr": "100000000", "revpar": "72916667",
              "room_revenue": "7000000000"}
    for metric, value in wanted.items():
        assert compute(stack, token, metric, dateRange=night)["rows"][0][metric] == value, metric
    assert compute(stack, token, "channel_mix", dateRange=night)["rows"] == [
        {"channel": "direct", "channel_mix": 1}]
