"""What can be sold: rooms, types, absences, the word of inventory; the golden vector of the model."""
import datetime as dt
import random

import pytest

import warehouse as wh
from events import PROPERTY, TYPE_A, TYPE_B, at, confirmed, day, event, ident, inventory, item, reservation, room


def inventory_rows(world, room_type, first, last):
    return {r[0]: tuple(map(int, r[1:])) for r in world.rows(
        "select date, rooms_total, out_of_order, out_of_service, closed, house_permanent from analytics_curated.fact_inventory_day"
        " where room_type_id = $1 and date between $2::date and $3::date", room_type, first, last)}


def test_a_room_moves_between_types(world):
    world.apply(inventory({TYPE_A: 3}))
    world.apply([room("updated", "2024-03-01T12:00", 0, roomTypeId=TYPE_B)])
    assert inventory_rows(world, TYPE_A, "2024-02-29", "2024-03-01") == {"2024-02-29": (3, 0, 0, 0, 0), "2024-03-01": (2, 0, 0, 0, 0)}
    assert inventory_rows(world, TYPE_B, "2024-02-29", "2024-03-01") == {"2024-03-01": (1, 0, 0, 0, 0)}
    assert world.value("select max(date) from analytics_curated.fact_inventory_day") == "2028-12-31"
    assert world.rows("select status, count(*) from analytics_curated.dim_room_type group by 1 order by 1") == [["active", "1"], ["unknown", "1"]]
    world.apply([room("archived", "2024-04-01T12:00", 0), room("out_of_order", "2024-04-01T12:00", 1, **{"from": "2024-05-01", "until": "2024-05-03"})])
    assert inventory_rows(world, TYPE_B, "2024-03-31", "2024-04-01") == {"2024-03-31": (1, 0, 0, 0, 0), "2024-04-01": (0, 0, 0, 0, 0)}
    assert inventory_rows(world, TYPE_A, "2024-05-02", "2024-05-03") == {"2024-05-02": (2, 1, 0, 0, 0), "2024-05-03": (2, 0, 0, 0, 0)}


def test_what_inventory_says_of_a_day_wins_and_costs_a_day(world):
    world.apply(inventory({TYPE_A: 3}))
    before = world.value("select max(_updated_at) from analytics_curated.fact_inventory_day")
    world.apply([event("inventory.room_type_daily.updated", "2024-02-01T00:00", {"propertyId": PROPERTY, "roomTypeId": TYPE_A, "stayDate": "2024-06-01",
                       "total": 9, "oosBlocked": 2}),
                 event("inventory.room_type_daily.updated", "2024-01-31T00:00", {"propertyId": PROPERTY, "roomTypeId": TYPE_A, "stayDate": "2024-06-01",
                       "total": 8, "oosBlocked": 1})])
    assert inventory_rows(world, TYPE_A, "2024-06-01", "2024-06-02") == {"2024-06-01": (9, 0, 2, 0, 0), "2024-06-02": (3, 0, 0, 0, 0)}
    assert world.value("select count(*) from analytics_curated.fact_inventory_day where _updated_at > $1::timestamptz", before) == "1"


def test_a_raised_horizon_is_a_delta(world):
    world.apply(inventory({TYPE_A: 1}))
    raised = lambda year: world.etld.statement(wh.ETLD + "raise_horizon.sql", year)
    assert raised(2027) == [[None, "t", "1", None]]  # no error, done, tenants touched
    for year in (2027, 2026):  # asked again, or by a clock that is behind: nothing
        assert raised(year) == [[None, "t", "0", None]]
    wh.drain(world.etld)
    assert world.rows("select max(date), count(*) = max(date) - min(date) + 1 from analytics_curated.fact_inventory_day") == [["2029-12-31", "t"]]


def brute_force(events, room_type, days):
    """fact_inventory_day by looking at every room on every day."""
    said = {}
    for e in sorted((e for e in events if ".room." in e["subject"]), key=lambda e: (at(e["occurredAt"][:-1]), e["id"])):
        verb, p = e["subject"].split(".")[3], e["payload"]
        local = str(at(e["occurredAt"][:-1]).date())
        said.setdefault(p["roomId"], []).append((verb, p, local))
    out = {}
    for d in days:
        count = dict.fromkeys(("total", "out_of_order", "out_of_service", "closed", "house_permanent"), 0)
        for about in said.values():
            kind, state = None, None
            for verb, p, local in about:
                start = p.get("from") or local
                if verb in ("created", "updated", "archived"):
                    if local <= d and (verb != "updated" or "roomTypeId" in p):
                        kind = p.get("roomTypeId") if verb != "archived" else None
                elif start <= d and (verb == "returned" or d < p.get("until", "9999")):
                    long = "until" in p and (day(p["until"]) - day(start)).days >= 180
                    state = {"returned": None, "out_of_service": "out_of_service"}.get(verb) if verb != "out_of_order" else {
                        "house_permanent": "house_permanent", "seasonal_closure": "closed", "extended_closure": "closed", "short": "out_of_order"}.get(
                        p.get("category"), "closed" if long else "out_of_order")
            if kind == room_type:
                count["total"] += 1
                if state:
                    count[state] += 1
        out[d] = tuple(count.values())
    return out


