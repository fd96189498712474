"""Facts as functions of events: cases with a rule of their own, and any order of arrival."""
import datetime as dt
import hashlib
import hmac
import json
import os
import random

import pytest

import warehouse as wh
from events import OTHER, PROPERTY, TENANT, TYPE_A, TYPE_B, at, confirmed, day, event, ident, inventory, item, money, reservation, room
from pgcluster import PgError
from warehouse import World, digests, fact, nights

TABLES = ("fact_reservation", "fact_room_night", "fact_room_night_history", "fact_payment", "fact_inventory_day", "dim_property", "dim_room_type", "dim_room")


# ---- one reservation

def test_early_departure_releases_and_is_no_cancellation(world):
    rsv = ident("rsv", 1)
    world.apply([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-05")]),
                 reservation("checked_in", "2024-02-01T15:00", rsv),
                 reservation("checked_out", "2024-02-03T09:00", rsv, actualDeparture="2024-02-03")])
    assert fact(world, rsv, "status", "departure_date", "nights", "room_revenue_micro", "cancelled_at", "night_rows") == \
        ("checked_out", "2024-02-03", "2", "200000000", None, "4")
    assert [n[3] for n in nights(world, rsv)] == ["stayed", "stayed", "released", "released"]


def test_dates_changed_keeps_the_rates_it_knows(world):
    rsv = ident("rsv", 1)
    two = [item("2024-02-01", "2024-02-03", 100), item("2024-02-01", "2024-02-03", 50, "complimentary", TYPE_B, 2)]
    world.apply([confirmed("2024-01-01T10:00", rsv, two)])
    world.apply([reservation("dates_changed", "2024-01-02T10:00", rsv, stay={"start": "2024-02-02", "end": "2024-02-05"},
                             nightlyRates=[{"date": "2024-02-04", "amount": money(70)}])])
    assert nights(world, rsv) == [
        ("rit_1", "2024-02-02", "sold", "on_books", "100"), ("rit_1", "2024-02-03", "sold", "on_books", "100"),
        ("rit_1", "2024-02-04", "sold", "on_books", "70"), ("rit_2", "2024-02-02", "complimentary", "on_books", "50"),
        ("rit_2", "2024-02-03", "complimentary", "on_books", "50"), ("rit_2", "2024-02-04", "complimentary", "on_books", "70")]
    assert fact(world, rsv, "arrival_date", "departure_date", "nights", "rooms", "room_revenue_micro", "modifications", "adults") == \
        ("2024-02-02", "2024-02-05", "3", "2", "270000000", "1", "4")
    world.apply([reservation("modified", "2024-01-03T10:00", rsv, items=[item("2024-03-01", "2024-03-02", 10)])])
    assert nights(world, rsv) == [("rit_1", "2024-03-01", "sold", "on_books", "10")]
    assert fact(world, rsv, "rooms", "modifications", "arrival_date") == ("1", "2", "2024-03-01")


def test_reinstated_and_no_show(world):
    rsv, gone = ident("rsv", 1), ident("rsv", 2)
    world.apply([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")]), reservation("cancelled", "2024-01-05T10:00", rsv, reason="guest"),
                 confirmed("2024-01-01T10:00", gone, [item("2024-02-01", "2024-02-04")]), reservation("no_show", "2024-02-01T23:00", gone)])
    assert fact(world, rsv, "status", "cancel_reason", "room_revenue_micro") == ("cancelled", "guest", "0")
    assert [n[3] for n in nights(world, gone)] == ["no_show", "released", "released"]
    world.apply([reservation("confirmed", "2024-01-06T10:00", rsv)])
    assert fact(world, rsv, "status", "cancelled_at", "cancel_reason", "room_revenue_micro", "lead_time_days") == ("confirmed", None, None, "200000000", "31")


def test_a_no_show_after_check_in(world):
    """He was checked in by mistake: the later word counts, also when it arrives first."""
    rsv, late = ident("rsv", 1), ident("rsv", 2)
    base = [confirmed("2024-01-01T10:00", r, [item("2024-02-01", "2024-02-04")]) for r in (rsv, late)]
    world.apply(base + [reservation("checked_in", "2024-02-01T15:00", rsv), reservation("no_show", "2024-02-02T09:00", late)])
    assert [n[3] for n in nights(world, rsv)] == ["in_house"] * 3
    world.apply([reservation("no_show", "2024-02-02T09:00", rsv), reservation("checked_in", "2024-02-01T15:00", late)])
    for r in (rsv, late):
        assert [n[3] for n in nights(world, r)] == ["no_show", "released", "released"]
        assert fact(world, r, "status", "no_show_at = '2024-02-02 09:00Z'") == ("no_show", "t")
    # and he came after all
    world.apply([reservation("checked_in", "2024-02-02T10:00", rsv)])
    assert fact(world, rsv, "status") == ("checked_in",) and [n[3] for n in nights(world, rsv)] == ["in_house"] * 3


