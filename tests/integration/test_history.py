"""The history of room nights: whatever is asked as of an instant is what the events until then say."""
import collections
import datetime as dt
import random

import pytest

import warehouse as wh
from events import TENANT, TYPE_A, TYPE_B, confirmed, ident, item, money, reservation
from hotel import API, Hotel
from test_rebuild import life
from warehouse import World

CONTENT = "reservation_id, item_id, stay_date, property_id, room_type_id, channel, market_segment, rate_plan_id, kind, currency"
HELD = "state in ('on_books', 'in_house', 'stayed')"


@pytest.fixture(scope="module")
def shared_world(cluster):
    world = World(cluster, "history_world")
    yield world
    world.close()


def books(world, tenant, at):
    """What was on the books at an instant, by the history."""
    return world.rows(f"select {CONTENT}, sum(rate_delta_micro), sum(rooms_delta)"
                      " from analytics_curated.fact_room_night_history where tenant_id = $1 and known_at <= $2::timestamptz"
                      f" group by {CONTENT} having sum(rooms_delta) <> 0 or sum(rate_delta_micro) <> 0 order by {CONTENT}",
                      tenant, at)


def held(world, tenant):
    """What the nights themselves say."""
    return world.rows(f"select {CONTENT}, rate_micro, 1 from analytics_curated.fact_room_night"
                      f" where tenant_id = $1 and {HELD} order by {CONTENT}", tenant)


@pytest.mark.parametrize("seed", range(6))
def test_as_of_an_instant_is_what_the_events_until_then_make(shared_world, seed):
    """For every instant a tenant of its own, who has only heard of what happened until then."""
    world, rng = shared_world, random.Random(seed)
    print("seed", seed)
    events = list({e["id"]: e for n in range(15) for e in life(rng, n)}.values())
    tenant = ident("tnt", "history", seed)
    rng.shuffle(events)
    wh.land(world.ingestd, [e | {"tenantId": tenant} for e in events])
    instants = rng.sample(sorted({e["occurredAt"] for e in events}), 12)
    past = {at: ident("tnt", "until", seed, at) for at in instants}
    for at, other in past.items():
        wh.land(world.ingestd, [e | {"tenantId": other} for e in events if e["occurredAt"] <= at])
    wh.drain(world.etld)
    for at, other in past.items():
        assert books(world, tenant, at) == held(world, other), at
    assert books(world, tenant, "infinity") == held(world, tenant) != []
    assert books(world, tenant, "2000-01-01T00:00:00Z") == []


def changes(world, rsv):
    return [tuple(row) for row in world.rows(
        "select known_at::date, stay_date, rooms_delta, rate_delta_micro / 1000000, channel"
        " from analytics_curated.fact_room_night_history where reservation_id = $1 order by known_at, stay_date, rooms_delta", rsv)]


