"""tools/hotelsim: same seed, same bytes; every shape; and a plan that an independent reading of the
events confirms, whatever happens to them on the way."""

import collections
import hashlib
import json
import os
import subprocess

import pytest

import harness
import reference

HOTELSIM = os.path.join(harness.BIN, "hotelsim")
SMALL = ("--rooms", "12", "--from", "2025-10-10", "--to", "2025-11-08")
WEATHER = ("--late", "8", "--repeat", "10", "--reorder", "300", "--conflict", "4", "--broken", "3")
COUNTED = ("roomsAvailable", "roomsSold", "staysDeparted", "nightsDeparted", "reservationsArriving",
           "cancelled", "noShows", "arrived")
ACTIVITY_GROUPS = ("housekeeping", "lock", "funnel", "ai", "forecast")
SHAPES = {  # a member that only this shape has beside its others
    "E1": lambda e: "producedBy" in e and "metadata" in e and "subject" in e,
    "E2": lambda e: "eventVersion" in e and "schemaUri" in e and e["tenantId"].startswith("ten_"),
    "E3": lambda e: "aggregateKind" in e,
    "E4": lambda e: "producerVersion" in e and "partitionKey" in e and "traceparent" in e,
    "E5": lambda e: e.get("schema") == "melmastoon.event.v1",
    "E6": lambda e: "aggregate" in e and "trace" in e,
    "E7": lambda e: e.get("source") == "tenant-service",
    "E8": lambda e: "schemaUrl" in e,
    "E9": lambda e: str(e.get("producer")).startswith("housekeeping-service@"),
    "E10": lambda e: str(e.get("producer")).startswith("pricing-service@"),
    "E11": lambda e: "correlation" in e and "retention" in e,
    "E12": lambda e: "dataschema" in e and "/payments/" in e["subject"],
    "E13": lambda e: e.get("source") == "service:billing",
    "E14": lambda e: "envelope" in e and e["envelope"]["tenantId"] is not None,
    "E15": lambda e: "envelope" in e and e["envelope"]["tenantId"] is None,
    "E16": lambda e: "event_name" in e and "timestamp_ms" in e,
}


def hotelsim(*options, check=True):
    return subprocess.run([HOTELSIM, *options], capture_output=True, check=check, timeout=120)


def simulate(tmp_path, *options):
    """(lines, plan)"""
    plan = tmp_path / "plan.json"
    lines = hotelsim(*options, "--plan", str(plan)).stdout.splitlines()
    return lines, json.loads(plan.read_text(encoding="utf-8"))


def digest(*options):
    return hashlib.sha256(hotelsim(*options).stdout).hexdigest()


def test_same_seed_same_bytes():
    for options in ((), WEATHER):
        assert digest("--seed", "5", *SMALL, *options) == digest("--seed", "5", *SMALL, *options)
    assert digest("--seed", "5", *SMALL) != digest("--seed", "6", *SMALL)


def test_default_run_is_complete_and_in_order(tmp_path):
    lines, plan = simulate(tmp_path)
    assert 50_000 < len(lines) == plan["events"]["good"] < 80_000
    raw = [json.loads(line) for line in lines]
    events = [reference.parse(line) for line in lines]
    times = [event.at for event in events]
    assert times == sorted(times)
    assert len({event.id for event in events}) == len(events)
    ulids = [event.id for event in events]
    assert [u[:10] for u in ulids] == sorted(u[:10] for u in ulids)

    seen = collections.Counter()
    for event in raw:
        shapes = [name for name, is_shape in SHAPES.items() if is_shape(event)]
        assert len(shapes) == 1, event
        seen[shapes[0]] += 1
    assert set(seen) == set(SHAPES)

    subjects = collections.Counter(event.subject for event in events)
    assert subjects == plan["events"]["subjects"]
    assert len(plan["tenants"]) == 2
    properties = [p for tenant in plan["tenants"] for p in tenant["properties"]]
    assert [p["currency"] for p in properties] == ["AFN", "TJS", "IRR", "EUR"]
    assert all(0.5 < p["occupancy"] < 0.9 for p in properties)


