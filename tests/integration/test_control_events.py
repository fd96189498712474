"""Events that ask for a job, and tenants that are gone: decided in the transaction that lands them."""

import concurrent.futures
import json

import pytest

import platform_events as ev
import warehouse as wh
from events import OTHER, TENANT, event
from harness import BIN, PATIENCE, run, wait_until
from instance import Instance
from pgcluster import PgError

WHEN = "2024-03-01T10:00"
KINDS = {"tenant.deleted": "purge", "tenant.region_changed": "region", "tenant.guest.erasure_requested": "erasure",
         "ai.forecast.produced": "forecast", "ai_orchestrator.forecast.produced": "forecast"}


@pytest.fixture
def tenant(request):
    """The id of a tenant that only this test uses."""
    return ev.tenant_id(request.node.nodeid)


def control(tenant, subject, n=0):
    subject = f"melmastoon.{subject}.v1"
    return {"id": "evt_" + ev.ulid(WHEN, tenant, subject, n), "subject": subject, "tenantId": tenant,
            "occurredAt": "2024-03-01T10:00:00.123Z", "payload": {"n": n, "guestId": "gst_1"}}


def booking(tenant, n=0, **more):
    return ev.reservation(tenant, "held", WHEN, ev.ident("rsv", tenant, n), **more)


def jobs(stack, tenant):
    return [tuple(row) for row in stack.query(
        "select kind, trigger, state, schedule_key, params from analytics.etl_jobs where tenant_id = $1 order by job_id", tenant)]


def events_left(stack):
    return stack.query("select count(*) from analytics_run.control_event")[0][0] == "0"


def status(stack):
    return json.loads(run([BIN + "/etld", "-c", stack.path("etc", "etld.conf"), "status", "--json"]).stdout)


@pytest.mark.parametrize("subject", KINDS)
def test_an_event_becomes_one_job(stack, tenant, subject):
    """Whatever comes with it, and however often it comes."""
    asks, other = control(tenant, subject), booking(ev.tenant_id(tenant))
    conflict = {**asks, "payload": {"n": 7}}
    told = stack.send_events([other, asks, asks, conflict])
    assert [told[k] for k in ("accepted", "duplicates", "conflicts", "deadLettered")] == [2, 1, 1, 0]
    wait_until(lambda: len(jobs(stack, tenant)) == 1 and events_left(stack), 60)
    if subject != "tenant.deleted":
        assert stack.send_events([asks])["duplicates"] == 1
        assert stack.send_events([control(tenant, subject, 1)])["accepted"] == 1
        wait_until(lambda: len(jobs(stack, tenant)) == 2 and events_left(stack), 60)
    key = asks["id"].removeprefix("evt_")
    [job] = [job for job in jobs(stack, tenant) if key in job[3]]
    assert (job[0], job[1], job[3]) == (KINDS[subject], "event", f"event:{tenant}:{key}")
    assert json.loads(job[4]) == {"subject": asks["subject"], "dedupeKey": key, "occurredAt": "2024-03-01T10:00:00.123000Z"}
    told = status(stack)
    assert told["controlEvents"] == 0
    assert KINDS[subject] not in {row["kind"] for row in told["unhandledJobs"]}


# ---- forecasts

def forecast(tenant, run, points, **more):
    return event("ai.forecast.produced", WHEN, {
        "forecastRunId": run, "capability": "demand", "model": "m", "propertyId": ev.ident("ppt", tenant),
        "generatedAt": "2024-03-01T10:00:00Z", "points": points} | more, tenant)


def forecast_job(stack, tenant, of):
    """(state, error, rows in, rows out) of the job of an event."""
    rows = stack.query("select j.state, j.error, r.rows_in, r.rows_out from analytics.etl_jobs j join analytics.etl_runs r using (job_id, attempt)"
                       " where j.schedule_key = $1", f"event:{tenant}:{of['id'].removeprefix('evt_')}")
    return tuple(rows[0]) if rows else None


def test_a_forecast_is_seen_to_arrive(stack, tenant):
    """Its points are facts, or in the quarantine; where one was lost its vintage is built again."""
    house = event("property.published", WHEN, {"propertyId": ev.ident("ppt", tenant), "name": {"default": "House"}, "timezone": "UTC"}, tenant)
    points = [{"stayDate": "2024-03-05", "roomsP50": 3}, {"stayDate": "2024-03-05", "roomsP50": 4}, {"stayDate": "2024-03-06", "roomsP50": 1},
              {"stayDate": "2024-03-07", "roomsP50": -1}, {"roomsP50": 1}]
    good, bare = forecast(tenant, ev.ident("fcr", tenant, 1), points), forecast(tenant, None, points[:1])
    stack.send_events([house])
    stack.wait()
    stack.send_events([good, bare])
    wait_until(lambda: forecast_job(stack, tenant, good) == ("succeeded", None, "5", "2"), 60)
    wait_until(lambda: "no forecastRunId" in ((forecast_job(stack, tenant, bare) or ("", None))[1] or ""), 60)
    told = stack.query("select envelope from analytics_run.outbox where ordering_key = (select 'etl_' || job_id from analytics.etl_jobs"
                       " where schedule_key = $1) and subject like '%.etl.completed.%'", f"event:{tenant}:{good['id'].removeprefix('evt_')}")
    [completed] = [json.loads(envelope)["payload"] for envelope, in told]
    assert {k: completed[k] for k in ("kind", "trigger", "projectionKey", "rowsIn", "rowsOut", "reason")} == {
        "kind": "forecast", "trigger": "event", "projectionKey": None, "rowsIn": 5, "rowsOut": 2, "reason": None}
    assert completed["durationMs"] > 0
    # lost rows come back by the job alone
    gone = "delete from analytics_curated.{} where tenant_id = $1"
    stack.query(gone.format("fact_demand_forecast_v1"), tenant)
    stack.query(gone.format("forecast_quarantine"), tenant)
    stack.query("update analytics.etl_jobs set state = 'queued', finished_at = null, progress = 0 where schedule_key = $1",
                f"event:{tenant}:{good['id'].removeprefix('evt_')}")
    wait_until(lambda: forecast_job(stack, tenant, good) == ("succeeded", None, "5", "2"), 60)
    assert stack.query("select stay_date, rooms_p50 from analytics_curated.fact_demand_forecast where tenant_id = $1 order by 1", tenant) == [
        ["2024-03-05", "4"], ["2024-03-06", "1"]]
    assert stack.query("select reason from analytics_curated.forecast_quarantine where tenant_id = $1 order by 1", tenant) == [
        ["incomplete"], ["negative"]]