def test_what_a_change_is(world):
    """Only what moves a night is one; what was said late stands where it belongs."""
    rsv = ident("rsv", 1)
    booked = [confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03", 100)])]
    came = [("2024-01-01", "2024-02-01", "1", "100", "direct"), ("2024-01-01", "2024-02-02", "1", "100", "direct")]
    world.apply(booked + [reservation("modified", "2024-01-02T10:00", rsv, total=money(5)),
                          reservation("checked_in", "2024-02-01T15:00", rsv)])
    assert changes(world, rsv) == came
    world.apply([reservation("modified", "2024-01-03T10:00", rsv, items=[item("2024-02-01", "2024-02-03", 90)])])
    repriced = [("2024-01-03", day, delta, rate, "direct") for day in ("2024-02-01", "2024-02-02")
                for delta, rate in (("-1", "-100"), ("1", "90"))]
    assert changes(world, rsv) == came + repriced
    world.apply([reservation("checked_out", "2024-02-02T09:00", rsv, actualDeparture="2024-02-02")])
    left = [("2024-02-02", "2024-02-02", "-1", "-90", "direct")]
    assert changes(world, rsv) == came + repriced + left
    # it had been cancelled for two days, as is heard now
    world.apply([reservation("cancelled", "2024-01-05T10:00", rsv), reservation("confirmed", "2024-01-07T10:00", rsv)])
    gone = [(at, day, delta, rate, "direct") for at, delta, rate in (("2024-01-05", "-1", "-90"), ("2024-01-07", "1", "90"))
            for day in ("2024-02-01", "2024-02-02")]
    assert changes(world, rsv) == came + repriced + gone + left


def test_a_moved_stay_takes_the_rates_it_knew(world):
    rsv = ident("rsv", 1)
    two = [item("2024-02-01", "2024-02-03", 100), item("2024-02-01", "2024-02-03", 50, "complimentary", TYPE_B, 2)]
    world.apply([confirmed("2024-01-01T10:00", rsv, two),
                 reservation("dates_changed", "2024-01-02T10:00", rsv, stay={"start": "2024-02-02", "end": "2024-02-05"},
                             nightlyRates=[{"date": "2024-02-04", "amount": money(70)}])])
    on_books = world.rows("select stay_date, room_type_id, sum(rooms_delta), (sum(rate_delta_micro) / 1000000)::int"
                          " from analytics_curated.fact_room_night_history where known_at < '2024-01-02' group by 1, 2 order by 1, 2")
    assert on_books == sorted([day, room_type, "1", rate] for day in ("2024-02-01", "2024-02-02")
                              for room_type, rate in ((TYPE_A, "100"), (TYPE_B, "50")))
    assert books(world, TENANT, "infinity") == held(world, TENANT)
    assert world.value("select count(*) from analytics_curated.fact_room_night_history where stay_date = '2024-02-02'") == "2"


# ---- metrics

WINDOW = {"from": "2025-03-01", "to": "2025-04-30"}
SOLD = "tenant_id = $1 and kind = 'sold' and stay_date between $2::date and $3::date and known_at <= $4::timestamptz"


@pytest.fixture(scope="module")
def growing(stack):
    """Two years of a house whose stays are booked, changed, cancelled and taken back."""
    rng, hotel = random.Random(9), Hotel("history")
    hotel.property("here", 9)
    hotel.property("there", 9, room_type="b")
    for n in range(260):
        key = rng.choice(("here", "there"))
        start = dt.date(2024, 2, 25) + dt.timedelta(rng.choice((0, 364)) + rng.randrange(70))
        hotel.stay(key, n, str(start), rng.choice((0, 1, 2, 5)), kind=rng.choice((None, None, None, "complimentary")),
                   channel=rng.choice(("direct", "ota")), room_type="a" if key == "here" else "b")
        rsv, booked = hotel.id("rsv", key, n), start - dt.timedelta(10)
        for k in range(rng.choice((0, 0, 1, 2))):
            when = f"{booked + dt.timedelta(rng.randrange(12))}T1{k}:30"
            hotel.event(*rng.choice((
                ("reservation.cancelled", when, {"reservationId": rsv}),
                ("reservation.confirmed", when, {"reservationId": rsv}),
                ("reservation.modified", when, {"reservationId": rsv, "channel": "gds"}),
                ("reservation.dates_changed", when, {"reservationId": rsv, "stay": {
                    "start": str(start + dt.timedelta(3)), "end": str(start + dt.timedelta(5))}}))))
    hotel.send(stack)
    return hotel


def figures(stack, token, metric, **body):
    answer = stack.compute(token, metric, **{"dateRange": WINDOW, **body})
    assert answer.status == 200, answer
    return answer.json()


def counted(stack, tenant, first, last, at, since=None):
    """{(stay date, property, channel): nights}, summed here from single changes."""
    found = collections.Counter()
    for date, prop, channel, delta, known in stack.query(
            "select stay_date, property_id, channel, rooms_delta, known_at > $5::timestamptz"
            f" from analytics_curated.fact_room_night_history where {SOLD}", tenant, first, last, at, since or "-infinity"):
        found[date, prop, channel] += int(delta) if known == "t" else 0
    return found


def instants(rng, n):
    start = dt.datetime(2025, 2, 12, tzinfo=dt.timezone.utc)
    return [(start + dt.timedelta(hours=rng.randrange(80 * 24), minutes=30)).isoformat() for _ in range(n)]


@pytest.mark.parametrize("metric", ["on_the_books", "pickup", "pace"])
def test_metrics_are_those_of_the_changes(stack, growing, metric):
    rng, token = random.Random(3), stack.token(growing.tenant)
    for at in instants(rng, 5):
        days, body = rng.choice((1, 3, 14)), {}
        then = dt.datetime.fromisoformat(at)
        wanted = counted(stack, growing.tenant, WINDOW["from"], WINDOW["to"], at)
        if metric == "pickup":
            body = {"params": {"days": days}}
            wanted = counted(stack, growing.tenant, WINDOW["from"], WINDOW["to"], at, (then - dt.timedelta(days)).isoformat())
        if metric == "pace":
            before = [str(dt.date.fromisoformat(WINDOW[end]) - dt.timedelta(364)) for end in ("from", "to")]
            for (date, *group), nights in counted(stack, growing.tenant, *before, (then - dt.timedelta(364)).isoformat()).items():
                wanted[str(dt.date.fromisoformat(date) + dt.timedelta(364)), *group] -= nights
        answer = figures(stack, token, metric, asOf=at, granularity="day", dimensions=["property_id", "channel"], **body)
        got = {(r["date"], r["property_id"], r["channel"]): r[metric] for r in answer["rows"]}
        groups = {key[1:] for key in wanted}
        assert got == {(str(dt.date(2025, 3, 1) + dt.timedelta(n)), *group): wanted.get((str(dt.date(2025, 3, 1) + dt.timedelta(n)), *group), 0)
                       for group in groups for n in range(61)}, at
        total = sum(wanted.values())
        assert answer["totals"][metric] == total
        assert figures(stack, token, metric, asOf=at, **body)["rows"] == [{metric: total}]
        filtered = figures(stack, token, metric, asOf=at, filters=[{"dimension": "channel", "op": "eq", "values": ["ota"]}], **body)
        assert filtered["rows"] == [{metric: sum(n for key, n in wanted.items() if key[2] == "ota")}]


def test_before_the_first_event_and_after_the_last(stack, growing):
    token = stack.token(growing.tenant)
    sold = figures(stack, token, "rooms_sold", granularity="day")["rows"]
    now = figures(stack, token, "on_the_books", granularity="day")
    assert [row["on_the_books"] for row in now["rows"]] == [row["rooms_sold"] for row in sold] and len(sold) == 61
    assert figures(stack, token, "on_the_books", asOf="2100-01-01T00:00:00Z", granularity="day")["rows"] == now["rows"]
    early = {"asOf": "2020-01-01T00:00:00Z", "granularity": "day"}
    for metric in ("on_the_books", "pickup", "pace"):
        rows = figures(stack, token, metric, **early)["rows"]
        assert len(rows) == 61 and {row[metric] for row in rows} == {0}
        assert figures(stack, token, metric, asOf="2020-01-01T00:00:00Z")["rows"] == [{metric: 0}]
    assert figures(stack, token, "pickup", granularity="day")["totals"] == {"pickup": 0}  # nothing moved in the last week


def test_several_at_once_and_only_of_ones_own(stack, growing):
    here = growing.id("ppt", "here")
    token = stack.token(growing.tenant, "--role", "manager", "--property", here)
    at = "2025-03-20T00:00:00Z"
    query = {"metrics": ["on_the_books", "pickup", "pace"], "dateRange": WINDOW, "asOf": at, "params": {"days": 5}}
    answer = stack.http("POST", "queryd", f"{API}/queries:run", {"query": query}, token)
    assert answer.status == 200, answer
    single = {m: figures(stack, stack.token(growing.tenant), m, asOf=at, dimensions=["property_id"],
                         **({"params": {"days": 5}} if m == "pickup" else {}))["rows"] for m in query["metrics"]}
    assert answer.json()["rows"] == [{m: row[m] for m, rows in single.items() for row in rows if row["property_id"] == here}]
    refused = stack.compute(token, "rooms_sold", dateRange=WINDOW, asOf=at)
    assert refused.status == 400 and refused.json()["violations"][0]["field"] == "asOf"


def test_golden_vector(stack):
    """One stay date. 3 rooms booked 30 days before, 1 of them cancelled 3 days before; 2 booked 5 days
    before; 1 is day use. A year (364 days) before: 2 rooms booked 30 days before, 1 more on the day before."""
    hotel = Hotel("golden history")
    hotel.property("house", 9)

    def book(n, stay, days, nights=1):
        start = dt.date.fromisoformat(stay)
        hotel.stay("house", n, stay, nights)
        hotel.events[-1]["occurredAt"] = f"{start - dt.timedelta(days)}T08:00:00Z"
        return hotel.id("rsv", "house", n)

    gone = [book(n, "2025-06-10", 30) for n in range(3)][0]
    hotel.event("reservation.cancelled", "2025-06-07T08:00", {"reservationId": gone})
    for n in (3, 4):
        book(n, "2025-06-10", 5)
    book(5, "2025-06-10", 5, nights=0)
    for n, days in ((6, 30), (7, 30), (8, 1)):
        book(n, "2024-06-11", days)
    hotel.send(stack)
    token = stack.token(hotel.tenant)

    def value(metric, at, **more):
        return figures(stack, token, metric, dateRange={"from": "2025-06-10", "to": "2025-06-10"}, asOf=at, **more)["rows"][0][metric]

    for at, on_the_books, pickup, pace in (("2025-05-11T07:59:59Z", 0, 0, 0), ("2025-05-11T08:00:00Z", 3, 3, 1),
                                           ("2025-06-06T00:00:00Z", 5, 2, 3), ("2025-06-07T08:00:00Z", 4, 1, 2),
                                           ("2025-06-09T08:00:00Z", 4, -1, 1), ("2025-06-20T00:00:00Z", 4, 0, 1)):
        days = 3 if at == "2025-06-09T08:00:00Z" else 7
        assert [value("on_the_books", at), value("pickup", at, params={"days": days}), value("pace", at)] == [on_the_books, pickup, pace], at
