"""fact_funnel: from a click in the meta search, which belongs to nobody, to a tenant's reservation."""
import random

import pytest

import warehouse as wh
from events import OTHER, PROPERTY, TENANT, at, confirmed, dt, event, ident, item, reservation
from warehouse import World

THEIRS = ident("ppt", 9)  # a property of OTHER
SESSION, HANDOFF, RSV = ident("gms", 1), ident("hof", 1), ident("rsv", 1)


def meta(subject, when, payload, session=SESSION, n=0):
    """An event of the meta search: no tenant, the session in the envelope."""
    e = event(f"bff.consumer.{subject}", when, payload, n=(session, n))
    return {"envelope": {"eventId": e["id"], "subject": e["subject"], "occurredAt": e["occurredAt"], "tenantId": None, "sessionId": session}, "payload": payload}


def search(when, session=SESSION, n=0):
    return meta("search.executed", when, {"results": 3, "metaSource": "trivago"}, session, n)


def click(when, tenant=TENANT, place=PROPERTY, session=SESSION, n=0):
    return meta("click.property", when, {"propertyId": place.replace("ppt_", "prop_"), "tenantId": tenant.replace("tnt_", "t_"), "metaSource": "kayak"}, session, n)


def initiated(when, handoff=HANDOFF, tenant=TENANT, place=PROPERTY, session=SESSION, n=0):
    return meta("handoff.initiated", when, {"propertyId": place, "tenantId": tenant, "handoffId": handoff, "metaSource": "google"}, session, n)


def booking(verb, when, tenant=TENANT, n=0, **payload):
    return event(f"bff.tenant.{verb}", when, payload, tenant, n)


def owned(tenant=TENANT, place=PROPERTY, zone="UTC"):
    return event("property.published", "2024-01-01T00:00", {"propertyId": place, "timezone": zone}, tenant)


def booked(when, rsv=RSV, tenant=TENANT, **more):
    return confirmed(when, rsv, [item("2024-05-01", "2024-05-02")], **more) | {"tenantId": tenant}


STEPS = ("searched_at", "clicked_at", "handed_off_at", "consumed_at", "drafted_at", "converted_at", "confirmed_at")


def rows(world, *columns, tenant=TENANT):
    return [tuple(r) for r in world.rows(f"select {', '.join(columns)} from analytics_curated.fact_funnel where tenant_id = $1 order by business_date, funnel_id", tenant)]


def steps(world, tenant=TENANT):
    return rows(world, *(f"to_char({s} at time zone 'UTC', 'HH24:MI')" for s in STEPS), tenant=tenant)


def whole():
    return [search("2024-03-01T10:00"), search("2024-03-01T10:05", n=1), click("2024-03-01T10:01"), click("2024-03-01T10:06", n=1), initiated("2024-03-01T10:07"),
            booking("handoff.consumed", "2024-03-01T10:08", handoffId=HANDOFF, sessionId=SESSION, propertyId=PROPERTY),
            booking("booking.draft.created", "2024-03-01T10:09", handoffId=HANDOFF, propertyId=PROPERTY, sessionId=ident("tnt_session", 1)),
            booking("booking.draft.converted", "2024-03-01T10:15", handoffId=HANDOFF, reservationId=RSV.replace("rsv_", "res_")), booked("2024-03-01T10:16")]


def test_from_search_to_reservation_and_its_cancellation(world):
    world.apply([owned(), *whole()])
    assert steps(world) == [("10:05", "10:06", "10:07", "10:08", "10:09", "10:15", "10:16")]
    assert rows(world, "funnel_id", "session_id", "handoff_id", "property_id", "meta_source", "reservation_id", "cancelled", "business_date") == [
        (HANDOFF, SESSION, HANDOFF, PROPERTY, "google", RSV, "f", "2024-03-01")]
    world.apply([reservation("cancelled", "2024-03-02T10:00", RSV)])
    assert rows(world, "cancelled") == [("t",)]
    world.apply([reservation("confirmed", "2024-03-03T10:00", RSV)])
    assert rows(world, "cancelled") == [("f",)]
    assert world.value("select count(*) from analytics_run.touched") == "0"