def test_enqueued_twice_is_once(world):
    """etld died between making the jobs and taking the events out of the queue."""
    wh.land_suspects(world.ingestd, [event("tenant.region_changed", "2024-01-01T00:00", {})])
    for made in ("1", "1"):
        events, *arrays = world.etld.statement(wh.ETLD + "take_control_events.sql", 10)[0]
        world.etld.statement("control/etld/enqueue_event_jobs.sql", *arrays, "1 min")
        assert (events, world.value("select count(*) from analytics.etl_jobs")) == ("1", made)
    world.etld.statement(wh.ETLD + "drop_control_events.sql", arrays[2], arrays[3])
    assert world.etld.statement(wh.ETLD + "take_control_events.sql", 10)[0][0] == "0"


# ---- tenants that are gone

def test_a_deleted_tenant_lands_nothing(stack, tenant):
    neighbour = ev.tenant_id(tenant)
    assert stack.send_events([booking(tenant, 0)])["accepted"] == 1
    assert stack.send_events([control(tenant, "tenant.deleted"), booking(neighbour, 0)])["accepted"] == 2

    def send(to, n):
        """Of two tenants: what came of the events, and what was said about those of the deleted one."""
        told = to([booking(tenant, n), booking(neighbour, n), {**booking(tenant, n + 1), "occurredAt": "never"}, control(tenant, "tenant.deleted")])
        assert [told[k] for k in ("accepted", "duplicates", "conflicts", "deadLettered")] == [1, 0, 0, 3]
        return sorted(error["code"] for error in told["errors"])

    assert send(stack.send_events, 1) == ["bad_time", "tenant_deleted", "tenant_deleted"]
    with Instance(stack, "ingestd") as stranger:  # one that has not met the tombstone
        assert send(lambda events: stranger.post(ev.ndjson(events)).json(), 3) == ["bad_time", "tenant_deleted", "tenant_deleted"]
        careful = "ingest_careful_batches_total"
        before = next(line for line in stranger.http("GET", "/metrics").body.decode().splitlines() if line.startswith(careful))
        assert send(lambda events: stranger.post(ev.ndjson(events)).json(), 5) == ["bad_time", "tenant_deleted", "tenant_deleted"]
        metrics = stranger.http("GET", "/metrics").body.decode()
        dropped = [float(line.split()[-1]) for line in metrics.splitlines() if 'outcome="tenant_deleted"' in line]
        assert before not in metrics and sum(dropped) == 4
    assert stack.query("select count(*) from events_raw.event where tenant_id = $1", tenant) == [["2"]]
    assert stack.query("select count(*) from events_raw.event where tenant_id = $1", neighbour) == [["4"]]
    assert stack.query("select count(*) from analytics_run.dead_letter where tenant_id = $1", tenant) == [["0"]]
    assert stack.query("select dropped from analytics_run.tombstone where tenant_id = $1", tenant) == [["6"]]


def test_a_landing_and_a_tombstone_take_turns(world):
    """A landing under way is wholly before the tombstone: a purge that starts when it is visible misses nothing."""
    late, records = world.connect("analytics_ingestd"), [wh.read(event("reservation.cancelled", "2024-01-02T10:00", {"reservationId": "a"}))]
    begun = wh.script("land_batch").replace("commit;", "")
    world.ingestd.script(begun, wh.binary(wh.tuple_of(r, 10**6) for r in records), wh.binary(wh.deltas_of(records, 10**6)),
                         wh.binary([[("int8", 10**6), ("int4", 1), ("int8", 1)]]))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        buried = pool.submit(wh.land_suspects, late, [event("tenant.deleted", "2024-01-03T10:00", {})])
        wait_until(lambda: world.value("select count(*) from pg_locks where locktype = 'advisory' and not granted") == "1")
        assert not buried.done()
        world.ingestd.query("commit")
        assert buried.result(PATIENCE) == ["accepted"]
    with pytest.raises(PgError) as refused:
        wh.land(world.ingestd, [event("reservation.cancelled", "2024-01-04T10:00", {"reservationId": "b"}),
                                event("reservation.cancelled", "2024-01-04T10:00", {"reservationId": "b"}, OTHER)])
    assert refused.value.sqlstate == "TD001"
    world.ingestd.query("rollback")
    assert wh.land_suspects(world.ingestd, [event("reservation.cancelled", "2024-01-04T10:00", {"reservationId": "b"}),
                                            event("reservation.cancelled", "2024-01-04T10:00", {"reservationId": "b"}, OTHER)]) == \
        ["tenant_deleted", "accepted"]
    assert world.rows("select tenant_id, count(*) from events_raw.event group by 1 order by 2") == [[OTHER, "1"], [TENANT, "2"]]
