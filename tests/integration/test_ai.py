"""Suggestions and demand forecasts as functions of their events, and how the forecasts turned out."""
import random

import pytest

import warehouse as wh
from events import PROPERTY, TENANT, TYPE_A, TYPE_B, at, confirmed, dt, event, ident, inventory, item, money, room
from warehouse import World

SPELLINGS = ("ai.forecast.produced", "ai_orchestrator.forecast.produced")


def decided(when, suggestion=None, request=None, decision="accepted", n=0, **payload):
    ids = {k: v for k, v in {"suggestionId": suggestion, "requestId": request}.items() if v}
    return event("ai_orchestrator.hitl.gate_decided", when, {"decision": decision, **ids, **payload}, n=n)


def inferred(when, request, n=0, **payload):
    return event("ai_orchestrator.inference.completed", when, {"requestId": request, "capability": "pricing.suggest", "propertyId": PROPERTY, **payload}, n=n)


def suggestions(world, *columns):
    return [tuple(r) for r in world.rows(f"select {', '.join(columns)} from analytics_curated.fact_ai_suggestion order by suggestion_id")]


def house(zone="UTC"):
    """Four rooms of one type and two of another."""
    return [*inventory({TYPE_A: 4}, zone=zone), *inventory({TYPE_B: 0}, zone=zone)[1:],
            *(room("created", "2024-01-01T00:00", n, roomTypeId=TYPE_B) for n in (10, 11))]


# ---- suggestions

def test_a_suggestion_from_inference_to_decision(world):
    sug, ifr, alone = ident("sug", 1), ident("ifr", 1), ident("ifr", 2)
    world.apply([*inventory({}, zone="Asia/Kabul"), inferred("2024-03-01T18:00", ifr), inferred("2024-03-01T18:00", alone)])
    columns = ("suggestion_id", "request_id", "capability", "decision", "produced_at is not null", "shown_at is not null", "business_date")
    assert suggestions(world, *columns) == [(s, s, "pricing.suggest", None, "t", "f", "2024-03-01") for s in sorted((ifr, alone))]
    # a decision about it: one row under the suggestion, in the day of the decision
    world.apply([decided("2024-03-01T20:00", sug, ifr, "edited", decidedAt="2024-03-01T19:45:00Z")])
    assert suggestions(world, *columns) == [
        (alone, alone, "pricing.suggest", None, "t", "f", "2024-03-01"), (sug, ifr, "pricing.suggest", "edited", "t", "t", "2024-03-02")]
    assert suggestions(world, "property_id", "decided_at = shown_at")[1] == (PROPERTY, "t")
    # another mind, another time shown; the last decision holds
    world.apply([decided("2024-03-01T21:00", sug, ifr, "rejected", shownAt="2024-03-01T18:01:00Z", capability="upsell")])
    assert suggestions(world, "decision", "capability", "shown_at")[1][:2] == ("rejected", "upsell")
    world.apply([decided("2024-03-01T21:00"), decided("2024-03-01T22:00", None, alone, "expired")])
    assert suggestions(world, "decision", "suggestion_id = request_id")[0] == ("expired", "t")
    assert world.rows("select error from analytics_run.failed_keys") == [["no suggestionId"]]


# ---- forecasts

def point(day, p10=1, p50=2, p90=3, **more):
    return {"stayDate": day, "roomsP10": p10, "roomsP50": p50, "roomsP90": p90, "occupancyPct": 0.5} | more


def forecast(when, points, run=1, spelling=0, room_type=None, place=PROPERTY, n=0, **more):
    payload = {"forecastRunId": ident("fcr", run), "capability": "pricing.demand_forecast", "model": "hotel-tabular", "modelVersion": "3.2.0",
               "propertyId": place, "generatedAt": when + ":00Z", "horizonDays": 30, "points": points, **more}
    return event(SPELLINGS[spelling], when, payload | ({"roomTypeId": room_type} if room_type else {}), n=n)


def vintages(world, *columns):
    return [tuple(r) for r in world.rows(f"select {', '.join(columns)} from analytics_curated.fact_demand_forecast"
                                         " order by generated_at, forecast_run_id, room_type_id nulls first, stay_date")]


def reasons(world):
    return [tuple(r) for r in world.rows("select point, reason from analytics_curated.forecast_quarantine order by event_id, point")]


