"""Every figure of queryd against the facts themselves, by SQL of the tests' own (figures.py)."""

import datetime as dt
import itertools

import pytest

from figures import COUNTED, FIGURES, MONEY, SHARED, Facts, asked, figure_of, floor, same
from hotel import API, STAYED, WINDOW, Hotel, compute, day

PERIODS = ("week", "quarter", "year")  # besides days, months and the whole window, and only without dimensions


@pytest.fixture(scope="module")
def facts(stack, random_hotel):
    return Facts(stack, random_hotel.tenant)


@pytest.fixture(scope="module")
def dimensions(stack, token):
    """{metric: the dimensions that it allows}"""
    items = stack.http("GET", "queryd", f"{API}/metrics?limit=100", token=token).json()["items"]
    return {m["key"]: [d for d in m["dimensions"] if d != "date"] for m in items}


def names_of(metric, asked_for):
    """The columns beside the figure: amounts have one of their currency, shares one of the channel."""
    return [*asked_for, *(["channel"] if metric.startswith(SHARED) and "channel" not in asked_for else []),
            *(["currency"] if metric in MONEY else [])]


def check(facts, metric, result, asked_for, granularity=None, keep=lambda fact: True):
    """The rows of an answer are the figures of the facts, and every group has every period."""
    names = names_of(metric, asked_for)
    wanted, served = facts.sums(metric, names, granularity, keep), {}
    for row in result["rows"]:
        key = (day(row["date"]) if granularity else None, *(row[name] for name in names))
        assert key not in served and set(row) == {metric, *names, *(["date"] if granularity else [])}, row
        served[key] = row[metric]
    assert set(wanted) <= set(served)
    assert all(same(v, nothing(metric, key, wanted, names) if key not in wanted else figure_of(metric, wanted[key]))
               for key, v in served.items()), (metric, asked_for, granularity, served, wanted)
    assert len(served) == len({key[0] for key in served}) * len({key[1:] for key in served})
    if granularity:
        days = (day(WINDOW["to"]) - day(WINDOW["from"])).days + 1
        assert {key[0] for key in served} == {floor(day(WINDOW["from"]) + dt.timedelta(n), granularity) for n in range(days)}
    return wanted


def nothing(metric, key, wanted, names):
    """The figure of a cell without facts: a channel that sold nothing has no share, or none of nothing."""
    if metric.startswith(SHARED):
        at = 1 + names.index("channel")
        others = [cell for other, cell in wanted.items() if other[:at] + other[at + 1:] == key[:at] + key[at + 1:]]
        return 0 if others and others[0][1] else None
    return 0 if metric in (*COUNTED, "room_revenue") else None


@pytest.mark.parametrize("metric", FIGURES)
def test_figures_are_those_of_the_facts(stack, facts, token, dimensions, metric):
    allowed = dimensions[metric]
    choices = [[], *([d] for d in allowed), allowed]
    for asked_for, granularity in [*itertools.product(choices, (None, "day", "month")), *(([], p) for p in PERIODS)]:
        body = {"dimensions": asked_for, **({"granularity": granularity} if granularity else {}), **asked(metric)}
        wanted = check(facts, metric, compute(stack, token, metric, **body), asked_for, granularity)
        # not of nothing: some figures that differ, and both parts of a rate
        assert all(any(cell[part] for cell in wanted.values()) for part in range(len(FIGURES[metric])))
        if granularity or asked_for:
            assert len({figure_of(metric, cell) for cell in wanted.values()}) > 1 or granularity in PERIODS[1:], (asked_for, granularity)


@pytest.mark.parametrize("metric", FIGURES)
def test_filters_by_every_dimension(stack, facts, token, dimensions, metric):
    for name in dimensions[metric]:
        if name == "channel" and metric.startswith(SHARED):
            continue  # which chooses among the shares: test_shares
        values = sorted({fact[name] or "unknown" for part in FIGURES[metric] for fact, _ in facts.part(part)}
                        - ({"unknown"} if name == "property_id" else set()))  # is no id
        assert len(values) > 1, name
        for op, chosen in (("eq", values[:1]), ("ne", values[-1:]), ("in", values[:2]), ("not_in", values[1:])):
            body = {"filters": [{"dimension": name, "op": op, "values": chosen}], **asked(metric)}
            check(facts, metric, compute(stack, token, metric, **body), [],
                  keep=lambda fact: ((fact[name] or "unknown") in chosen) == (op in ("eq", "in")))


def test_totals_are_those_of_the_window(stack, random_hotel, token):
    one = [{"dimension": "property_id", "op": "eq", "values": [random_hotel.id("ppt", "kabul")]}]
    for metric in (m for m in FIGURES if not m.startswith(SHARED)):
        whole = compute(stack, token, metric, filters=one, **asked(metric))["rows"][0][metric]
        assert compute(stack, token, metric, filters=one, granularity="day", **asked(metric))["totals"][metric] == whole
    assert compute(stack, token, "adr")["totals"] is None


def test_occupancy_times_adr_is_revpar(stack, token):
    body = {"granularity": "day", "dimensions": ["property_id"]}
    occupancy, adr, revpar = (
        {(r["date"], r["property_id"]): r[m] for r in compute(stack, token, m, **body)["rows"]}
        for m in ("occupancy_pct", "adr", "revpar"))
    assert len(revpar) == 3 * 68
    for key, value in revpar.items():
        if occupancy[key] and adr[key]:
            assert abs(occupancy[key] * int(adr[key]) - int(value)) <= 1


def test_shares(stack, token):
    for metric in (m for m in FIGURES if m.startswith(SHARED)):
        result = compute(stack, token, metric, dimensions=["property_id"], granularity="month")
        sums = {}
        for row in result["rows"]:
            whole = row["date"], row["property_id"], row.get("currency")
            sums[whole] = sums.get(whole, 0) + (row[metric] or 0)
        assert sums and all(abs(v - 1) < 1e-9 for v in sums.values() if v)
        assert result["totals"] == (None if metric in MONEY else {metric: 1})
        only = compute(stack, token, metric, filters=[{"dimension": "channel", "op": "eq", "values": ["ota"]}])["rows"]
        everything = compute(stack, token, metric)["rows"]
        assert only == [r for r in everything if r["channel"] == "ota"] != []


def test_filters(stack, random_hotel, facts, token):
    inside = [night for night, sold in facts.part("sold") if sold]
    cases = [
        ([("channel", "eq", ["ota"])], lambda n: n["channel"] == "ota"),
        ([("channel", "ne", ["ota"])], lambda n: n["channel"] != "ota"),
        ([("channel", "in", ["ota", "gds", "it's \"{}\\"])], lambda n: n["channel"] in ("ota", "gds")),
        ([("channel", "not_in", ["ota", "gds"])], lambda n: n["channel"] == "direct"),
        ([("market_segment", "eq", ["unknown"])], lambda n: n["market_segment"] is None),
        ([("market_segment", "ne", ["group"]), ("channel", "eq", ["gds"])],
         lambda n: n["market_segment"] != "group" and n["channel"] == "gds"),
        ([("property_id", "eq", ["prp_" + random_hotel.id("ppt", "kabul")[4:].lower()])],
         lambda n: n["property_id"] == random_hotel.id("ppt", "kabul")),
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
