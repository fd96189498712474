"""A golden vector for every metric: three days of two small houses, each figure worked out by hand.

The numbers are uneven on purpose. No mean here is also a maximum, a minimum or a median, no rate of the
three days is the mean of the days' rates, and what lies on either side of the days or of the rules is there
to be left out. Against random data every metric is compared in test_queryd_figures.py.
"""

import statistics
from fractions import Fraction

import pytest

import figures
from hotel import STAYED, Hotel

DAYS = ("2024-06-10", "2024-06-11", "2024-06-12")
WINDOW = {"from": DAYS[0], "to": DAYS[2]}
AS_OF = "2024-06-09T10:00:00Z"


def usd(amount):
    """Units as the micro-units of an answer."""
    return str(round(Fraction(amount) * 1_000_000))


def stays(hotel):
    """Booked at 10:00 UTC."""
    for n, house, start, nights, rate, channel, lead, then, kind in (
            (1, "big", "2024-06-10", 1, 100, "direct", 1, STAYED, None),
            (2, "big", "2024-06-10", 1, 100, "direct", 1, STAYED, None),
            (3, "big", "2024-06-10", 2, 40, "ota", 30, STAYED, None),
            (4, "small", "2024-06-11", 1, 200, "ota", 4, STAYED, None),  # a minute later
            (5, "big", "2024-06-12", 3, 88, "direct", 5, ("checked_in",), None),
            (6, "big", "2024-06-11", 1, 500, "ota", 10, ("cancelled",), None),
            (7, "small", "2024-06-12", 1, 500, "direct", 2, ("no_show",), None),
            (8, "big", "2024-06-06", 5, 60, "direct", 20, STAYED, None),  # arrived before, departed on the 11th
            (9, "small", "2024-06-10", 1, 0, "direct", 4, STAYED, "complimentary"),
            (10, "big", "2024-06-11", 0, 30, "direct", 0, STAYED, None),  # day use
            # booked on the 10th, as 7 was
            (11, "big", "2024-06-20", 1, 70, "ota", 10, ("cancelled",), None),
            (12, "big", "2024-06-21", 2, 70, "direct", 11, (), None),
            (13, "small", "2024-06-12", 1, 500, "direct", 2, ("cancelled",), None),
            # a year before: 364 days, so 12 to 14 June 2023; 23 was booked too late to be known by then
            (21, "big", "2023-06-12", 1, 70, "direct", 5, STAYED, None),
            (22, "big", "2023-06-13", 2, 70, "ota", 30, STAYED, None),
            (23, "big", "2023-06-13", 1, 70, "ota", 0, STAYED, None),
            (24, "big", "2023-06-14", 1, 70, "direct", 9, STAYED, None)):
        hotel.stay(house, n, start, nights, rate, kind, channel, then, lead=lead, at="10:01" if n == 4 else "10:00")
    # booked on the 11th, and nobody has said for when
    hotel.event("reservation.confirmed", f"{DAYS[1]}T10:00", {
        "reservationId": hotel.id("rsv", "big", 14), "propertyId": hotel.id("ppt", "big"), "channel": "direct"})


