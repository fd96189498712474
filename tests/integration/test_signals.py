"""Signals: what is said of a house is what its rows say, once, and nothing of small groups."""
import collections
import datetime as dt
import json
import random

import pytest

from etlstack import drain
from events import CROCKFORD, PROPERTY, TYPE_A, confirmed, ident, inventory, item, reservation
from harness import wait_until


def utc_today():
    return dt.datetime.now(dt.timezone.utc).date()  # the house is in UTC


TODAY = utc_today()  # of its bookings; it may be tomorrow when they are counted
LEAST = 5
LEADS = (0, 1, 2, 3, 5, 7, 14, 21, 30, 45, 60, 90, 120, 180, 365)
CLASSES = ((0, 0), (1, 1), (2, 3), (4, 7), (8, 14), (15, 30), (31, 60), (61, 90), (91, 180), (181, None))
HELD = ("on_books", "in_house", "stayed")


def stays(tenant):
    """A year of a house: many come by two channels, six by a third, two by a fourth."""
    rng = random.Random(4)
    channels = ["direct"] * 70 + ["ota"] * 50 + ["seldom"] * 6 + ["rare"] * 2
    for n, channel in enumerate(channels):
        start = TODAY - dt.timedelta(3 + rng.randrange(300) if n else 1)
        rsv, end = ident("rsv", tenant, n), start + dt.timedelta(rng.choice((1, 1, 2)))
        booked = start - dt.timedelta(rng.choice((0, 1, 2, 6, 12, 20, 40, 100)))
        yield confirmed(f"{booked}T00:30", rsv, [item(str(start), str(end))], channel=channel)
        if n % 9 == 0:
            yield reservation("cancelled", f"{start}T00:40", rsv)


@pytest.fixture(scope="module")
def house(etl):
    tenant = ident("tnt", "signals")
    etl.query("update analytics_run.setting set value = $1 where key = 'inventory_horizon_year'", str(TODAY.year))
    etl.send(inventory({TYPE_A: 6}, f"{TODAY - dt.timedelta(500)}T00:00"), tenant)
    etl.send(list(stays(tenant)), tenant)
    drain(etl, signals="")
    etl.query("insert into analytics_run.signal_due select distinct tenant_id, 'infinity'::timestamptz from analytics_run.table_state"
              " on conflict (tenant_id) do update set due_at = excluded.due_at")
    return tenant


def compute(etl, tenant, workers=1, **settings):
    """The tenant's signals are due, and are computed."""
    etl.query("update analytics_run.signal_due set due_at = now() where tenant_id = $1", tenant)
    running = [etl.etld(**settings) for _ in range(workers)]
    try:
        for one in running:
            one.__enter__()
        wait_until(lambda: etl.value("select due_at > now() + interval '1 h' from analytics_run.signal_due where tenant_id = $1",
                                     tenant) == "t", 60)
    finally:
        for one in running:
            one.__exit__()


def said(etl, tenant):
    """[(event id, payload)] in order."""
    events = [json.loads(envelope) for envelope, in etl.query(
        "select envelope from analytics_run.outbox where ordering_key = $1 and subject = 'melmastoon.analytics.metric.computed.v1'"
        " order by outbox_id", tenant)]
    assert {e["tenantId"] for e in events} <= {tenant}
    return [(e["id"], e["payload"]) for e in events]


class House:
    """Its curated rows of the last `days` days before `today`, counted here."""

    def __init__(self, etl, tenant, today):
        self.etl, self.tenant, self.today = etl, tenant, today
        self.nights = [(date(d), channel, rsv) for d, channel, rsv, kind, state in self.rows(
            "stay_date, channel, reservation_id, kind, state", "fact_room_night") if kind == "sold" and state in HELD]

    def rows(self, columns, table):
        return self.etl.query(f"select {columns} from analytics_curated.{table} where tenant_id = $1", self.tenant)

    def window(self, days, dates):
        return [row for row in dates if self.today - dt.timedelta(days) <= row[0] < self.today]

    def occupancy(self, name, group_of, days):
        rooms, nights, who = collections.Counter(), collections.Counter(), collections.defaultdict(set)
        for day, available in self.window(days, [(date(d), int(n)) for d, n in self.rows("date, rooms_available", "fact_inventory_day")]):
            rooms[group_of(day)] += available
        for day, _, rsv in self.window(days, self.nights):
            nights[group_of(day)] += 1
            who[group_of(day)].add(rsv)
        return [{name: g, "occupancy_pct": pytest.approx(nights[g] / rooms[g], abs=6e-5)} for g in shown(who)], len(nights)

    def shares(self, who, weight, row):
        groups = shown(who)
        total = sum(weight[g] for g in groups)
        return [row(g, pytest.approx(weight[g] / total, abs=6e-5)) for g in groups], len(who)

    def expected(self, signal):
        """(rows, number of groups) of a signal."""
        if signal == "day_of_week":
            return self.occupancy("day_of_week", lambda day: day.isoweekday(), 364)
        if signal == "season":
            return self.occupancy("month", lambda day: day.month, 728)
        if signal == "channel_mix":
            who, nights = collections.defaultdict(set), collections.Counter()
            for _, channel, rsv in self.window(364, self.nights):
                who[channel].add(rsv)
                nights[channel] += 1
            return self.shares(who, nights, lambda g, share: {"channel": g, "channel_mix": share})
        if signal == "lead_time":
            who = collections.defaultdict(set)
            for _, lead, rsv in self.window(364, [(date(d), int(lead), r) for d, lead, r in self.rows(
                    "arrival_date, lead_time_days, reservation_id", "fact_reservation")]):
                who[next(c for c in CLASSES if lead >= c[0] and (c[1] is None or lead <= c[1]))].add(rsv)
            return self.shares(who, {g: len(w) for g, w in who.items()},
                               lambda g, share: {"lead_days_from": g[0], "lead_days_to": g[1], "share": share})
        rooms = sum(n for _, n in self.window(364, [(date(d), int(n)) for d, n in self.rows("date, rooms_available", "fact_inventory_day")]))
        found = []
        for lead in LEADS:
            books = collections.Counter()
            for day, rsv, delta, known in self.window(364, [(date(d), r, int(delta), date(k)) for d, r, delta, k in self.rows(
                    "stay_date, reservation_id, rooms_delta, known_at::date", "fact_room_night_history")]):
                books[rsv] += delta if known <= day - dt.timedelta(lead) else 0
            held = {rsv: n for rsv, n in books.items() if n}
            if held:
                found.append((lead, sum(held.values()), len(held)))
        return [{"lead_days": lead, "occupancy_pct": pytest.approx(n / rooms, abs=6e-5)} for lead, n, who in found if who >= LEAST], len(found)


