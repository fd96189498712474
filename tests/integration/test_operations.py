"""Housekeeping tasks, lock actions and the audit trail as functions of their events."""
import hashlib
import hmac
import random

import pytest

import warehouse as wh
from events import PROPERTY, TENANT, at, dt, event, ident, inventory
from warehouse import World

TASK, KEY = ident("hkt", 1), ident("key", 1)


def task(verb, when, task_id=TASK, n=0, **payload):
    return event(f"housekeeping.task.{verb}", when, {"taskId": task_id, **payload}, n=n)


def created(when, task_id=TASK, **payload):
    return task("created", when, task_id, propertyId=PROPERTY.replace("ppt_", "prp_"), roomId=ident("rom", 1),
                kind="turnover", priority="normal", source="event", **payload)


def lock(verb, when, n=0, **payload):
    return event(f"lock.{verb}", when, payload, n=n)


def tasks(world, *columns):
    return [tuple(r) for r in world.rows(f"select {', '.join(columns)} from analytics_curated.fact_housekeeping_task order by task_id")]


def test_the_life_of_a_task(world):
    world.apply(inventory({}, zone="Asia/Kabul"))
    world.apply([created("2024-02-01T20:00"), task("assigned", "2024-02-01T20:05", staffId=ident("stf", 1)),
                 task("reassigned", "2024-02-01T20:10", staffId=ident("stf", 2)), task("escalated", "2024-02-01T20:12"),
                 task("started", "2024-02-01T20:31", at="2024-02-01T20:30:59Z"), task("completed", "2024-02-01T21:00")])
    key = hmac.new(b"seed", TENANT.encode(), "sha256").digest()
    staff = hashlib.sha256(key + hashlib.sha256(key + ident("stf", 2).encode()).digest()).hexdigest()[:32]
    assert tasks(world, "property_id", "room_id", "kind", "priority", "source", "status", "staff_key", "business_date") == [
        (PROPERTY, ident("rom", 1).replace("rom_", "rmu_"), "turnover", "normal",
         "event", "completed", staff, "2024-02-02")]
    assert tasks(world, "minutes_to_start", "minutes_to_complete", "minutes_to_ready", "reassignments", "escalations",
                 "ready_at = completed_at", "inspection_result") == [("30", "29", "60", "1", "1", "t", None)]
    assert world.value("select string_agg(column_name, ',') from information_schema.columns where table_schema = 'analytics_curated'"
                       " and table_name = 'event_housekeeping' and column_name like '%staff%'") == "staff_key"
    # a room that fails its inspection is not ready; it is when it has been done again and has passed
    world.apply([task("inspected", "2024-02-01T21:10", result="failed")])
    assert tasks(world, "status", "ready_at", "minutes_to_ready", "inspection_result") == [("inspected", None, None, "failed")]
    world.apply([task("started", "2024-02-01T21:20", n=2), task("completed", "2024-02-01T21:40", n=2)])
    assert tasks(world, "status", "minutes_to_complete", "minutes_to_ready") == [("completed", "20", "100")]
    world.apply([task("inspected", "2024-02-01T21:50", result="passed", n=2)])
    assert tasks(world, "status", "minutes_to_ready", "inspection_result") == [("inspected", "110", "passed")]
    world.apply([task("cancelled", "2024-02-01T22:00")])
    assert tasks(world, "status", "ready_at") == [("cancelled", None)]


def test_a_task_waits_for_its_creation_and_keeps_what_clocks_said(world):
    world.apply([task("completed", "2024-02-01T09:00"), event("housekeeping.task.started", "2024-02-01T09:00", {"at": 5})])
    assert tasks(world, "status") == []
    assert world.rows("select key like 'event:%', error from analytics_run.failed_keys") == [["t", "no taskId"]]
    world.apply([created("2024-02-01T10:00")])  # after its completion: kept, and no negative minutes
    assert tasks(world, "status", "completed_at < created_at", "minutes_to_ready", "business_date") == [("created", "t", None, "2024-02-01")]