def test_vintages_are_kept_in_both_spellings(world):
    world.apply(house("Asia/Kabul"))
    world.apply([forecast("2024-03-01T20:00", [point("2024-03-02", adr=money(80)), point("2024-03-05", 2.5, 3.25, 4)]),
                 forecast("2024-03-02T10:00", [point("2024-03-05", 0, 1, 2)], run=2, spelling=1, room_type=TYPE_B.replace("rmt_", "rty_"))])
    assert vintages(world, "room_type_id", "stay_date", "horizon_days", "rooms_p10", "rooms_p50", "rooms_p90", "occupancy", "adr_micro", "currency", "model_version") == [
        (None, "2024-03-02", "0", "1", "2", "3", "0.5", "80000000", "USD", "3.2.0"),  # generated at 00:30 of that day in Kabul
        (None, "2024-03-05", "3", "2.5", "3.25", "4", "0.5", None, None, "3.2.0"), (TYPE_B, "2024-03-05", "3", "0", "1", "2", "0.5", None, None, "3.2.0")]
    # the same run again with another figure is a correction of that vintage; a new run is a new vintage
    world.apply([forecast("2024-03-01T21:00", [point("2024-03-05", 1, 1, 1)], generatedAt="2024-03-01T20:00:00Z"),
                 forecast("2024-03-03T10:00", [point("2024-03-05", 4, 5, 6)], run=3)])
    assert vintages(world, "stay_date", "rooms_p50") == [("2024-03-02", "2"), ("2024-03-05", "1"), ("2024-03-05", "1"), ("2024-03-05", "5")]
    assert reasons(world) == []


def test_the_guard_rails(world):
    world.apply(house())
    bad = [point("2024-03-05", -1), point("2024-03-05", 0, 2, 7), point("2024-03-05", 3, 2, 4), point("2024-03-05", 2, 3, 2), point("2024-02-29"), point("2024-02-30"),
           point("2024-03-05", p50="2"), point("2024-03-05", occupancyPct=1.01), point("2024-03-05", adr=money(-1)), point("2024-03-05", 0, 2, 6), "no point"]
    world.apply([forecast("2024-03-01T10:00", bad)])
    assert reasons(world) == [("1", "negative"), ("2", "above_capacity"), ("3", "quantiles_out_of_order"), ("4", "quantiles_out_of_order"), ("5", "stale"), ("6", "incomplete"),
                              ("7", "incomplete"), ("8", "above_capacity"), ("9", "negative"), ("11", "incomplete")]
    assert vintages(world, "stay_date", "rooms_p90") == [("2024-03-05", "6")]
    world.apply([forecast("2024-03-10T10:01", [point("2024-03-12")], run=2, generatedAt="2024-03-08T10:00:00Z"),  # 48 h and a minute
                 forecast("2024-03-10T10:00", [point("2024-03-12")], run=3, generatedAt="2024-03-08T10:00:00Z"),
                 forecast("2024-03-10T10:00", [point("2024-03-12")], run=4, room_type=ident("rmt", "?")), forecast("2024-03-10T10:00", [point("2024-03-12")], run=5, place=None),
                 forecast("2024-03-10T10:00", [point("2024-03-12", 1, 2, 3)], run=6, room_type=TYPE_B), forecast("2024-03-10T10:00", [point("2024-03-12")], run="", forecastRunId=7)])
    assert {(r[0], r[1]) for r in world.rows("select forecast_run_id, reason from analytics_curated.forecast_quarantine where forecast_run_id <> $1", ident("fcr", 1))} == {
        (ident("fcr", 2), "stale"), (ident("fcr", 4), "unknown_room_type"), (ident("fcr", 5), "unknown_property"), (ident("fcr", 6), "above_capacity")}
    assert [v for v in vintages(world, "forecast_run_id")][1:] == [(ident("fcr", 3),)]
    assert world.rows("select error from analytics_run.failed_keys") == [["no forecastRunId"]]
    # who may look at what was not believed
    assert world.connect("analytics_dqd").query("select count(*) from analytics_curated.forecast_quarantine") == [["14"]]
    assert world.value("select has_table_privilege('analytics_tenants', 'analytics_curated.forecast_quarantine', 'select')") == "f"


def test_judged_again_when_the_property_becomes_known(world):
    world.apply([forecast("2024-03-01T20:00", [point("2024-03-01"), point("2024-03-05", 1, 2, 5)], room_type=TYPE_A)])
    assert reasons(world) == [("1", "unknown_property"), ("2", "unknown_property")]
    world.apply(inventory({TYPE_A: 4}, zone="Asia/Kabul"))
    assert reasons(world) == [("1", "stale"), ("2", "above_capacity")] and vintages(world, "stay_date") == []
    world.apply([room("created", "2024-01-02T00:00", 99, roomTypeId=TYPE_A)])
    assert reasons(world) == [("1", "stale")] and vintages(world, "stay_date") == [("2024-03-05",)]
    versions = world.value("select data_version from analytics_run.table_state where table_name = 'fact_demand_forecast'")
    world.apply([room("out_of_order", "2024-01-03T00:00", 99, **{"from": "2024-03-01", "until": "2024-04-01"})])  # no other number of rooms
    assert world.value("select data_version from analytics_run.table_state where table_name = 'fact_demand_forecast'") == versions
    world.apply([event("property.updated", "2024-01-04T00:00", {"propertyId": PROPERTY, "timezone": "UTC"})])
    assert reasons(world) == [] and len(vintages(world, "stay_date")) == 2