def operations(hotel):
    big, small = {"propertyId": hotel.id("ppt", "big")}, {"propertyId": hotel.id("ppt", "small")}
    for n, outcomes, when in ((1, ["captured"], DAYS[0]), (2, ["authorized", "captured"], DAYS[0]), (3, ["captured"], DAYS[0]),
                              (4, ["failed"], DAYS[0]), (5, ["failed"], DAYS[1]), (6, ["captured"], DAYS[2]),
                              (7, ["authorized"], DAYS[2]), (8, ["authorized", "voided"], DAYS[1])):
        for k, outcome in enumerate(outcomes):
            hotel.pay(n, outcome, f"{when}T1{k}:00", **big, method="card")
    # minutes until the room was ready: 10, 10 and 95 (failed, and cleaned again); 20; 48 until it passed
    for n, house, kind, created, steps in (
            (1, big, "turnover", f"{DAYS[0]}T09:00", (("completed", "09:10"),)),
            (2, big, "turnover", f"{DAYS[0]}T09:00", (("completed", "09:10"),)),
            (3, small, "turnover", f"{DAYS[0]}T09:00", (("completed", "09:40"), ("failed", "10:00"), ("completed", "10:35"))),
            (4, big, "turnover", f"{DAYS[1]}T09:00", (("completed", "09:20"),)),
            (5, big, "turnover", f"{DAYS[1]}T09:00", (("started", "09:05"),)),
            (6, big, "deep_clean", f"{DAYS[1]}T09:00", (("completed", "15:00"),)),
            (7, big, "turnover", f"{DAYS[2]}T09:00", (("completed", "09:30"), ("passed", "09:48"))),
            (8, big, "turnover", f"{DAYS[2]}T09:00", (("completed", "09:30"), ("failed", "09:50")))):
        hotel.task(n, "created", created, **house, kind=kind)
        for step, at in steps:
            result = {"result": step} if step in ("passed", "failed") else {}
            hotel.task(n, "inspected" if result else step, f"{created[:10]}T{at}", **result)
    for n, verb, when in ((1, "credential.requested", DAYS[0]), (1, "credential.issued", DAYS[0]), (2, "credential.failed", DAYS[0]),
                          (3, "access.granted", DAYS[0]), (4, "access.granted", DAYS[0]), (5, "access.denied", DAYS[1]),
                          (6, "access.granted", DAYS[2]), (7, "credential.requested", DAYS[2]), (8, "device.health_alert", DAYS[1])):
        hotel.lock(n, verb, f"{when}T1{n}:00", **big)
    for n, decision, when in ((1, "accepted", DAYS[0]), (2, "rejected", DAYS[0]), (3, "expired", DAYS[0]), (4, "edited", DAYS[1])):
        hotel.suggestion(n, decision, f"{when}T10:00", **big, capability="upsell")
    hotel.event("ai_orchestrator.inference.completed", f"{DAYS[2]}T10:00", {"requestId": hotel.id("ifr", 5), "capability": "upsell", **big})
    # the first leads to a stay, the second to nothing, the third to one after 31 days, the fourth to one since cancelled
    for n, when, converted, stay in ((1, DAYS[0], f"{DAYS[0]}T09:00", 1), (2, DAYS[0], None, None),
                                     (3, DAYS[0], "2024-07-11T09:00", 5), (4, DAYS[1], f"{DAYS[1]}T09:00", 6)):
        for at in (f"{DAYS[0]}T07:00", f"{when}T08:01"):  # the last one counts
            hotel.meta(n, "click.property", at, "big", metaSource="kayak")
        if converted:
            hotel.hand_over(n, f"{when}T08:02", "big")
            hotel.convert(n, converted, hotel.id("rsv", "big", stay))


# {metric: (of the three days, of each)}; None: nothing to divide by. By channel where the figure is
GOLDEN = {
    # of 10 + 4 rooms one is closed on the 12th
    "rooms_available": (41, [14, 14, 13]),
    "rooms_sold": (7, [4, 2, 1]),
    "rooms_occupied": (8, [5, 2, 1]),
    "room_revenue": (usd(628), [usd(300), usd(240), usd(88)]),
    "occupancy_pct": (Fraction(7, 41), [Fraction(4, 14), Fraction(2, 14), Fraction(1, 13)]),
    "occupancy_total_pct": (Fraction(8, 41), [Fraction(5, 14), Fraction(2, 14), Fraction(1, 13)]),
    # one is out of order on the 11th
    "occupancy_adjusted_pct": (Fraction(7, 40), [Fraction(4, 14), Fraction(2, 13), Fraction(1, 13)]),
    # rates of the nights: 100, 100, 40, 60; 40, 200; 88
    "adr": (usd(Fraction(628, 7)), [usd(75), usd(120), usd(88)]),
    "revpar": (usd(Fraction(628, 41)), [usd(Fraction(300, 14)), usd(Fraction(240, 14)), usd(Fraction(88, 13))]),
    # departed: nobody; after 1, 1, 1 and 5 nights; after 2 and 1
    "alos": (Fraction(11, 6), [None, 2, Fraction(3, 2)]),
    # arriving: 1, 1, 30 and 4 days after booking; 4, 10 and 0; 5, 2 and 2
    "lead_time_days": (Fraction(59, 10), [9, Fraction(14, 3), 3]),
    "cancellation_rate": (Fraction(2, 10), [0, Fraction(1, 3), Fraction(1, 3)]),
    "cancellation_rate_booked": (Fraction(2, 6), [Fraction(2, 4), 0, None]),
    "no_show_rate": (Fraction(1, 8), [0, 0, Fraction(1, 2)]),
    "channel_mix": ({"direct": Fraction(4, 7), "ota": Fraction(3, 7)},
                    [{"direct": Fraction(3, 4), "ota": Fraction(1, 4)}, {"direct": 0, "ota": 1}, {"direct": 1, "ota": 0}]),
    "channel_mix_revenue": ({"direct": Fraction(348, 628), "ota": Fraction(280, 628)},
                            [{"direct": Fraction(260, 300), "ota": Fraction(40, 300)}, {"direct": 0, "ota": 1}, {"direct": 1, "ota": 0}]),
    "channel_mix_bookings": ({"direct": Fraction(7, 10), "ota": Fraction(3, 10)},
                             [{"direct": Fraction(3, 4), "ota": Fraction(1, 4)}, {"direct": Fraction(1, 3), "ota": Fraction(2, 3)},
                              {"direct": 1, "ota": 0}]),
    "payment_success_rate": (Fraction(4, 6), [Fraction(3, 4), 0, 1]),
    "time_to_ready_minutes": (Fraction(183, 5), [Fraction(115, 3), 20, 48]),
    "lock_success_rate": (Fraction(4, 6), [Fraction(3, 4), 0, 1]),
    "ai_suggestion_acceptance_rate": (Fraction(2, 4), [Fraction(1, 3), 1, None]),
    "meta_to_book_conversion": (Fraction(2, 4), [Fraction(1, 3), 1, None]),
    "meta_to_book_conversion_net": (Fraction(1, 4), [Fraction(1, 3), 0, None]),
    # the day before, the minute that 1 and 2 are booked: stay 6 is not cancelled yet, 7 and 13 are not booked
    "on_the_books": (8, [4, 3, 1]),
    "pickup": (3, [2, 1, 0]),  # of two days: stay 5 was booked the minute before those, 4 in their first
    "pace": (4, [3, 2, -1]),
}
# what the means are of
MEANS = {
    "adr": [usd(rate) for rate in (100, 100, 40, 60, 40, 200, 88)],
    "alos": [1, 1, 1, 5, 2, 1],
    "lead_time_days": [1, 1, 30, 4, 4, 10, 0, 5, 2, 2],
    "time_to_ready_minutes": [10, 10, 95, 20, 48],
}
ASKED = {"on_the_books": {"asOf": AS_OF}, "pickup": {"asOf": AS_OF, "params": {"days": 2}}, "pace": {"asOf": AS_OF}}