@pytest.mark.parametrize("seed", range(5))
def test_inventory_is_what_looking_at_every_day_gives(world, seed):
    rng = random.Random(seed)
    start = day("2024-01-01")
    events = inventory({TYPE_A: 4, TYPE_B: 3}) + [room("created", "2024-01-20T00:00", 90 + n, roomTypeId=rng.choice((TYPE_A, TYPE_B))) for n in range(2)]
    for n in range(60):
        verb = rng.choice(("out_of_order", "out_of_order", "out_of_service", "returned", "updated", "archived", "created"))
        payload = {}
        if verb in ("updated", "created"):
            payload["roomTypeId"] = rng.choice((TYPE_A, TYPE_B))
        elif verb != "archived":
            if rng.random() < 0.7:
                payload["from"] = str(start + dt.timedelta(rng.randint(0, 150)))
            if rng.random() < 0.7 and verb != "returned":
                payload["until"] = str(day(payload.get("from", "2024-03-01")) + dt.timedelta(rng.choice((-1, 0, 1, 3, 20, 179, 180, 200))))
            if rng.random() < 0.5 and verb == "out_of_order":
                payload["category"] = rng.choice(("short", "seasonal_closure", "extended_closure", "house_permanent", "other"))
        when = at("2024-01-01T00:00") + dt.timedelta(days=rng.randint(1, 120), minutes=n)
        events.append(room(verb, when, rng.choice((0, 1, 2, 3, 90, 91)), n_event=n, **payload))
    shuffled = events[:]
    rng.shuffle(shuffled)
    for k in range(0, len(shuffled), 17):
        world.apply(shuffled[k:k + 17], 5)
    days = [str(start + dt.timedelta(n)) for n in range(420)]
    for room_type in (TYPE_A, TYPE_B):
        found = inventory_rows(world, room_type, days[0], days[-1])
        assert found == {d: v for d, v in brute_force(events, room_type, days).items() if d in found}, seed
        assert world.rows("select inventory_from, inventory_to, (select count(*) from analytics_curated.fact_inventory_day f where f.room_type_id = d.room_type_id)"
                          " = inventory_to - inventory_from + 1 from analytics_curated.dim_room_type d where room_type_id = $1", room_type)[0][2] == "t"


# ---- the golden vector of the model

def test_golden_vector(world):
    date, after = "2024-06-10", "2024-06-11"
    events = inventory({TYPE_A: 100})
    absences = [("extended_closure", "2024-03-01", "2024-11-01")] * 3 + [("house_permanent", "2024-01-02", None)] + [("short", "2024-06-09", "2024-06-12")] * 5
    for n, (category, start, until) in enumerate(absences):
        events.append(room("out_of_order", "2024-01-02T00:00", n, category=category, **{"from": start} | ({"until": until} if until else {})))
    sold = [("sold", 100.0, ("checked_in", "checked_out"))] * 70 + [("complimentary", 0.0, ("checked_in", "checked_out"))] * 4 + \
        [("house_use", 0.0, ("checked_in", "checked_out"))] * 2 + [("day_use", 30.0, ("checked_in", "checked_out"))] * 3 + \
        [("sold", 100.0, ("no_show",))] * 2 + [("sold", 100.0, ("cancelled",))]
    for n, (kind, rate, verbs) in enumerate(sold):
        rsv = ident("rsv", n)
        events.append(confirmed("2024-05-01T10:00", rsv, [item(date, date if kind == "day_use" else after, rate, kind)]))
        events += [reservation(v, f"2024-06-{10 + k}T12:00", rsv, **{"actualDeparture": date if kind == "day_use" else after} if v == "checked_out" else {})
                   for k, v in enumerate(verbs)]
    random.Random(1).shuffle(events)
    world.apply(events, 50)
    available, = [int(v) for v, in world.rows("select sum(rooms_available) from analytics_curated.fact_inventory_day where date = $1::date", date)]
    out_of_order = int(world.value("select sum(out_of_order) from analytics_curated.fact_inventory_day where date = $1::date", date))
    n_sold, occupied, revenue = [float(v) for v in world.rows(
        "select count(*) filter (where kind = 'sold'), count(*) filter (where kind <> 'day_use'), sum(rate_micro) filter (where kind = 'sold') / 1e6"
        " from analytics_curated.fact_room_night where stay_date = $1::date and state in ('on_books', 'in_house', 'stayed')", date)[0]]
    assert available == 96
    assert [round(v, 6) for v in (n_sold / available, occupied / available, n_sold / (available - out_of_order), revenue / n_sold, revenue / available)] == \
        [0.729167, 0.791667, 0.769231, 100.0, 72.916667]
    assert world.value("select sum(rate_micro) / 1000000 from analytics_curated.fact_room_night where kind = 'day_use'") == "90.0000000000000000"