def test_one_event_at_a_time_in_reverse(world):
    for e in reversed([owned(), *whole()]):
        world.apply([e])
    assert steps(world) == [("10:05", "10:06", "10:07", "10:08", "10:09", "10:15", "10:16")]


def test_a_click_counts_for_the_tenant_that_has_the_property(world):
    world.apply([owned(OTHER, THEIRS), search("2024-03-01T10:00"), click("2024-03-01T10:01"), click("2024-03-01T10:02", OTHER, THEIRS),
                 click("2024-03-01T10:03", TENANT, THEIRS), click("2024-03-01T10:04", "nobody", PROPERTY), click("2024-03-01T10:05", "_platform", PROPERTY)])
    assert rows(world, "property_id") == []  # its property is not known yet, and the other is not its own
    assert steps(world, OTHER) == [("10:00", "10:02", None, None, None, None, None)]
    world.apply([owned(zone="Asia/Kabul")])
    # nothing of what the session did elsewhere: not the other property, not the later clicks
    assert rows(world, "funnel_id", "property_id", "to_char(clicked_at at time zone 'UTC', 'HH24:MI')", "business_date") == [
        (f"{SESSION}/{PROPERTY}", PROPERTY, "10:01", "2024-03-01")]
    assert {r[0] for r in world.rows("select distinct tenant_id from analytics_curated.fact_funnel")} == {TENANT, OTHER}
    versions = world.rows("select tenant_id, data_version from analytics_run.table_state where table_name = 'fact_funnel' and tenant_id in ($1, $2) order by 1", TENANT, OTHER)
    world.apply([click("2024-03-01T11:00", OTHER, THEIRS, n=5)])
    after = world.rows("select tenant_id, data_version from analytics_run.table_state where table_name = 'fact_funnel' and tenant_id in ($1, $2) order by 1", TENANT, OTHER)
    assert [t for (t, before), (_, now) in zip(versions, after) if before != now] == [OTHER]


def test_another_tenants_shard_is_worked_under_its_own_lock(world):
    """The unit that takes the event of nobody writes only what is to be done; the row is its owner's."""
    world.apply([owned()])
    shard, platform = (int(world.value("select analytics_run.shard_of($1)", t)) for t in (TENANT, "_platform"))
    if shard == platform:
        pytest.skip("both in one shard")
    wh.land(world.ingestd, [click("2024-03-01T10:01")])
    assert wh.unit(world.etld, "funnel", platform)
    assert rows(world, "funnel_id") == [] and world.rows("select tenant_id, kind, shard from analytics_run.touched") == [[TENANT, "key", str(shard)]]
    assert wh.unit(world.etld, "funnel", shard) and len(rows(world, "funnel_id")) == 1


def test_steps_without_a_handoff_join_by_session_and_property(world):
    second, own = ident("hof", 2), ident("tnt_session", 5)
    world.apply([owned(), click("2024-03-01T10:00"), initiated("2024-03-01T10:01"), click("2024-03-01T11:00", n=1), initiated("2024-03-01T11:01", second, n=1),
                 click("2024-03-01T12:00", n=2),
                 booking("booking.draft.created", "2024-03-01T10:30", sessionId=SESSION, propertyId=PROPERTY),            # after the first, before the second
                 booking("booking.draft.converted", "2024-03-01T11:30", sessionId=SESSION, reservationId=RSV),             # names no property: the session's last
                 booking("booking.draft.created", "2024-03-01T09:00", sessionId=own, propertyId=PROPERTY),                 # a visitor of the hotel's own site
                 booking("booking.draft.converted", "2024-03-01T09:30", sessionId=own, reservationId=ident("rsv", 2))])
    found = dict(zip((r[0] for r in rows(world, "funnel_id")), steps(world)))
    assert found == {HANDOFF: (None, "10:00", "10:01", None, "10:30", None, None), second: (None, "11:00", "11:01", None, None, "11:30", None),
                     f"{SESSION}/{PROPERTY}": (None, "12:00", None, None, None, None, None),
                     f"{own}/{PROPERTY}": (None, None, None, None, "09:00", "09:30", None)}
    world.apply([initiated("2024-03-01T12:01", ident("hof", 3), n=2)])  # the last click was on its way
    assert f"{SESSION}/{PROPERTY}" not in {r[0] for r in rows(world, "funnel_id")} and len(rows(world, "funnel_id")) == 4