@pytest.fixture(scope="module")
def token(stack):
    hotel = Hotel("by hand")
    hotel.property("big", 10)
    hotel.property("small", 4)
    hotel.absent("big", 0, "short", "2024-06-11", "2024-06-12")
    hotel.absent("small", 0, "seasonal_closure", "2024-06-12", "2024-07-12")
    stays(hotel)
    operations(hotel)
    hotel.send(stack)
    return stack.token(hotel.tenant)


def answer(stack, token, metric, **body):
    said = stack.compute(token, metric, **{"dateRange": WINDOW, **ASKED.get(metric, {}), **body})
    assert said.status == 200, said
    return said.json()


def figure(value):
    return value if value is None or isinstance(value, str) else pytest.approx(float(value), rel=1e-12)


@pytest.mark.parametrize("metric", GOLDEN)
def test_golden_vector(stack, token, metric):
    whole, days = GOLDEN[metric]
    told, daily = answer(stack, token, metric), answer(stack, token, metric, granularity="day")
    if isinstance(whole, dict):
        assert {row["channel"]: row[metric] for row in told["rows"]} == {c: figure(v) for c, v in whole.items()}
        assert {(row["date"], row["channel"]): row[metric] for row in daily["rows"]} == {
            (date, c): figure(v) for date, shares in zip(DAYS, days) for c, v in shares.items()}
    else:
        assert [row[metric] for row in told["rows"]] == [figure(whole)]
        assert [(row["date"], row[metric]) for row in daily["rows"]] == [(date, figure(v)) for date, v in zip(DAYS, days)]
        assert daily["totals"][metric] == figure(whole)


def test_no_other_figure_is_the_golden_one():
    """Of the vectors themselves: what is easily taken for it is another number."""
    for metric, (whole, days) in GOLDEN.items():
        if len(figures.FIGURES[metric]) == 2 and not isinstance(whole, dict):
            rates = [Fraction(day) for day in days if day is not None]
            assert Fraction(whole) not in (statistics.mean(rates), *rates), metric
    for metric, values in MEANS.items():
        values = [Fraction(value) for value in values]
        assert round(statistics.mean(values) - Fraction(GOLDEN[metric][0])) == 0, metric
        others = (statistics.mean(set(values)), statistics.median(values), statistics.mode(values), min(values), max(values), sum(values))
        assert all(abs(other - Fraction(GOLDEN[metric][0])) > Fraction(1, 4) for other in others), (metric, others)


def test_every_metric_has_a_vector_and_a_second_opinion(stack):
    """Of what the migrations bring: a metric without its golden vector, or without SQL of its own in
    figures.py, is not finished. Both are tests for each metric that is in them."""
    rows = stack.query("select distinct key from analytics.metric_definitions where tenant_id is null and published_at <="
                       " (select max(applied_at) from analytics.schema_migrations)")
    platform = {row[0] for row in rows}
    assert len(platform) >= 26
    assert platform == set(GOLDEN), platform ^ set(GOLDEN)
    assert platform == set(figures.FIGURES), platform ^ set(figures.FIGURES)
