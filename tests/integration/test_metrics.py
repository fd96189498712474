"""The metrics' definitions, end to end: events through ingestd, figures from queryd.

The golden vector is one property on one business date in which every rule of the definitions counts:
closures, permanent house use, short out of order, complimentary, temporary house use, day use,
charged no-shows and a late cancellation.
"""

import itertools
from fractions import Fraction

import pytest

TENANT = "tnt_01HZ0000000000000000000G01"
PROPERTY = "ppt_01HZ000000000000000000P001"
TYPE = "rmt_01HZ000000000000000000T001"
DAY, NEXT = "2026-05-15", "2026-05-16"
numbers = itertools.count(1)


def money(units):
    return {"amountMicro": str(int(units * 1_000_000)), "currency": "EUR"}


def ulid():
    return f"01KE{next(numbers):022d}"


def property_event(kind, payload, at="2025-01-01T00:00:00Z"):
    return {"eventId": "evt_" + ulid(), "eventType": f"melmastoon.property.{kind}.v1", "schemaVersion": 1,
            "occurredAt": at, "tenantId": TENANT, "version": 1,
            "producer": {"service": "property-service", "version": "1"}, "data": payload}


def reservation_event(verb, rsv, payload, at):
    return {"id": "evt_" + ulid(), "subject": f"melmastoon.reservation.{verb}.v1", "occurredAt": at,
            "tenantId": TENANT, "producedBy": {"service": "reservation-service"},
            "metadata": {"schemaVersion": 1, "retentionClass": "regulated"},
            "payload": {"reservationId": rsv, **payload}}


def stay(verbs, rate, kind="sold", channel="direct", end=NEXT):
    """One reservation of one room arriving on DAY, and what became of it."""
    rsv = "rsv_" + ulid()
    item = {"itemId": "rit_" + rsv[4:], "roomTypeId": TYPE, "stay": {"start": DAY, "end": end}, "kind": kind,
            "adults": 1, "children": 0, "nightlyRates": [{"date": DAY, "amount": money(rate)}]}
    yield reservation_event("confirmed", rsv, {"propertyId": PROPERTY, "channel": channel,
                                               "items": [item], "total": money(rate)}, "2026-04-01T12:00:00Z")
    for n, verb in enumerate(verbs):
        extra = {"actualDeparture": end} if verb == "checked_out" else {}
        extra = {"penalty": money(rate)} if verb in ("no_show", "cancelled") else extra
        yield reservation_event(verb, rsv, extra, f"{DAY if n == 0 else NEXT}T{15 + n}:00:00Z")


def payment_event(outcome, method):
    return {"id": "evt_" + ulid(), "subject": f"melmastoon.payment.transaction.{outcome}.v1",
            "occurredAt": f"{DAY}T12:00:00Z", "tenantId": TENANT, "producedBy": {"service": "payment-service"},
            "metadata": {"schemaVersion": 1, "retentionClass": "regulated"},
            "payload": {"transactionId": "txn_" + ulid(), "paymentId": "pay_" + ulid(), "propertyId": PROPERTY,
                        "amount": money(100), "method": method}}


def golden_events():
    stayed = ("checked_in", "checked_out")
    yield property_event("published", {"propertyId": PROPERTY, "name": {"default": "Golden"}, "country": "PT",
                                       "timezone": "Europe/Lisbon", "currency": "EUR"})
    yield property_event("room_type.created", {"roomTypeId": TYPE, "propertyId": PROPERTY, "name": "A"})
    absences = ([("extended_closure", "2026-01-01", "2026-09-01")] * 3
                + [("house_permanent", "2026-01-01", "2027-01-01")] + [("short", DAY, "2026-05-18")] * 5)
    for n in range(100):
        room = "rmu_" + ulid()
        base = {"roomId": room, "propertyId": PROPERTY, "roomTypeId": TYPE}
        yield property_event("room.created", {**base, "number": str(n)})
        if n < len(absences):
            category, start, until = absences[n]
            yield property_event("room.out_of_order", {**base, "from": start, "until": until,
                                                       "category": category}, "2025-12-01T00:00:00Z")
    for n in range(70):
        yield from stay(stayed, 100, channel="ota" if n < 28 else "direct")
    for _ in range(4):
        yield from stay(stayed, 0, kind="complimentary")
    for _ in range(2):
        yield from stay(stayed, 0, kind="house_use")
    for _ in range(3):
        yield from stay(stayed, 30, end=DAY)
    for _ in range(2):
        yield from stay(("no_show",), 100)
    yield from stay(("cancelled",), 100)
    for outcome, method in (("captured", "card"),) * 3 + (("failed", "card"), ("captured", "cash")):
        yield payment_event(outcome, method)


@pytest.fixture(scope="module")
def golden(stack):
    stack.send_events(list(golden_events()))
    stack.wait()
    token = stack.token(TENANT, "--role", "manager", "--property", PROPERTY)

    def compute(metric, **body):
        answer = stack.compute(token, metric, **{"dateRange": {"from": DAY, "to": DAY}, **body})
        assert answer.status == 200, answer
        return answer.json()
    return compute