def scoped(world, sql):
    """As the tenant, with all of its properties."""
    from test_isolation import PASSWORD, scoped, sign
    world.etld.statement(wh.ETLD + "provision_tenant.sql", TENANT, PASSWORD, "true")
    conn = world.connect(TENANT, PASSWORD)
    return scoped(conn, sign(world, conn, TENANT), sql)


def test_the_latest_vintage_and_how_good_it_was(world):
    """Sold: 2, 4 and 0 rooms on three nights; 3, 1 and 0 on the same weekdays a year before."""
    nights = {"2024-03-05": 2, "2024-03-06": 4, "2023-03-07": 3, "2023-03-08": 1}
    stays = [confirmed("2023-01-01T10:00", ident("rsv", day, n), [item(day, str(dt.date.fromisoformat(day) + dt.timedelta(1)))]) for day, sold in nights.items() for n in range(sold)]
    world.apply([*inventory({TYPE_A: 9}), *stays, confirmed("2024-01-01T10:00", ident("rsv", 0), [item("2024-03-05", "2024-03-06", kind="complimentary")])])
    days = ("2024-03-05", "2024-03-06", "2024-03-07")
    world.apply([forecast("2024-03-04T10:00", [point(days[0], 1, 3, 4), point(days[1], 2, 3, 4), point(days[2], 1, 1, 2)], run=1),
                 forecast("2024-03-01T10:00", [point(days[0], 0, 0, 1)], run=2), forecast("2024-03-01T10:00", [point(days[0], 2, 2, 2)], run=3, room_type=TYPE_A),
                 forecast("2024-03-01T10:00", [point(str(dt.date.today() + dt.timedelta(3)))], run=4)])
    assert scoped(world, "select room_type_id, stay_date, rooms_p50, horizon_days from tenant_views.fact_demand_forecast_latest where stay_date < '2024-12-31' order by 1 nulls first, 2") == [
        [None, days[0], "3", "1"], [None, days[1], "3", "2"], [None, days[2], "1", "3"], [TYPE_A, days[0], "2", "4"]]
    rows = scoped(world, "select room_type_id, horizon_days, points, rooms_sold, mape, wape, bias, coverage, compared, last_year_wape, compared_wape"
                         " from tenant_views.forecast_accuracy order by 1 nulls first, 2")
    half, third = "0.500000", "0.250000"
    assert rows == [
        [None, "1", "1", "2", half, half, half, "1.000000", "1", half, half],                    # 3 for 2; last year 3
        [None, "2", "1", "4", third, third, "-0.250000", "1.000000", "1", "0.750000", third],    # 3 for 4; last year 1
        [None, "3", "1", "0", None, None, None, "0.000000", "1", None, None],                    # 1 for 0; last year 0
        [None, "4", "1", "2", "1.000000", "1.000000", "-1.000000", "0.000000", "1", half, "1.000000"],
        [TYPE_A, "4", "1", "2", "0.000000", "0.000000", "0.000000", "1.000000", "1", half, "0.000000"]]


# ---- any order

def stream(rng, tenant):
    events, t0 = inventory({TYPE_A: 3, TYPE_B: 1}, zone=rng.choice(("Asia/Kabul", "UTC")), tenant=tenant), at("2024-03-01T00:00")
    events.append(room("updated", "2024-03-02T00:00", 0, roomTypeId=TYPE_B))
    for n in range(rng.randint(15, 40)):
        when = t0 + dt.timedelta(hours=rng.randint(0, 40))
        sug, ifr = ident("sug", rng.randint(0, 4)), ident("ifr", rng.randint(0, 4))
        events.append(rng.choice((
            lambda: inferred(when, ifr, n), lambda: decided(when, sug, rng.choice((ifr, None)), rng.choice(("accepted", "expired")), n, propertyId=rng.choice((PROPERTY, None))),
            lambda: decided(when, None, ifr, "rejected", n),
            lambda: forecast(when.isoformat()[:16], [point(f"2024-03-0{rng.randint(1, 5)}", 0, rng.randint(0, 2), rng.randint(1, 5)) for _ in range(4)], rng.randint(0, 2), n % 2,
                             rng.choice((None, TYPE_A, TYPE_B)), rng.choice((PROPERTY, PROPERTY, ident("ppt", 2))), n)))())
    return list({e["id"]: e | {"tenantId": tenant} for e in events}.values())


@pytest.fixture(scope="module")
def shared_world(cluster):
    world = World(cluster, "shared_world")
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(8))
def test_any_order_gives_the_same_rows(shared_world, seed):
    found = wh.same_in_any_order(shared_world, lambda tenant: stream(random.Random(seed), tenant), ("fact_ai_suggestion", "fact_demand_forecast", "forecast_quarantine"),
                                 random.Random(seed), ("ai", "property"))
    assert not found["fact_ai_suggestion"].startswith("0 ")