def date(text):
    return dt.date.fromisoformat(text)


def shown(who):
    """The groups of enough reservations, but for those that would give away what smaller ones are."""
    hidden, left = 0, []
    for n, group in sorted((len(members), group) for group, members in who.items()):
        if n < LEAST or 0 < hidden < LEAST:
            hidden += n
        else:
            left.append(group)
    return sorted(left, key=lambda g: g if isinstance(g, tuple) else (g,))


def told_on(events):
    return date(events[0][1]["dateRange"]["to"]) + dt.timedelta(1)


def test_what_is_said(etl, house):
    before = utc_today()
    compute(etl, house)
    events = said(etl, house)
    today = told_on(events)
    assert before <= today <= utc_today()
    rows = House(etl, house, today)
    assert [p["signal"] for _, p in events] == ["occupancy_curve", "lead_time", "day_of_week", "season", "channel_mix"]
    for event_id, payload in events:
        expected, groups = rows.expected(payload["signal"])
        got = sorted(payload["rows"], key=lambda row: row["channel"]) if payload["signal"] == "channel_mix" else payload["rows"]
        assert got == expected != [], payload
        assert payload["suppressedGroups"] == groups - len(expected) and len(payload["rows"]) <= 20
        assert payload["propertyId"] == PROPERTY and payload["signalVersion"] == payload["metricVersion"] == 1
        assert set(payload["dimensions"]) < set(payload["rows"][0])
        assert payload["dateRange"]["to"] == str(today - dt.timedelta(1)) and payload["asOf"]
        assert event_id.startswith("evt_") and len(event_id) == 30
    assert len({event_id for event_id, _ in events}) == 5
    # an id is the hash of what the event says, and nothing else: read again from what was published
    for event_id, digest in etl.query(
            "select envelope::jsonb ->> 'id', encode(sha256(convert_to(tenant_id || (envelope::jsonb -> 'payload')::text, 'UTF8')), 'hex')"
            " from analytics_run.outbox where ordering_key = $1 and subject = 'melmastoon.analytics.metric.computed.v1'", house):
        assert event_id[-16:] == "".join(CROCKFORD[byte & 31] for byte in bytes.fromhex(digest)[:16])


def test_small_groups_are_left_out(etl, house):
    """Also the one from which the smallest would follow."""
    mix = next(p for _, p in said(etl, house) if p["signal"] == "channel_mix")
    assert [row["channel"] for row in mix["rows"]] == ["direct", "ota"] and mix["suppressedGroups"] == 2
    assert sum(row["channel_mix"] for row in mix["rows"]) == pytest.approx(1, abs=2e-4)
    text = json.dumps([payload for _, payload in said(etl, house)])
    assert not [word for word in ("rare", "seldom", "rsv_", "gst_") if word in text]
    assert etl.query("select guest_key from analytics_curated.fact_reservation where tenant_id = $1 limit 1", house)[0][0] not in text


def test_nothing_is_said_twice_and_a_change_is_said(etl, house):
    before = said(etl, house)
    compute(etl, house, workers=2)
    assert said(etl, house) == before
    start = TODAY - dt.timedelta(1)
    etl.send([confirmed(f"{start}T00:10", ident("rsv", house, "late"), [item(str(start), str(TODAY))], channel="ota")], house)
    drain(etl, signals="")
    compute(etl, house, workers=2)
    new = said(etl, house)[len(before):]
    assert {p["signal"] for _, p in new} >= {"occupancy_curve", "lead_time", "day_of_week", "channel_mix"}
    assert len({p["signal"] for _, p in new}) == len(new)
    assert not {i for i, _ in new} & {i for i, _ in before}
    rows = House(etl, house, told_on(new))
    assert [p["rows"] for _, p in new if p["signal"] == "day_of_week"] == [rows.expected("day_of_week")[0]]
    # what had been said before is said again when it is true again: as of a later time, so under another id
    etl.send([reservation("cancelled", f"{TODAY}T00:00", ident("rsv", house, "late"))], house)
    drain(etl, signals="")
    compute(etl, house, signals="channel_mix")
    again = said(etl, house)[len(before) + len(new):]
    assert [p["signal"] for _, p in again] == ["channel_mix"]
    assert again[0][1]["rows"] == before[4][1]["rows"] and again[0][0] != before[4][0]


def test_settings(etl, house):
    compute(etl, house, signals="channel_mix", signals_min_group=1)
    channels = [row["channel"] for row in said(etl, house)[-1][1]["rows"]]
    assert sorted(channels) == ["direct", "ota", "rare", "seldom"]
    refused = etl.oneshot("run", settings={"signals": "channel_mix,weather"}, check=None)
    assert refused.returncode != 0 and "there is no signal 'weather'; known are occupancy_curve, lead_time" in refused.stderr