def test_another_currency(world):
    """The stay is sold again in it: no night keeps an amount of the old one, and history takes that back."""
    rsv = ident("rsv", 1)
    world.apply([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03", 100)])])
    world.apply([reservation("modified", "2024-01-05T10:00", rsv, items=[item("2024-02-01", "2024-02-03", 7000, currency="AFN")], total=money(14000, "AFN"))])
    assert fact(world, rsv, "currency", "room_revenue_micro", "total_micro", "modifications") == ("AFN", "14000000000", "14000000000", "1")
    assert world.rows("select stay_date, currency, rate_micro from analytics_curated.fact_room_night order by 1") == [
        ["2024-02-01", "AFN", "7000000000"], ["2024-02-02", "AFN", "7000000000"]]
    assert world.rows("select currency, sum(rooms_delta), sum(rate_delta_micro) from analytics_curated.fact_room_night_history group by 1 order by 1") == [
        ["AFN", "2", "14000000000"], ["USD", "0", "0"]]


def test_a_stay_moves_to_another_room_type(world):
    """Before it begins and in the middle of it: each night is of the type in which it is spent, and history says what moved."""
    rsv = ident("rsv", 1)
    world.apply([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-04", 100)])])
    where = ("select stay_date, room_type_id, rate_micro / 1000000 from analytics_curated.fact_room_night where reservation_id = $1 order by 1, 2")
    assert [row[1] for row in world.rows(where, rsv)] == [TYPE_A] * 3
    world.apply([reservation("modified", "2024-01-03T10:00", rsv, items=[item("2024-02-01", "2024-02-04", 120, room_type=TYPE_B)])])
    assert [row[1:] for row in world.rows(where, rsv)] == [[TYPE_B, "120"]] * 3
    assert fact(world, rsv, "room_type_id", "rooms", "room_revenue_micro") == (TYPE_B, "1", "360000000")
    split = [item("2024-02-01", "2024-02-02", 120, room_type=TYPE_B), item("2024-02-02", "2024-02-04", 150, n=2)]
    world.apply([reservation("checked_in", "2024-02-01T15:00", rsv), reservation("modified", "2024-02-02T09:00", rsv, items=split)])
    assert world.rows(where, rsv) == [["2024-02-01", TYPE_B, "120"], ["2024-02-02", TYPE_A, "150"], ["2024-02-03", TYPE_A, "150"]]
    assert {night[3] for night in nights(world, rsv)} == {"in_house"}
    assert world.rows("select known_at::date, room_type_id, sum(rooms_delta) from analytics_curated.fact_room_night_history"
                      " where reservation_id = $1 group by 1, 2 order by 1, 2", rsv) == sorted([
        ["2024-01-01", TYPE_A, "3"], ["2024-01-03", TYPE_A, "-3"], ["2024-01-03", TYPE_B, "3"],
        ["2024-02-02", TYPE_A, "2"], ["2024-02-02", TYPE_B, "-2"]])


@pytest.mark.parametrize("when, business_date, lead", (
    ("2024-03-31T00:30", "2024-03-31", "31"),  # spring: Lisbon is at UTC until 01:00Z
    ("2024-03-30T23:59", "2024-03-30", "32"),
    ("2024-03-31T23:30", "2024-04-01", "30"),  # and an hour ahead that evening
    ("2024-10-26T23:30", "2024-10-27", "31"),  # autumn: still an hour ahead
    ("2024-10-27T00:30", "2024-10-27", "31"),  # 01:30, which comes twice: the first
    ("2024-10-27T01:30", "2024-10-27", "31"),  # and the second
    ("2024-10-27T23:30", "2024-10-27", "31"),  # no longer
    ("2024-10-28T00:00", "2024-10-28", "30")))
def test_the_nights_of_summer_time(world, when, business_date, lead):
    """Days are those of the property's clock, on the days too that have 23 or 25 hours."""
    rsv = ident("rsv", 1)
    start = day(business_date) + dt.timedelta(int(lead))
    world.apply(inventory({TYPE_A: 1}, "2024-01-01T00:00", zone="Europe/Lisbon"))
    world.apply([confirmed(when, rsv, [item(str(start), str(start + dt.timedelta(1)))]),
                 event("payment.transaction.captured", when, {"transactionId": ident("cap", 1), "propertyId": PROPERTY, "amount": money(5)})])
    assert fact(world, rsv, "lead_time_days") == (lead,)
    assert world.rows("select business_date from analytics_curated.fact_payment") == [[business_date]]


def test_day_use_sells_no_night(world):
    same_day, said = ident("rsv", 1), ident("rsv", 2)
    world.apply([confirmed("2024-01-01T10:00", same_day, [item("2024-02-01", "2024-02-01", 30)]),
                 reservation("checked_out", "2024-02-01T18:00", same_day, actualDeparture="2024-02-01"),
                 confirmed("2024-01-01T10:00", said, [item("2024-02-01", "2024-02-02", 30, "day_use")])])
    assert nights(world, same_day) == [("rit_1", "2024-02-01", "day_use", "stayed", "30")]
    assert nights(world, said) == [("rit_1", "2024-02-01", "day_use", "on_books", "30")]
    assert fact(world, same_day, "nights", "room_revenue_micro", "total_micro") == ("0", "0", "1000000")


def test_held_has_a_row_and_no_nights_and_without_a_base_there_is_none(world):
    rsv, orphan = ident("rsv", 1), ident("rsv", 2)
    stay = {"start": "2024-02-01", "end": "2024-02-03"}
    world.apply([reservation("held", "2024-01-01T10:00", rsv, stay=stay, propertyId=PROPERTY), reservation("checked_in", "2024-02-01T15:00", orphan)])
    assert fact(world, rsv, "status", "arrival_date", "nights", "rooms", "confirmed_at") == ("held", "2024-02-01", "2", "0", None)
    assert fact(world, orphan, "status") is None
    world.apply([reservation("hold_expired", "2024-01-01T11:00", rsv), confirmed("2024-01-01T10:00", orphan, [item("2024-02-01", "2024-02-02")])])
    assert fact(world, rsv, "status") == ("expired",) and nights(world, rsv) == []
    assert fact(world, orphan, "status") == ("checked_in",) and nights(world, orphan)[0][3] == "in_house"


def test_a_late_time_zone_moves_the_facts(world):
    rsv, cap = ident("rsv", 1), ident("cap", 1)
    world.apply([confirmed("2024-01-01T20:00", rsv, [item("2024-02-01", "2024-02-03")]),  # 00:30 of the next day in Kabul
                 event("payment.transaction.captured", "2024-01-31T22:00",
                       {"transactionId": cap, "paymentId": ident("pay", 1), "propertyId": PROPERTY, "amount": money(5), "method": "card"})])
    world.apply(inventory({TYPE_A: 2}, "2024-01-01T21:00", zone=None))
    assert fact(world, rsv, "lead_time_days") == ("31",)
    assert world.value("select business_date from analytics_curated.fact_payment") == "2024-01-31"
    assert world.value("select min(date) from analytics_curated.fact_inventory_day") == "2024-01-01"
    versions = dict(world.rows("select table_name, data_version from analytics_run.table_state"))
    world.apply([event("property.updated", "2024-06-01T10:00", {"propertyId": PROPERTY.replace("ppt_", "prop_"), "timezone": "Asia/Kabul"})])
    assert fact(world, rsv, "lead_time_days") == ("30",)
    assert world.value("select business_date from analytics_curated.fact_payment") == "2024-02-01"
    assert world.value("select min(date) from analytics_curated.fact_inventory_day") == "2024-01-02"
    assert world.value("select count(*) from analytics_run.touched") == "0"
    changed = {t for t, v in world.rows("select table_name, data_version from analytics_run.table_state") if v != versions.get(t)}
    assert changed == {"fact_reservation", "fact_room_night", "fact_payment", "fact_inventory_day", "dim_property", "dim_room_type"}
    world.apply([event("property.updated", "2024-06-02T10:00", {"propertyId": PROPERTY, "timezone": "Mars/Base", "city": "Kabul"})])
    assert world.rows("select timezone, city from analytics_curated.dim_property") == [["Asia/Kabul", "Kabul"]]


def test_an_erased_guest_is_forgotten(world):
    rsv = ident("rsv", 1)
    world.apply([confirmed("2024-01-01T20:00", rsv, [item("2024-02-01", "2024-02-03")])])
    key = hmac.new(b"seed", TENANT.encode(), "sha256").digest()
    guest = hashlib.sha256(key + hashlib.sha256(key + ident("gst", rsv).encode()).digest()).hexdigest()[:32]
    assert fact(world, rsv, "guest_key") == (guest,)
    world.etld.query("insert into analytics_run.erased (tenant_id, guest_key) values ($1, $2)", TENANT, guest)
    assert world.etld.statement(wh.ETLD + "touch_all_keys.sql", "reservation", TENANT) == [["1"]]
    wh.drain(world.etld)
    assert fact(world, rsv, "guest_key") == (None,)


def test_a_deleted_tenant_gets_no_secret(world):
    gone = ident("tnt", "gone")
    world.admin.query("insert into analytics_run.tombstone (tenant_id) values ($1)", gone)
    world.etld.statement(wh.ETLD + "ensure_guest_keys.sql", f"{{{gone},{TENANT}}}", None)
    assert world.rows("select tenant_id from analytics_run.guest_key") == [[TENANT]]


def test_nothing_in_a_payload_raises(world):
    rng = random.Random(5)
    junk = [None, True, 0, -1, 1.5, 1e300, 10**30, "", "x", "x" * 5000, "2024-02-30", "2024-13-01", "0000-00-00", "2024-02-01T25:00:00Z",
            "2024-02-30T10:00:00Z", "2024-02-01T10:00:00+23:00", [], {}, [None], [[]], [1], {"a": 1}, {"start": "2024-01-01", "end": "9999-01-01"},
            {"start": "2024-01-05", "end": "2024-01-01"}, {"amountMicro": "9" * 40, "currency": "usd"}, {"amountMicro": 1.5}, {"amountMicro": 2**60},
            [{"date": "2024-01-01", "amount": money(1)}] * 2]
    fields = {"reservation.confirmed": ["reservationId", "propertyId", "guestId", "channel", "bookedAt", "items", "total", "stay", "nightlyRates"],
              "reservation.dates_changed": ["stay", "items", "nightlyRates"], "reservation.checked_out": ["at", "actualDeparture"],
              "payment.transaction.captured": ["transactionId", "paymentId", "amount", "method"],
              "property.updated": ["propertyId", "name", "timezone", "currency"], "property.room_type.created": ["roomTypeId", "name", "maxOccupancy"],
              "property.room.out_of_order": ["roomId", "from", "until", "category"], "property.room.created": ["roomId", "roomTypeId", "number"],
              "inventory.room_type_daily.updated": ["roomTypeId", "stayDate", "total", "oosBlocked"],
              "tenant.created": ["name", "timezone", "weekendDays", "defaultCurrency"]}
    item_fields = ["itemId", "roomTypeId", "stay", "adults", "nightlyRates", "kind"]
    events = []
    for n in range(1500):
        subject = rng.choice(list(fields))
        payload = {"reservationId": ident("rsv", n % 50), "transactionId": ident("cap", n % 50), "propertyId": PROPERTY, "roomTypeId": TYPE_A,
                   "roomId": ident("rmu", n % 9), "stayDate": "2024-01-05", "items": [item("2024-01-01", "2024-01-03")]}
        for field in rng.sample(fields[subject], rng.randint(0, len(fields[subject]))):
            payload[field] = rng.choice(junk)
        if "items" in fields[subject] and rng.random() < 0.7:
            payload["items"] = [item("2024-01-01", "2024-01-03", n=1) | {rng.choice(item_fields): rng.choice(junk)} for _ in range(rng.randint(0, 3))]
        events.append(event(subject, f"2024-01-01T{n % 24:02}:{n % 60:02}", payload, n=n))
    events.append(event("reservation.confirmed", "2024-01-01T00:00", "no object"))
    events.append(event("reservation.confirmed", "2024-01-01T00:00", {"reservationId": "many", "items": [item("2021-01-01", "2023-12-31", n=n) for n in range(9)]}))
    world.apply(events)
    assert world.value("select count(*) from analytics_run.delta") == "0"
    assert {r[0] for r in world.rows("select error from analytics_run.failed_keys where key like 'event:%'")} == {
        "no reservationId", "more than 5000 nights", "no transactionId", "no id of a property", "no id of a room_type",
        "no id of a room", "no id of a day", "no stayDate"}


def test_a_failing_key_is_found_by_bisection(world):
    good, bad = ident("rsv", 1), ident("rsv", 2)
    rich = item("2024-02-01", "2025-02-01", 9.9e11)
    world.apply([confirmed("2024-01-01T10:00", good, [item("2024-02-01", "2024-02-03")])])
    wh.land(world.ingestd, [reservation("cancelled", "2024-01-02T10:00", good), confirmed("2024-01-01T10:00", bad, [rich])])
    shard = int(world.value("select analytics_run.shard_of($1)", TENANT))
    run = {n: (lambda *p, n=n: world.etld.statement(f"{wh.ETLD}{n}.sql", *p)) for n in
           ("take_delta", "append_reservation", "rebuild_reservation", "fail_key", "clear_failed")}
    assert wh.begin_unit(world.etld, "reservation", shard) == [shard]
    batches, tenants, _, _, lo, hi, _ = run["take_delta"]("reservation", 100, None)[0]
    tenants, keys, *_ = run["append_reservation"](batches, tenants, lo, hi)[0]
    outcome = []
    for n in (1, 2):
        world.etld.query("savepoint one")
        try:
            run["rebuild_reservation"](tenants, keys, n, n)
            outcome.append("ok")
        except PgError as e:
            world.etld.query("rollback to one")
            outcome.append(e.sqlstate)
    assert sorted(outcome) == ["22003", "ok"]
    failing = keys.strip("{}").split(",").index(bad) + 1
    for attempts in ("1", "2"):
        assert run["fail_key"]("reservation", tenants, keys, failing, "bigint out of range") == [[attempts]]
    assert run["clear_failed"]("reservation", tenants, keys, 1, 2) == [[TENANT, bad]]
    world.etld.query("commit")
    assert fact(world, good, "status") == ("cancelled",) and fact(world, bad, "status") is None


# ---- any order, any repetition, any split

def life(rng, n):
    """Random events of one reservation; later ones may have earlier times."""
    rsv, t0 = ident("rsv", n), at("2024-01-01T00:00") + dt.timedelta(hours=rng.randint(0, 2000))
    start = day("2024-02-01") + dt.timedelta(rng.randint(0, 60))

    def some_items():
        kinds = (None, None, None, "complimentary", "house_use", "day_use")
        return [item(str(start + dt.timedelta(rng.randint(0, 2))), str(start + dt.timedelta(rng.randint(2, 9))), rng.randint(1, 500), rng.choice(kinds),
                     rng.choice((TYPE_A, TYPE_B)), k, rng.choice(("USD", "USD", "AFN"))) for k in range(rng.randint(1, 3))]

    made = []
    for k in range(rng.randint(1, 9)):
        when = t0 + dt.timedelta(minutes=rng.choice((0, k, k, k, rng.randint(0, 5000))))
        verb = "confirmed" if k == 0 and rng.random() < 0.8 else rng.choice(
            ("held", "hold_expired", "confirmed", "modified", "dates_changed", "dates_changed", "cancelled", "no_show", "checked_in", "checked_out"))
        p = {"reservationId": rsv}
        if verb in ("confirmed", "modified") and rng.random() < 0.8:
            p |= {"propertyId": rng.choice((PROPERTY, PROPERTY, ident("ppt", 2))), "channel": rng.choice(("ota", "direct")), "guestId": ident("gst", n)}
        if verb in ("confirmed", "modified", "dates_changed") and rng.random() < 0.6:
            p["items"] = some_items()
        if verb in ("confirmed", "modified") and rng.random() < 0.6:
            p["total"] = money(rng.randint(1, 999))
        if verb in ("held", "dates_changed") and "items" not in p:
            s = start + dt.timedelta(rng.randint(-3, 3))
            p["stay"] = {"start": str(s), "end": str(s + dt.timedelta(rng.randint(0, 8)))}
            if rng.random() < 0.5:
                p["nightlyRates"] = [{"date": str(s + dt.timedelta(d)), "amount": money(rng.randint(1, 99))} for d in range(-1, 3)]
        if verb == "checked_out" and rng.random() < 0.7:
            p["actualDeparture"] = str(start + dt.timedelta(rng.randint(0, 9)))
        made.append(event(f"reservation.{verb}", when, p, n=k))
    return made


def stream(rng):
    events = [e for n in range(12) for e in life(rng, n)]
    for n in range(8):
        t0 = at("2024-02-01T22:00") + dt.timedelta(hours=n)
        for verb in rng.sample(("transaction.authorized", "transaction.captured", "transaction.refunded", "chargeback.opened"), rng.randint(1, 3)):
            events.append(event(f"payment.{verb}", t0 + dt.timedelta(minutes=rng.randint(0, 99)), {"transactionId": ident("cap", n), "propertyId": PROPERTY,
                                "reservationId": ident("rsv", n), "amount": money(n)}))
    events += inventory({TYPE_A: 2, TYPE_B: 2}, "2024-01-01T21:00", rng.choice(("Asia/Kabul", "UTC", None)))
    for n in range(6):
        when = at("2024-01-10T00:00") + dt.timedelta(days=rng.randint(0, 60), minutes=n)
        events.append(rng.choice((
            room("updated", when, rng.randint(0, 1), roomTypeId=rng.choice((TYPE_A, TYPE_B))),
            room("out_of_order", when, rng.randint(0, 1), **{"from": "2024-02-01", "until": f"2024-02-{rng.randint(2, 28):02}"}),
            room("returned", when, rng.randint(0, 1)),
            event("property.updated", when, {"propertyId": PROPERTY, "timezone": rng.choice(("Asia/Tehran", "America/New_York", "Bad/Zone"))}),
            event("inventory.room_type_daily.updated", when, {"roomTypeId": TYPE_A, "stayDate": f"2024-02-{rng.randint(1, 28):02}", "total": n, "oosBlocked": 1}))))
    return list({e["id"]: e for e in events}.values())


@pytest.fixture(scope="module")
def shared_world(cluster):
    world = World(cluster, "shared_world")
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(int(os.environ.get("PROPERTY_CASES", "20"))))
def test_any_order_gives_the_same_rows(shared_world, seed):
    """One tenant gets the stream at once and in order, the other in pieces, shuffled and repeated."""
    world, rng = shared_world, random.Random(seed)
    print("seed", seed)
    ordered, mixed = ident("tnt", "ordered", seed), ident("tnt", "mixed", seed)
    world.admin.query("insert into analytics_run.guest_key values ($1, $3::bytea), ($2, $3::bytea)", ordered, mixed, "\\x" + "07" * 32)
    events = stream(rng)
    wh.land(world.ingestd, [e | {"tenantId": ordered} for e in sorted(events, key=lambda e: (e["occurredAt"], e["id"]))])
    wh.drain(world.etld)
    pieces = [e | {"tenantId": mixed} for e in events]
    pieces += rng.sample(pieces, len(pieces) // 5)
    rng.shuffle(pieces)
    while pieces:
        part, pieces = pieces[:(k := rng.choice((1, 10, 40)))], pieces[k:]
        outcomes = wh.land_suspects(world.ingestd, part)
        assert set(outcomes) <= {"accepted", "duplicate"}
        if rng.random() < 0.5:
            wh.drain(world.etld, rng.choice((1, 20, 10000)))
    wh.drain(world.etld)
    assert digests(world, mixed, TABLES) == digests(world, ordered, TABLES)
    assert world.value("select count(*) from analytics_run.failed_keys") == "0"
    before = digests(world, mixed, TABLES)
    for consumer in ("property", "reservation", "payment"):
        world.etld.statement(wh.ETLD + "touch_all_keys.sql", consumer, mixed)
    versions = world.rows("select table_name, data_version from analytics_run.table_state where tenant_id = $1 order by 1", mixed)
    wh.drain(world.etld, 20)
    assert digests(world, mixed, TABLES) == before
    assert world.rows("select table_name, data_version from analytics_run.table_state where tenant_id = $1 order by 1", mixed) == versions


# ---- what a refresh leaves behind

def test_a_refresh_leaves_version_profile_marks_and_one_event(world):
    rsv = ident("rsv", 1)
    world.apply([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")])])
    world.apply([reservation("modified", "2024-01-02T10:00", rsv, channel="ota")])
    state = dict(world.rows("select table_name, data_version from analytics_run.table_state where data_version > 0"))
    assert state == {"fact_reservation": "2", "fact_room_night": "2", "fact_room_night_history": "2"}
    assert world.rows("select distinct table_name, day from analytics_run.profile_dirty order by 1, 2") == [
        ["fact_reservation", "2024-02-01"], ["fact_room_night", "2024-02-01"], ["fact_room_night", "2024-02-02"],
        ["fact_room_night_history", "2024-02-01"], ["fact_room_night_history", "2024-02-02"]]
    assert world.etld.statement(wh.ETLD + "emit_refreshed.sql", 100, "1.0") == [["0"]]
    world.etld.query("update analytics_run.refresh_due set due_at = now()")
    assert world.etld.statement(wh.ETLD + "emit_refreshed.sql", 100, "1.0") == [["3"]]
    subject, key, envelope = world.rows("select subject, ordering_key, envelope from analytics_run.outbox where envelope like '%\"fact_room_night\"%'")[0]
    payload = json.loads(envelope)["payload"]
    assert (subject, key) == ("melmastoon.analytics.projection.refreshed.v1", TENANT)
    assert payload["windows"] == [{"from": "2024-02-01", "to": "2024-02-02"}] and payload["rowsUpserted"] == 4
    assert world.etld.statement(wh.ETLD + "status.sql")[0] == ["0", "0", "0", "0", "0", "0", "3", "0", "0"]
    assert [r[:3] for r in world.etld.statement(wh.ETLD + "pending_by_consumer.sql")] == [[c, "0", "0"] for c in (
        "ai", "audit", "funnel", "fx", "housekeeping", "lock", "none", "payment", "property", "reservation", "tenant")]


def refreshed(world):
    """{(tenant, projection): payload} of what is due and is told now."""
    world.etld.query("update analytics_run.refresh_due set due_at = now()")
    world.etld.statement(wh.ETLD + "emit_refreshed.sql", 100, "1.0")
    told = [json.loads(row[0]) for row in world.rows(
        "delete from analytics_run.outbox where subject = 'melmastoon.analytics.projection.refreshed.v1' returning envelope")]
    payloads = {(e["tenantId"], e["payload"]["projectionKey"]): e["payload"] for e in told}
    assert len(payloads) == len(told)
    return payloads


def test_what_a_refresh_tells(world):
    """One event for all that changed for a tenant in ten seconds: the sums, the days, how fresh it is."""
    due = "select min(due_at), max(refreshed_at) from analytics_run.refresh_due where tenant_id = $1 and projection = 'fact_room_night'"
    landed = ["2024-03-01T10:00:00.250Z", "2024-03-01T10:00:07.500Z", "2024-03-01T10:00:03.000Z"]

    def apply(at_time, *events):
        wh.land(world.ingestd, events)
        world.admin.query("update analytics_run.delta set landed_at = $1", at_time)
        wh.drain(world.etld)

    def stay(n, start, end):
        return confirmed("2024-01-01T10:00", ident("rsv", n), [item(start, end)])

    apply(landed[0], stay(1, "2024-02-10", "2024-02-13"), {**stay(2, "2024-05-01", "2024-05-02"), "tenantId": OTHER})
    [[first_due, _]] = world.rows(due, TENANT)
    apply(landed[1], reservation("dates_changed", "2024-01-02T10:00", ident("rsv", 1), stay={"start": "2024-02-10", "end": "2024-02-11"}))
    apply(landed[2], stay(3, "2024-02-01", "2024-02-03"))
    assert world.rows(due, TENANT)[0][0] == first_due  # what comes later puts nothing off
    world.admin.query("update analytics_run.version set live = 7 where table_name = 'fact_room_night'")
    fresh = {tenant: float(world.value("select round(extract(epoch from refreshed_at - watermark), 3) from analytics_run.refresh_due"
                                       " where tenant_id = $1 and projection = 'fact_room_night'", tenant)) for tenant in (TENANT, OTHER)}
    told = refreshed(world)
    assert sorted(told) == sorted((tenant, table) for tenant in (TENANT, OTHER) for table in ("fact_reservation", "fact_room_night", "fact_room_night_history"))
    run = told[TENANT, "fact_room_night"].pop("runId")
    assert told[TENANT, "fact_room_night"] == {
        "projectionKey": "fact_room_night", "version": 7, "jobId": None, "windows": [{"from": "2024-02-01", "to": "2024-02-12"}],
        "rowsUpserted": 3 + 2, "rowsDeleted": 2, "watermark": "2024-03-01T10:00:07.500Z", "freshnessSeconds": fresh[TENANT]}
    assert told[OTHER, "fact_room_night"].pop("runId") != run
    assert told[OTHER, "fact_room_night"] == {
        "projectionKey": "fact_room_night", "version": 7, "jobId": None, "windows": [{"from": "2024-05-01", "to": "2024-05-01"}],
        "rowsUpserted": 1, "rowsDeleted": 0, "watermark": "2024-03-01T10:00:00.250Z", "freshnessSeconds": fresh[OTHER]}
    assert told[TENANT, "fact_reservation"]["version"] == 1 and told[TENANT, "fact_reservation"]["rowsUpserted"] == 3
    assert refreshed(world) == {}
    apply(landed[0], reservation("modified", "2024-01-03T10:00", ident("rsv", 3), channel="ota"))
    assert sorted(refreshed(world)) == [(TENANT, table) for table in ("fact_reservation", "fact_room_night", "fact_room_night_history")]


def test_what_has_no_days_widens_no_window(world):
    """Dimensions have none at all, and a reservation none before anybody says when."""
    world.apply(inventory({TYPE_A: 1}) + [event("tenant.created", "2024-01-01T00:00", {"name": "Ghasi"}),
                                          reservation("held", "2024-01-01T10:00", ident("rsv", 1))])
    told = refreshed(world)
    assert {table: told[TENANT, table]["windows"] for table in ("dim_property", "dim_room_type", "dim_room", "dim_tenant", "fact_reservation")} == {
        table: [] for table in ("dim_property", "dim_room_type", "dim_room", "dim_tenant", "fact_reservation")}
    assert told[TENANT, "fact_inventory_day"]["windows"][0]["from"] == "2024-01-01"
    world.apply([reservation("held", "2024-01-01T10:00", ident("rsv", 2))])
    world.apply([confirmed("2024-01-01T11:00", ident("rsv", 3), [item("2024-02-01", "2024-02-03")]), reservation("held", "2024-01-01T10:00", ident("rsv", 4))])
    assert refreshed(world)[TENANT, "fact_reservation"]["windows"] == [{"from": "2024-02-01", "to": "2024-02-01"}]
    assert ["fact_reservation", "1970-01-01"] in world.rows("select distinct table_name, day from analytics_run.profile_dirty")


def test_a_refresh_tells_the_job_that_its_rows_came_from(world):
    """As far as they all came from the same."""
    world.admin.query("insert into analytics_run.job (job_id, attempt, projection, trigger, touches, touches_left) values"
                      " ('job_1', 2, 'fact_payment', 'api', 1, 1), ('job_2', 1, 'fact_payment', 'api', 1, 1)")

    def note(*jobs):
        for job in jobs:
            world.etld.statement(wh.ETLD + "outbox_refreshed.sql", "fact_payment", f"{{{TENANT}}}", "{1}", "{0}", "{2024-02-01}", "{2024-02-01}", None, None, job)
        told = refreshed(world)[TENANT, "fact_payment"]
        return told["jobId"], told["runId"][:7], told["rowsUpserted"]

    assert note("job_1", "job_1") == ("job_1", "job_1.2", 2)
    for mixed in (("job_1", "job_2"), ("job_1", None), (None, "job_1"), ("job_1", None, "job_1")):
        job, run, rows = note(*mixed)
        assert (job, run[:4], rows) == (None, "run_", len(mixed))


def test_keys_set_aside_are_told_with_version_and_job(world):
    """Of a portion of a job: its run; of a build: the version that it builds."""
    world.admin.query("update analytics_run.version set live = 3, beside = 4 where table_name = 'fact_payment'")
    world.admin.query("insert into analytics_run.job (job_id, attempt, projection, trigger, touches, touches_left) values"
                      " ('job_refresh', 2, 'fact_payment', 'api', 1, 1), ('job_build', 1, 'fact_payment', 'api', 1, 1)")
    world.admin.query("insert into analytics_run.build (consumer, state, job_id) values ('payment', 'building', 'job_build')")

    def fails(key, job):
        world.etld.query("begin")
        world.etld.statement(wh.ETLD + "fail_key.sql", "payment", f"{{{TENANT}}}", f"{{{key}}}", 1, "boom")
        world.etld.statement(wh.ETLD + "outbox_failed.sql", "payment", "{fact_payment}", f"{{{TENANT}}}", "1.0", job)
        world.etld.query("commit")
        told = [json.loads(row[0])["payload"] for row in world.rows("delete from analytics_run.outbox returning envelope")]
        return [tuple(said[k] for k in ("projectionKey", "version", "jobId", "runId", "retriable", "attempt")) for said in told]

    assert fails("a", None) == [("fact_payment", 3, None, None, True, 1)]
    assert fails("a", None) == []
    assert fails("event:b", None) == [("fact_payment", 3, None, None, False, 1)]
    assert fails("c", "job_refresh") == [("fact_payment", 3, "job_refresh", "job_refresh.2", True, 1)]
    assert fails("d", "job_build") == [("fact_payment", 4, "job_build", "job_build.1", True, 1)]


def test_a_run_has_one_end(world):
    """A worker that went silent when all was done: the first word counts, and each run has one."""
    def completes(attempt):
        world.etld.statement(wh.ETLD + "complete_job.sql", "job_1", attempt, TENANT, "fact_payment", "refresh", "api", 5, 2, 7, "1.0")

    def fails(attempt):
        world.etld.statement(wh.ETLD + "outbox_job_event.sql", "job_1", attempt, "failed", TENANT, "fact_payment", "api", 0, 0, 7, "WORKER_LOST",
                             "it went silent", True, "2024-01-01", "1.0")

    world.admin.query("insert into analytics_run.job (job_id, attempt, tenant_id, projection, trigger, touches, touches_left)"
                      " values ('job_1', 1, $1, 'fact_payment', 'api', 1, 1)", TENANT)
    world.etld.statement(wh.ETLD + "count_portion.sql", "job_1", True, 5, 2, "1.0")
    for attempt in (1, 2):
        completes(attempt)
        fails(attempt)
    fails(3)
    completes(3)
    told = [(subject.split(".")[3], json.loads(envelope)["payload"]) for subject, envelope in
            world.rows("select subject, envelope from analytics_run.outbox order by outbox_id")]
    assert [(kind, said["runId"]) for kind, said in told] == [("completed", "job_1.1"), ("completed", "job_1.2"), ("failed", "job_1.3")]
    assert {(said["rowsIn"], said["rowsOut"]) for kind, said in told if kind == "completed"} == {(5, 2)}


def test_tenants(world):
    world.apply([event("tenant.created", "2024-01-01T00:00", {"name": "Ghasi", "defaultCurrency": "AFN", "timezone": "Asia/Kabul", "weekendDays": ["Friday", 4]}),
                 event("tenant.suspended", "2024-02-01T00:00", {}), event("tenant.region_changed", "2024-02-02T00:00", {"fromRegion": "a", "toRegion": "b"}),
                 event("iam.user.created", "2024-02-02T00:00", {})])
    assert world.rows("select name, default_currency, timezone, weekend_days, status, region from analytics_curated.dim_tenant") == [
        ["Ghasi", "AFN", "Asia/Kabul", "{4,5}", "suspended", "b"]]
    assert world.value("select count(*) from analytics_run.delta") == "0"


def test_jobs(world):
    worker = world.connect("analytics_etld")

    def run(name, *params):
        return worker.statement(f"control/etld/{name}.sql", *params)

    assert run("enqueue_job", "job_1", "refresh", "fact_reservation", TENANT, "api", "k", "{}") == [["job_1", "t"]]
    assert run("enqueue_job", "job_2", "refresh", "fact_reservation", TENANT, "api", "k", "{}") == [["job_1", "f"]]
    assert run("claim_job", "w1", "10 s", "{refresh}") == [["job_1", "refresh", "fact_reservation", TENANT, "{}", "1", "3", "api", "{dim_property}", "{property}"]]
    assert run("claim_job", "w2", "10 s", "{refresh}") == []
    run("enqueue_job", "job_3", "purge", None, ident("tnt", 2), "event", "other", "{}")  # nobody here can do it: it waits
    assert run("claim_job", "w2", "10 s", "{refresh}") == []
    assert run("count_unhandled", "{refresh}") == [["purge", "1"]]
    assert len(run("heartbeat_job", "job_1", 1, "w1", "10 s", 0.5)) == 1
    assert run("heartbeat_job", "job_1", 1, "w2", "10 s", 0.5) == []
    assert run("retry_job", "job_1", 1, "w1", "ERROR", "boom", "0 s", "true", 2, 1) == [["job_1", "queued"]]
    assert run("claim_job", "w2", "-1 s", "{refresh}")[0][5] == "2"
    assert run("sweep_leases") == [["job_1", "queued", "2"]]
    assert run("finish_job", "job_1", 2, "w2", 1, 1) == []
    assert run("claim_job", "w3", "10 s", "{refresh}")[0][5] == "3"
    assert run("finish_job", "job_1", 3, "w3", 5, 6) == [["job_1"]]
    assert world.rows("select attempt, state, rows_out from analytics.etl_runs order by 1") == [["1", "failed", "1"], ["2", "lost", "0"], ["3", "succeeded", "6"]]
    queryd = world.connect("analytics_queryd")
    assert queryd.query("select count(*) from analytics.etl_jobs") == [["0"]]
    assert queryd.script(f"begin; set local analytics.tenant_id = '{TENANT}'; select count(*) from analytics.etl_jobs; commit")[2] == [["1"]]
    assert queryd.query("select count(*) from analytics.etl_jobs") == [["0"]]


def test_minutes_long_past_are_forgotten(world):
    """Of every consumer; what an estimate of a backfill reads stays."""
    world.admin.query("insert into analytics_run.refresh_minute select c.consumer, now() - days * interval '1 day', 3, 1, 1, 2000, 0, 100"
                      " from analytics_run.consumer c cross join unnest('{1,6,15,16,17,400}'::integer[]) days")
    left = "select distinct projection, (now() - minute)::text from analytics_run.refresh_minute"
    consumers = int(world.value("select count(*) from analytics_run.consumer"))
    estimate = world.etld.statement(wh.ETLD + "plan_backfill.sql", "payment")
    world.etld.statement(wh.ETLD + "prune_refreshes.sql", "14 days", 3)
    assert len(world.rows(left)) == 3 * consumers  # bounded; the oldest first
    assert world.value("select min(minute) > now() - interval '16 days' from analytics_run.refresh_minute") == "t"
    world.etld.statement(wh.ETLD + "prune_refreshes.sql", "14 days", 3)
    assert len(world.rows(left)) == 2 * consumers
    assert world.etld.statement(wh.ETLD + "plan_backfill.sql", "payment") == estimate