def test_a_reservation_made_with_a_handoff_and_a_click_too_long_ago(world):
    world.apply([owned(), click("2024-01-15T10:00"), initiated("2024-03-01T10:07"), booked("2024-03-01T10:16", handoffId=HANDOFF)])
    assert rows(world, "clicked_at", "reservation_id", "confirmed_at is not null", "business_date") == [(None, RSV, "t", "2024-03-01")]
    world.apply([reservation("modified", "2024-03-02T10:16", RSV, handoffId=ident("hof", 7))])
    assert rows(world, "reservation_id", "confirmed_at") == [(None, None)]
    world.apply([meta("click.property", "2024-03-01T10:00", {"propertyId": PROPERTY, "tenantId": TENANT}, None)])
    assert world.rows("select tenant_id, error from analytics_run.failed_keys") == [["_platform", "no sessionId and no handoffId"]]


class BeforeCommit:
    """A connection that does something else first when it is told to commit."""

    def __init__(self, conn, first):
        self.conn, self.first = conn, first

    def query(self, sql, *params):
        if sql == "commit":
            self.first()
        return self.conn.query(sql, *params)

    def statement(self, *args):
        return self.conn.statement(*args)


@pytest.mark.parametrize("last", ["funnel", "reservation"])
def test_neither_side_sees_the_other_before_it_commits(world, last):
    """Both have rebuilt before either commits, in both orders: the reservation is found all the same."""
    world.apply([owned(), initiated("2024-03-01T10:07")])
    wh.land(world.ingestd, [booking("booking.draft.converted", "2024-03-01T10:15", handoffId=HANDOFF, reservationId=RSV), booked("2024-03-01T10:16")])
    shard, other = int(world.value("select analytics_run.shard_of($1)", TENANT)), world.connect("analytics_etld")
    first = "funnel" if last == "reservation" else "reservation"
    assert wh.unit(BeforeCommit(world.etld, lambda: wh.unit(other, first, shard)), last, shard)
    wh.drain(world.etld)
    assert rows(world, "reservation_id", "to_char(confirmed_at at time zone 'UTC', 'HH24:MI')") == [(RSV, "10:16")]


def stream(rng, tenant, seed):
    t0, events = at("2024-03-01T00:00"), [owned(tenant), owned(tenant, ident("ppt", 2), "Asia/Kabul")]
    places = (PROPERTY, PROPERTY, ident("ppt", 2), ident("ppt", 3))
    for n in range(rng.randint(20, 50)):
        when = t0 + dt.timedelta(minutes=rng.randint(0, 600) // 5 * 5)
        session, handoff, rsv = ident("gms", seed, rng.randint(0, 3)), ident("hof", seed, rng.randint(0, 4)), ident("rsv", seed, rng.randint(0, 2))
        some = {k: v for k, v in {"handoffId": handoff, "sessionId": session, "propertyId": rng.choice(places)}.items() if rng.random() < 0.6} or {"sessionId": session}
        events.append(rng.choice((
            lambda: search(when, session, n), lambda: click(when, tenant, rng.choice(places), session, n), lambda: click(when, tenant, rng.choice(places), session, n),
            lambda: initiated(when, handoff, tenant, rng.choice(places), session, n), lambda: booking("handoff.consumed", when, tenant, n, **{"handoffId": handoff, **some}),
            lambda: booking("booking.draft.created", when, tenant, n, **some), lambda: booking("booking.draft.converted", when, tenant, n, reservationId=rsv, **some),
            lambda: booked(when, rsv, tenant, **({"handoffId": handoff} if rng.random() < 0.5 else {})), lambda: reservation("cancelled", when, rsv) | {"tenantId": tenant}))())
    # both tenants share the sessions: what is searched in them is the same event
    return list({wh.read(e)["dedupe_key"]: e for e in events}.values())


@pytest.fixture(scope="module")
def shared_world(cluster):
    world = World(cluster, "shared_world")
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(16))
def test_any_order_gives_the_same_rows(shared_world, seed):
    found = wh.same_in_any_order(shared_world, lambda tenant: stream(random.Random(seed), tenant, seed), ("fact_funnel",), random.Random(seed), ("funnel", "reservation", "property"))
    assert not found["fact_funnel"].startswith("0 ")