def test_a_year_of_five_hotels_is_believable(tmp_path):
    """Places, currencies, seasons, weekends, and all that can become of a reservation and its money."""
    lines, plan = simulate(tmp_path, "--seed", "13", "--properties", "5", "--tenants", "2", "--rooms", "10", "--from",
                           "2025-01-01", "--to", "2025-12-31", "--domains", "property,reservation,payment")
    events, _, _ = reference.read(lines)
    assert {p["currency"] for t in plan["tenants"] for p in t["properties"]} == {"AFN", "TJS", "IRR", "EUR", "USD"}
    houses = {reference.canonical(e.payload["propertyId"]): e.payload for e in events
              if e.subject == "melmastoon.property.published.v1"}
    zones = {(house["city"], house["timezone"]) for house in houses.values()}
    assert zones >= {("Kabul", "Asia/Kabul"), ("Dushanbe", "Asia/Dushanbe"), ("Tehran", "Asia/Tehran"),
                     ("Lisbon", "Europe/Lisbon")}

    booked = reference.reservations(events)
    assert {r.status for r in booked} >= {"cancelled", "no_show", "checked_out"}
    assert {item.get("kind", "sold") for r in booked for item in r.items} == {
        "sold", "complimentary", "house_use", "day_use"}
    assert any(len(r.items) > 1 for r in booked), "no groups"
    assert {r.channel for r in booked} >= {"direct", "ota", "meta", "walk_in", "corporate", "gds"}
    arrivals = collections.defaultdict(lambda: (collections.Counter(), collections.Counter()))
    for r in booked:
        months, weekdays = arrivals[houses[reference.canonical(r.prop)]["country"]]
        months[r.arrival.month] += 1
        weekdays[r.arrival.isoweekday()] += 1
    for country, busy, quiet in (("AF", 4, 1), ("TJ", 5, 1), ("IR", 4, 6), ("PT", 6, 1)):
        months, weekdays = arrivals[country]
        assert max(months.values()) > 1.2 * min(months.values()), country
        assert weekdays[busy] > 1.05 * weekdays[quiet], (country, weekdays)

    money = collections.Counter(e.subject.rpartition(".")[0].removeprefix("melmastoon.payment.") for e in events
                                if e.subject.startswith("melmastoon.payment."))
    assert money.keys() == {"transaction.authorized", "transaction.captured", "transaction.refunded",
                            "transaction.voided", "transaction.failed", "chargeback.opened", "chargeback.won",
                            "chargeback.lost"}
    cash = collections.Counter((houses[reference.canonical(e.payload["propertyId"])]["country"],
                                e.payload["method"] == "cash") for e in events if e.subject.endswith("captured.v1"))
    assert cash["AF", True] > cash["AF", False] and cash["PT", True] < cash["PT", False]


def test_every_prefix_of_an_entity_is_used(tmp_path):
    text = b"\n".join(simulate(tmp_path, *SMALL)[0])
    for prefix in (b"tnt_", b"t_", b"ten_", b"ppt_", b"prp_", b"prop_", b"pty_", b"rmu_", b"rom_",
                   b"rmt_", b"rty_", b"rsv_", b"res_", b"gms_", b"tnt_session_"):
        assert b'"' + prefix + b"0" in text, prefix


@pytest.mark.parametrize("options", [
    ("--seed", "1", *SMALL),
    ("--seed", "2", *SMALL, *WEATHER),
    ("--seed", "3", "--properties", "7", "--tenants", "3", *SMALL, *WEATHER),
    # across both changes of summer time, and cut off in the middle
    ("--seed", "4", "--from", "2025-03-20", "--to", "2025-04-10", "--rooms", "20", "--events",
     "20000", "--late", "20"),
    ("--seed", "5", "--reservations", "900", "--from", "2024-02-20", "--to", "2024-03-31",
     "--reorder", "5000", "--repeat", "50", "--conflict", "30"),
    ("--seed", "6", "--overbook", "--occupancy", "1", *SMALL),
], ids=("plain", "weather", "groups", "cut-off", "reservations", "overbooked"))
def test_plan_is_what_the_events_say(tmp_path, options):
    lines, plan = simulate(tmp_path, *options)
    events, broken, again = reference.read(lines)
    sent = plan["events"]
    assert len(events) == sent["good"]
    assert broken == sent["broken"]
    assert again == sent["repeats"] + sent["conflicts"]

    found = reference.figures(events, *(reference.date(plan[k]) for k in ("from", "to")))
    planned = {(tenant["tenantId"], p["propertyId"]): p
               for tenant in plan["tenants"] for p in tenant["properties"]}
    assert set(found) == set(planned)
    for key, expected in planned.items():
        counts = found[key]
        assert {k: counts[k] for k in COUNTED} == {k: expected[k] for k in COUNTED}
        assert counts["roomRevenueMicro"] == int(expected["roomRevenueMicro"])
        channels = {k.removeprefix("channel."): n for k, n in counts.items()
                    if k.startswith("channel.")}
        assert channels == expected["channelNights"]
        check_ratios(expected)
        if "--overbook" not in options:
            assert expected["roomsSold"] <= expected["roomsAvailable"]
    check_activity(plan, events)


def check_activity(plan, events):
    found = reference.activity(events)
    for tenant in plan["tenants"]:
        total = collections.defaultdict(collections.Counter)
        for p in tenant["properties"]:
            for group in ACTIVITY_GROUPS:
                counts = found[p["propertyId"]][group]
                assert {name: counts[name] for name in p[group]} == p[group], (p["name"], group)
                assert set(counts) <= set(p[group])
                total[group].update(p[group])
        for group in ACTIVITY_GROUPS:
            assert dict(total[group]) == tenant["total"][group]