def test_lock_actions(world):
    guest = {"keyCredentialId": KEY, "propertyId": PROPERTY}
    door = {"attemptId": ident("kca", 1), "roomId": ident("rmu", 7), "lockDeviceId": ident("lck", 7), "holderKind": "guest", **guest}
    world.apply([lock("credential.requested", "2024-02-01T10:00:00", rooms=[ident("rom", 7)], vendor="ttlock", reservationId=ident("res", 1), **guest),
                 lock("credential.failed", "2024-02-01T10:00:03", reason="offline", **guest),
                 lock("credential.requested", "2024-02-01T10:01:00", vendor="salto", **guest),
                 lock("credential.issued", "2024-02-01T10:01:02.500", holderKind="guest", **guest), lock("credential.activated", "2024-02-01T11:00", **guest),
                 lock("credential.suspended", "2024-02-01T12:00", reason="lost", **guest), lock("credential.revoked", "2024-02-02T09:00", reason="checkout", **guest),
                 lock("access.denied", "2024-02-01T11:01", reason="expired", **door), lock("access.granted", "2024-02-01T11:01", n=2, **door),
                 lock("access.denied", "2024-02-01T11:05", propertyId=PROPERTY), lock("device.health_alert", "2024-02-01T13:00", lockDeviceId=ident("lck", 7)),
                 lock("credential.issued", "2024-02-01T14:00", propertyId=PROPERTY), lock("device.health_alert", "2024-02-01T14:00", n=3)])
    rows = world.rows("select action, result, latency_ms, vendor, reason, room_id is not null, reservation_id is not null, holder_kind"
                      " from analytics_curated.fact_lock_action where lock_key = $1 order by occurred_at, action_id", KEY)
    placed = ["t", "t", "guest"]
    assert rows == [
        ["request", "requested", None, "ttlock", None, *placed], ["issue", "failed", "3000", "salto", "offline", *placed],
        ["request", "requested", None, "salto", None, *placed], ["issue", "succeeded", "2500", "salto", None, *placed],
        ["activate", "succeeded", None, "salto", None, *placed], ["suspend", "succeeded", None, "salto", "lost", *placed],
        ["revoke", "succeeded", None, "salto", "checkout", *placed]]
    # an attempt is one row however often it was reported, the last report holds; without an id it is its event
    access = world.rows("select action_id = $1, result, key_credential_id = $2 from analytics_curated.fact_lock_action where action = 'access' order by occurred_at",
                        ident("kca", 1), KEY)
    assert access[1] == ["f", "denied", None] and access[0][0] == "t" and access[0][2] == "t"
    assert world.rows("select result, lock_device_id from analytics_curated.fact_lock_action where action = 'alert'") == [["alert", ident("lck", 7)]]
    assert sorted(r[0] for r in world.rows("select error from analytics_run.failed_keys")) == ["no keyCredentialId", "no lockDeviceId"]


def test_the_audit_trail_says_that_and_when_and_never_what(world):
    someone = {"userId": ident("usr", 1), "email": "a@example.org"}
    platform = {"envelope": {"eventId": "evt_" + ident("x", 1)[2:], "subject": "melmastoon.iam.user.login_failed.v1", "occurredAt": "2024-02-01T10:00:00Z",
                             "tenantId": None}, "payload": {"emailHash": "ab" * 16}}
    world.apply([event("iam.user.registered", "2024-02-01T23:30", someone) | {"aggregate": {"id": ident("usr", 1)}},
                 event("audit.record.something_new", "2024-02-02T10:00", someone), platform])
    rows = world.rows("select tenant_id, subject, occurred_at, business_date, entity_key from analytics_curated.fact_audit_event order by occurred_at")
    assert [r[:2] + r[3:4] for r in rows] == [["_platform", "melmastoon.iam.user.login_failed.v1", "2024-02-01"],
                                            [TENANT, "melmastoon.iam.user.registered.v1", "2024-02-01"],
                                            [TENANT, "melmastoon.audit.record.something_new.v1", "2024-02-02"]]
    assert len(rows[1][4]) == 32 and rows[2][4] is None
    text = world.value("select string_agg(t::text, ' ') from analytics_curated.event_audit t")
    assert "usr_" not in text and "example" not in text and "abab" not in text


def stream(rng, tenant):
    events = [e for e in inventory({}, zone=rng.choice(("Asia/Kabul", "UTC")), tenant=tenant)]
    t0 = at("2024-02-01T00:00")

    def when():
        return t0 + dt.timedelta(minutes=rng.randint(0, 3000) // 7 * 7)

    for n in range(rng.randint(20, 60)):
        events.append(rng.choice((
            lambda: created(when(), ident("hkt", rng.randint(0, 4))),
            lambda: task(rng.choice(("assigned", "reassigned", "started", "completed", "inspected", "escalated", "cancelled")), when(), ident("hkt", rng.randint(0, 4)), n,
                         staffId=ident("stf", rng.randint(0, 2)), result=rng.choice(("passed", "failed"))),
            lambda: lock(rng.choice(("credential.requested", "credential.issued", "credential.failed", "credential.revoked")), when(), n,
                         keyCredentialId=ident("key", rng.randint(0, 3)), propertyId=rng.choice((PROPERTY, ident("ppt", 2))), vendor=rng.choice(("a", "b"))),
            lambda: lock(rng.choice(("access.granted", "access.denied")), when(), n, attemptId=ident("kca", rng.randint(0, 5)), propertyId=PROPERTY, reason=str(n % 3)),
            lambda: event("iam.user.login_succeeded", when(), {"userId": "u"}, n=n)))())
    return list({e["id"]: e | {"tenantId": tenant} for e in events}.values())


@pytest.fixture(scope="module")
def shared_world(cluster):
    world = World(cluster, "shared_world")
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(8))
def test_any_order_gives_the_same_rows(shared_world, seed):
    found = wh.same_in_any_order(shared_world, lambda tenant: stream(random.Random(seed), tenant),
                                 ("fact_housekeeping_task", "fact_lock_action", "fact_audit_event"), random.Random(seed),
                                 ("housekeeping", "lock", "audit", "property"))
    assert all(not rows.startswith("0 ") for rows in found.values()), found