GOLDEN = {
    "rooms_available": 96,
    "rooms_sold": 70,
    "rooms_occupied": 76,
    "room_revenue": "7000000000",
    "occupancy_pct": Fraction(70, 96),
    "occupancy_total_pct": Fraction(76, 96),
    "occupancy_adjusted_pct": Fraction(70, 91),
    "adr": "100000000",
    "revpar": "72916667",
    "cancellation_rate": Fraction(1, 82),
    "no_show_rate": Fraction(2, 81),
    "lead_time_days": 44,  # booked on 1 April
    "payment_success_rate": Fraction(4, 5),
    "alos": None,  # departures of the day itself: only day use, which is no stay
}


@pytest.mark.parametrize("metric", GOLDEN)
def test_golden_vector(golden, metric):
    rows = golden(metric)["rows"]
    assert len(rows) == 1, rows
    expected = GOLDEN[metric]
    if isinstance(expected, Fraction):
        assert rows[0][metric] == pytest.approx(float(expected), rel=1e-12)
    else:
        assert rows[0][metric] == expected


def test_alos_counts_departures(golden):
    assert golden("alos", dateRange={"from": NEXT, "to": NEXT})["rows"] == [{"alos": 1}]


def test_cancellation_by_booking_date(golden):
    booked = golden("cancellation_rate_booked", dateRange={"from": "2026-04-01", "to": "2026-04-01"})
    assert booked["rows"] == [{"cancellation_rate_booked": pytest.approx(1 / 82)}]
    assert golden("cancellation_rate_booked")["rows"] == [{"cancellation_rate_booked": None}]


def test_payments_by_method(golden):
    rows = golden("payment_success_rate", dimensions=["method"])["rows"]
    assert rows == [{"method": "card", "payment_success_rate": 0.75}, {"method": "cash", "payment_success_rate": 1}]


def test_channel_mix_sums_to_one(golden):
    rows = {row["channel"]: row["channel_mix"] for row in golden("channel_mix")["rows"]}
    assert rows == {"direct": pytest.approx(0.6), "ota": pytest.approx(0.4)}
    revenue = {row["channel"]: row["channel_mix_revenue"] for row in golden("channel_mix_revenue")["rows"]}
    assert revenue == {"direct": pytest.approx(0.6), "ota": pytest.approx(0.4)}
    bookings = {row["channel"]: row["channel_mix_bookings"] for row in golden("channel_mix_bookings")["rows"]}
    assert bookings == {"direct": pytest.approx(54 / 82), "ota": pytest.approx(28 / 82)}  # whatever became of them


@pytest.mark.parametrize("granularity", ["day", "week", "month", "quarter", "year", None])
def test_occupancy_times_adr_is_revpar_in_every_cell(golden, granularity):
    body = {"dateRange": {"from": "2026-05-01", "to": "2026-06-15"}, "dimensions": ["property_id"]}
    if granularity:
        body["granularity"] = granularity
    occupancy, adr, revpar = (golden(m, **body)["rows"] for m in ("occupancy_pct", "adr", "revpar"))
    assert len(occupancy) == len(revpar) > 0

    def by_period(rows, metric):
        return {row.get("date"): row[metric] for row in rows}
    adr = by_period(adr, "adr")
    occupancy = by_period(occupancy, "occupancy_pct")
    for row in revpar:
        if adr.get(row.get("date")) is None:
            assert row["revpar"] == "0" and occupancy[row.get("date")] == 0
        else:
            product = occupancy[row.get("date")] * int(adr[row.get("date")])
            assert product == pytest.approx(int(row["revpar"]), abs=1.5)


def test_parts_of_the_months_give_the_total(golden):
    window = {"from": "2026-03-01", "to": "2026-08-31"}
    months = {m: golden(m, dateRange=window, granularity="month")["rows"] for m in ("room_revenue", "rooms_sold")}
    revenue = sum(int(row["room_revenue"]) for row in months["room_revenue"])
    sold = sum(row["rooms_sold"] for row in months["rooms_sold"])
    total = golden("adr", dateRange=window, granularity="month")["totals"]["adr"]
    assert int(total) == pytest.approx(revenue / sold, abs=1)


def test_time_series_is_dense(golden):
    rows = golden("rooms_sold", dateRange={"from": "2026-05-10", "to": "2026-05-20"}, granularity="day")["rows"]
    assert [row["date"] for row in rows] == [f"2026-05-{d}" for d in range(10, 21)]
    assert [row["rooms_sold"] for row in rows] == [70 if row["date"] == DAY else 0 for row in rows]


def test_filters_and_dimensions(golden):
    ota = [{"dimension": "channel", "op": "eq", "values": ["ota"]}]
    assert golden("rooms_sold", filters=ota)["rows"] == [{"rooms_sold": 28}]
    rest = [{"dimension": "channel", "op": "not_in", "values": ["ota"]}]
    assert golden("rooms_sold", filters=rest, dimensions=["channel"])["rows"] == [
        {"channel": "direct", "rooms_sold": 42}]


def test_cached_answer_is_the_uncached_one(golden):
    body = {"dateRange": {"from": "2026-05-01", "to": "2026-05-31"}, "granularity": "week"}
    first, second = golden("occupancy_pct", **body), golden("occupancy_pct", **body)
    assert second["cache"] == "HIT"
    for answer in (first, second):
        for changing in ("cache", "asOf", "freshnessSeconds", "bytesScanned"):
            answer.pop(changing, None)
    assert first == second