def check_ratios(p):
    assert p["occupancy"] == pytest.approx(p["roomsSold"] / p["roomsAvailable"])
    assert p["adr"] == pytest.approx(int(p["roomRevenueMicro"]) / 1e6 / p["roomsSold"])
    assert p["revpar"] == pytest.approx(p["adr"] * p["occupancy"])
    assert p["alos"] == pytest.approx(p["nightsDeparted"] / p["staysDeparted"])


def test_no_night_is_sold_twice(tmp_path):
    """Night by night, for each hotel: sold, complimentary and house use fit into the rooms."""
    lines, _ = simulate(tmp_path, "--seed", "8", "--occupancy", "0.95", *SMALL)
    events, _, _ = reference.read(lines)
    events.sort(key=lambda event: event.at)
    used = collections.Counter()
    for rsv in reference.reservations(events):
        if rsv.status in ("confirmed", "checked_in", "checked_out"):
            for item in rsv.items:
                day, end = (reference.date(item["stay"][k]) for k in ("start", "end"))
                while day < min(end, rsv.departure):
                    used[rsv.prop, day] += 1
                    day += reference.DAY
    rooms = collections.defaultdict(reference.Rooms)
    for event in events:
        if event.subject.split(".")[1] in ("property", "inventory"):
            rooms[reference.canonical(event.payload["propertyId"])].apply(event)
    assert used
    for (prop, day), n in used.items():
        assert n <= rooms[prop].available(day), (prop, day)


def test_a_room_has_one_guest_at_a_time(tmp_path):
    lines, _ = simulate(tmp_path, "--seed", "9", *SMALL)
    events, _, _ = reference.read(lines)
    inside, stays, moves, repairs = {}, 0, 0, 0
    for event in sorted(events, key=lambda e: e.at):
        rsv = event.payload.get("reservationId")
        if event.subject == "melmastoon.inventory.room.assigned.v1":
            assert inside.setdefault(event.payload["roomId"], rsv) == rsv
        elif event.subject == "melmastoon.inventory.room.reassigned.v1":
            moves += 1
            assert inside.pop(event.payload["previousRoomId"]) == rsv
            assert inside.setdefault(event.payload["roomId"], rsv) == rsv
        elif event.subject == "melmastoon.reservation.checked_out.v1":
            stays += 1
            inside = {room: guest for room, guest in inside.items() if guest != rsv}
        elif event.subject == "melmastoon.property.room.out_of_order.v1":
            repairs += 1
            assert event.payload["roomId"] not in inside
    assert stays > 200 and moves > 2 and repairs > 2


def test_originals_come_before_their_copies(tmp_path):
    lines, plan = simulate(tmp_path, "--seed", "2", *SMALL, *WEATHER)
    first, conflicts = {}, 0
    for line in lines:
        try:
            event = reference.parse(line)
        except reference.Broken:
            continue
        if "edited" in event.payload:
            conflicts += 1
            assert (event.tenant, event.id) in first
        first.setdefault((event.tenant, event.id), event)
    assert conflicts == plan["events"]["conflicts"] > 0


def test_weather_leaves_the_world_as_it_is(tmp_path):
    calm, plan = simulate(tmp_path, *SMALL)
    stormy, stormy_plan = simulate(tmp_path, *SMALL, *WEATHER)
    assert set(calm) <= set(stormy) and calm != stormy
    assert stormy_plan["tenants"] == plan["tenants"]


def test_selection(tmp_path):
    everything, _ = simulate(tmp_path, *SMALL)
    some, _ = simulate(tmp_path, *SMALL, "--domains", "reservation,payment")
    assert {reference.parse(line).subject.split(".")[1] for line in some} == {"reservation", "payment"}
    assert set(some) < set(everything)
    one, _ = simulate(tmp_path, *SMALL, "--shapes", "E6,E12")
    assert one and all(SHAPES["E6"](e) or SHAPES["E12"](e) for e in map(json.loads, one))


@pytest.mark.parametrize("options", [
    ("--seed", "x"), ("--seed",), ("--occupancy", "1.5"), ("--late", "101"), ("--to", "2025-02-30"),
    ("--from", "2025-12-31", "--to", "2025-01-01"), ("--shapes", "E99"), ("--nonsense",), ("extra",),
    ("--events", "5", "--reservations", "5"), ("--rooms", "0"),
])
def test_bad_options_are_named(options):
    done = hotelsim(*options, check=False)
    assert done.returncode == 64 and done.stdout == b""
    assert done.stderr.startswith(b"hotelsim: ") and done.stderr.count(b"\n") == 1


def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([HOTELSIM, *SMALL], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74 and b"cannot write" in done.stderr
