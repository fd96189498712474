"""dqd: for each kind of check a planted fault turns it from pass to fail, and its repair back."""

import contextlib
import json
import subprocess
import time

import pytest

import pgcluster
import reference
from etlstack import counter
from harness import BIN, PATIENCE, another_queryd, http_request, run, wait_until
from instance import Instance

TENANT = "tnt_01HZ00000000000000000000DQ"


def check(stack):
    """Counts and judges everything now: `dqd run`."""
    run([f"{BIN}/dqd", "-c", stack.path("etc", "dqd.conf"), "run"])


def state(stack, table, kind, column=None, tenant=TENANT):
    where = f"c.column_name = '{column}'" if column else "c.column_name is null"
    rows = stack.psql(
        "select r.state from analytics.dq_results r join analytics.dq_checks c using (check_id) "
        f"where r.tenant_id = '{tenant}' and c.table_name = '{table}' and c.kind = '{kind}' and {where}")
    return rows[0][0] if rows else None


def alerts(stack):
    """What the outbox says about this tenant's checks: (table, kind, state), in order."""
    rows = stack.psql("select envelope from analytics_run.outbox where ordering_key = "
                      f"'{TENANT}' and subject like '%data_quality.alert%' order by outbox_id")
    payloads = [json.loads(row[0])["payload"] for row in rows]
    return [(p["table"], p["kind"], p["state"]) for p in payloads]


def event(n, verb, payload):
    at = f"2026-03-{n + 1:02d}T10:00:00.000Z"
    return {"id": f"evt_01KJM000000000000000000D{n:02d}", "subject": f"melmastoon.reservation.{verb}.v1",
            "occurredAt": at, "tenantId": TENANT, "correlationId": "cor_1",
            "producedBy": {"service": "reservation-service", "version": "1", "instance": "t"},
            "metadata": {"schemaVersion": 1, "orderingKey": "k", "retentionClass": "regulated"},
            "payload": payload}


def reservation(n):
    night = {"amountMicro": "50000000", "currency": "EUR"}
    return event(n, "confirmed", {
        "reservationId": f"rsv_01KJM000000000000000000R{n:02d}", "propertyId": "ppt_01KJM0000000000000000000P1",
        "channel": "direct", "items": [{
            "itemId": f"rit_01KJM000000000000000000T{n:02d}", "roomTypeId": "rmt_01KJM0000000000000000000T1",
            "stay": {"start": "2026-04-10", "end": "2026-04-12"},
            "nightlyRates": [{"date": "2026-04-10", "amount": night}, {"date": "2026-04-11", "amount": night}]}],
        "total": {"amountMicro": "100000000", "currency": "EUR"}})


@pytest.fixture(scope="module")
def checked(stack):
    """Some reservations, applied and found in order; no refresh that other tests asked for is still to come: it would
    mend what is planted."""
    stack.send_events([reservation(n) for n in range(20)])
    stack.wait()
    wait_until(lambda: not stack.query("select from analytics.etl_jobs where state in ('queued', 'running')"))
    check(stack)
    assert state(stack, "fact_reservation", "row_count_drift") == "pass"
    assert state(stack, "fact_room_night", "row_count_drift") == "pass"
    assert state(stack, "fact_room_night", "null_rate", "rate_micro") == "pass"
    assert state(stack, "fact_reservation", "freshness") == "pass"
    return stack


FAULTS = {
    "rows lost": (
        ("fact_room_night", "row_count_drift", None),
        "create table public.kept as select * from analytics_curated.fact_room_night_v1 "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R03'; "
        f"delete from analytics_curated.fact_room_night_v1 where tenant_id = '{TENANT}' and reservation_id like '%R03'",
        "insert into analytics_curated.fact_room_night_v1 select * from public.kept; drop table public.kept"),
    "rows too many": (
        ("fact_reservation", "row_count_drift", None),
        "insert into analytics_curated.fact_reservation_v1 select (jsonb_populate_record(r, "
        "'{\"reservation_id\": \"rsv_planted\", \"night_rows\": 0}')).* from analytics_curated.fact_reservation_v1 r "
        f"where tenant_id = '{TENANT}' limit 1",
        f"delete from analytics_curated.fact_reservation_v1 where tenant_id = '{TENANT}' and reservation_id = 'rsv_planted'"),
    "a null": (
        ("fact_room_night", "null_rate", "rate_micro"),
        "update analytics_curated.fact_room_night_v1 set rate_micro = null "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R05'",
        "update analytics_curated.fact_room_night_v1 set rate_micro = 50000000 "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R05'"),
    "a key twice": (
        ("fact_reservation", "distinct_count", None),
        "alter table analytics_curated.fact_reservation_v1 drop constraint fact_reservation_v1_pkey; "
        "insert into analytics_curated.fact_reservation_v1 select * from analytics_curated.fact_reservation_v1 "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R06'",
        "delete from analytics_curated.fact_reservation_v1 f where f.ctid = (select max(d.ctid) from analytics_curated.fact_reservation_v1 d "
        f"where d.tenant_id = '{TENANT}' and d.reservation_id like '%R06'); "
        "alter table analytics_curated.fact_reservation_v1 add primary key (tenant_id, reservation_id)"),
    "below zero": (
        ("fact_room_night", "below_zero", "rate_micro"),
        "update analytics_curated.fact_room_night_v1 set rate_micro = -rate_micro "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R07'",
        "update analytics_curated.fact_room_night_v1 set rate_micro = abs(rate_micro) "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R07'"),
    "a guest who never came": (
        ("fact_reservation", "stale_arrivals", None),
        "update analytics_curated.fact_reservation_v1 set arrival_date = current_date - 5 "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R08'",
        "update analytics_curated.fact_reservation_v1 set arrival_date = '2026-04-10' "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R08'"),
    "a room sold twice": (
        ("fact_inventory_day", "overbooking", None),
        "update analytics_curated.fact_room_night_v1 set stay_date = stay_date - date '2026-04-10' + current_date "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R09'; "
        "insert into analytics_curated.fact_inventory_day_v1 (tenant_id, room_type_id, date, property_id, rooms_total, out_of_order, "
        "out_of_service, closed, house_permanent, rooms_available, _batch_id, _updated_at) select tenant_id, room_type_id, stay_date, "
        "property_id, 0, 0, 0, 0, 0, 0, _batch_id, _updated_at from analytics_curated.fact_room_night_v1 "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R09' order by stay_date limit 1",
        f"delete from analytics_curated.fact_inventory_day_v1 where tenant_id = '{TENANT}'; update analytics_curated.fact_room_night_v1 n "
        "set stay_date = date '2026-04-10' + (select count(*)::integer from analytics_curated.fact_room_night_v1 b where b.tenant_id = n.tenant_id "
        "and b.reservation_id = n.reservation_id and b.stay_date < n.stay_date) "
        f"where tenant_id = '{TENANT}' and reservation_id like '%R09'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault(checked, fault):
    key, plant, repair = FAULTS[fault]
    before = len(alerts(checked))
    checked.psql(plant)
    check(checked)
    assert state(checked, *key) == "fail"
    check(checked)  # still failing: no second alert
    checked.psql(repair)
    check(checked)
    assert state(checked, *key) == "pass"
    mine = [a for a in alerts(checked)[before:] if a[:2] == key[:2]]
    assert mine == [(*key[:2], "raised"), (*key[:2], "resolved")]


def answered(stack):
    """(quality, cache, ETag) of a result over nights, from a queryd that has just looked at the checks."""
    with another_queryd(stack) as url:
        said = http_request("POST", url + "/api/v1/analytics/metrics/rooms_sold:compute", {
            "dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}, {"Authorization": "Bearer " + stack.token(TENANT)})
    assert said.status == 200, said
    return said.json()["quality"], said.json()["cache"], said.headers["ETag"]


def test_answers_say_what_quality_they_have(checked):
    """Cached ones too, and a client's copy is good no more."""
    key, plant, repair = FAULTS["a null"]
    fine = answered(checked)
    assert fine[0] == "ok"
    checked.psql(plant)
    check(checked)
    warning = answered(checked)
    checked.psql("insert into analytics.dq_checks (check_id, tenant_id, table_name, kind, column_name, params, blocking) values "
                 f"('dqc_01KJM0000000000000000000F2', '{TENANT}', '{key[0]}', '{key[1]}', '{key[2]}', '{{\"limit\": 0}}', true)")
    check(checked)
    failed = answered(checked)
    assert [said[:2] for said in (warning, failed)] == [("warning", "HIT"), ("failed", "HIT")]
    assert len({said[2] for said in (fine, warning, failed)}) == 3
    checked.psql("delete from analytics.dq_checks where check_id = 'dqc_01KJM0000000000000000000F2'")
    checked.psql(repair)
    check(checked)
    assert answered(checked) == ("ok", "HIT", fine[2])


def test_on_a_schedule(checked):
    """What nobody marked dirty is counted again by the clock, and judged."""
    key, plant, repair = FAULTS["rows lost"]
    checked.psql(plant)
    with Instance(checked, "dqd", schedule_interval="1s", full_interval="1s", bus_connect=""):
        wait_until(lambda: state(checked, *key) == "fail")
        checked.psql(repair)
        wait_until(lambda: state(checked, *key) == "pass")


def test_what_is_only_told_says_nothing_against_the_figures(checked):
    """A failing check of severity info; with the tenant's own in its place, the answers say so."""
    key, plant, repair = FAULTS["a guest who never came"]
    token = checked.token(TENANT, "--role", "tenant.admin")

    def quality():
        answer = checked.http("POST", "queryd", "/api/v1/analytics/metrics/cancellation_rate:compute",
                              {"dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}, token, {"Cache-Control": "no-cache"})
        assert answer.status == 200, answer
        return answer.json()["quality"]

    checked.psql(plant)
    check(checked)
    assert state(checked, *key) == "fail" and quality() == "ok"
    checked.psql("insert into analytics.dq_checks (check_id, tenant_id, table_name, kind, severity, params) values "
                 f"('dqc_01KJM0000000000000000000F2', '{TENANT}', '{key[0]}', '{key[1]}', 'warning', '{{\"limit\": 0}}')")
    check(checked)
    wait_until(lambda: quality() == "warning")
    checked.psql("delete from analytics.dq_checks where check_id = 'dqc_01KJM0000000000000000000F2'")
    checked.psql(repair)
    check(checked)
    assert state(checked, *key) == "pass"


@contextlib.contextmanager
def held(stack, sql):
    """Another session, in a transaction that has done `sql`; committed at the end if the test did not."""
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as other:
        other.query("begin")
        other.query(sql)
        yield other
        other.query("commit")


@contextlib.contextmanager
def judging(stack, *words):
    """`dqd run` in its own process."""
    with subprocess.Popen([f"{BIN}/dqd", "-c", stack.path("etc", "dqd.conf"), "run", *words]) as one:
        try:
            yield one
        finally:
            if one.poll() is None:
                one.kill()


def waits(stack, pattern, sessions=1):
    """That many sessions of dqds wait for a lock in a statement like the pattern."""
    return lambda: int(stack.query("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'analytics_dqd'"
                                   " and query like $1", pattern)[0][0]) >= sessions


STORING, TELLING = "%insert into analytics.dq_results%", "%insert into analytics_run.outbox%"


@pytest.fixture
def lost(checked):
    """Rows of fact_room_night get lost when called; they are back, and that is told, at the end."""
    key, plant, repair = FAULTS["rows lost"]
    before = len(alerts(checked))
    yield lambda: checked.psql(plant), lambda: [a[2] for a in alerts(checked)[before:] if a[:2] == key[:2]]
    checked.psql(repair)
    check(checked)
    assert [a[2] for a in alerts(checked)[before:] if a[:2] == key[:2]] == ["raised", "resolved"]


MINE = f"r.tenant_id = '{TENANT}' and c.table_name = 'fact_room_night' and c.kind = 'row_count_drift'"


def result(where):
    """The result that is stored first of those that are so; held, whoever stores it waits."""
    return (f"select c.table_name from analytics.dq_results r join analytics.dq_checks c using (check_id) where {where}"
            " order by r.tenant_id, r.check_id limit 1 for update of r")


def test_two_that_find_the_same_fault_raise_one_alert(checked, lost):
    plant, told = lost
    with held(checked, result(MINE)) as other:
        plant()
        with judging(checked) as one:
            wait_until(waits(checked, STORING))  # or what two marks before one has measured would be left to two
            with judging(checked) as two:
                wait_until(waits(checked, STORING, 2))
                other.query("commit")
                other.query("begin")
                assert (one.wait(PATIENCE), two.wait(PATIENCE)) == (0, 0)
    assert told() == ["raised"]


def test_an_older_result_does_not_replace_a_newer_one(checked, lost):
    """One has measured before the fault and stores after another found it."""
    plant, told = lost
    first = result("true")
    assert checked.query(first)[0][0] != "fact_room_night"
    with held(checked, first) as other, judging(checked) as one:
        wait_until(waits(checked, STORING))
        plant()
        with judging(checked, "--table", "fact_room_night") as two:
            assert two.wait(PATIENCE) == 0
        other.query("commit")
        other.query("begin")
        assert one.wait(PATIENCE) == 0
    assert state(checked, "fact_room_night", "row_count_drift") == "fail"
    assert told() == ["raised"]


def test_who_told_an_older_change_does_not_set_back_what_was_told(checked):
    """One raised the alert, and says so only after another has resolved it: the next fault is raised."""
    key, plant, repair = FAULTS["rows lost"]
    before = len(alerts(checked))
    for sql in (plant, repair):
        checked.psql(sql)
        check(checked)
    mine = f"select r.check_id, r.tenant_id, 'fail', r.changes - 1 from analytics.dq_results r join analytics.dq_checks c using (check_id) where {MINE}"
    with pgcluster.Conn(checked.env["DATABASE_URL"]) as late:
        late.statement("control/dqd/mark_told.sql", *("{" + value + "}" for value in late.query(mine)[0]))
    for sql in (plant, repair):
        checked.psql(sql)
        check(checked)
    assert [a[2] for a in alerts(checked)[before:] if a[:2] == key[:2]] == ["raised", "resolved"] * 2


def test_an_alert_is_told_by_the_next_when_one_is_killed(checked, lost):
    plant, told = lost
    with held(checked, "lock table analytics_run.outbox in share mode"):
        plant()
        with judging(checked) as one:
            waiting = waits(checked, TELLING)
            wait_until(lambda: state(checked, "fact_room_night", "row_count_drift") == "fail" and waiting())
            one.kill()
            assert told() == []
            checked.query("select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and query like $1", TELLING)
    check(checked)
    assert told() == ["raised"]


def test_a_table_that_another_counts_is_waited_for(checked):
    """Of two counts the one that looked last is stored last: `dqd run` judges what it and the other have counted."""
    judged = ("select max(r.evaluated_at) from analytics.dq_results r join analytics.dq_checks c using (check_id)"
              f" where r.tenant_id = '{TENANT}' and c.table_name = 'fact_reservation' and c.kind = 'row_count_drift'")
    before = checked.query(judged)
    with pgcluster.Conn(checked.env["DATABASE_URL"]) as other:
        other.query("begin")
        other.statement("warehouse/postgres/dqd/lock_counting.sql", "fact_reservation")
        other.statement("warehouse/postgres/dqd/profile_fact_reservation.sql", "1000")
        with judging(checked) as one:
            wait_until(lambda: one.poll() is not None or waits(checked, "%pg_advisory_xact_lock(7203%")())
            assert one.poll() is None, "it did not wait"
            other.query("commit")
            assert one.wait(PATIENCE) == 0
    assert checked.query(judged) > before


def test_quarantine_rate(checked):
    """A forecast of a house that nobody knows, until it is known."""
    house = {"propertyId": "ppt_01KJM0000000000000000000P1"}
    points = [{"stayDate": f"2026-04-{n:02d}", "roomsP50": 1} for n in range(10, 20)]
    told = event(28, "x", house | {"forecastRunId": "fcr_01KJM0000000000000000000F1", "capability": "demand", "model": "m", "points": points})
    checked.send_events([told | {"subject": "melmastoon.ai.forecast.produced.v1"}])
    checked.wait()
    check(checked)
    assert state(checked, "fact_demand_forecast", "quarantine_rate") == "fail"
    checked.send_events([event(27, "x", house | {"name": {"default": "House"}, "timezone": "UTC", "currency": "EUR"})
                         | {"subject": "melmastoon.property.published.v1", "id": "evt_01KJM000000000000000000DP1"}])
    checked.wait()
    check(checked)
    assert state(checked, "fact_demand_forecast", "quarantine_rate") == "pass"
    assert [a for a in alerts(checked) if a[1] == "quarantine_rate"] == [("fact_demand_forecast", "quarantine_rate", said) for said in ("raised", "resolved")]


def test_every_table_has_its_checks(checked):
    """And they pass for tenants that have rows in every table; a hand-off that is lost is missed."""
    tables = {row[0] for row in checked.query("select table_name from analytics_run.version")}
    for kind in ("row_count_drift", "freshness", "null_rate", "distinct_count", "schema_drift"):
        provisioned = checked.query("select distinct table_name from analytics.dq_checks where tenant_id is null and kind = $1", kind)
        assert tables - {row[0] for row in provisioned} == set(), kind
    lines = subprocess.run([f"{BIN}/hotelsim", "--seed", "8", "--tenants", "1", "--rooms", "8", "--from", "2025-01-01", "--to", "2025-01-25"],
                           stdout=subprocess.PIPE, check=True).stdout
    [tenant] = {reference.parse(line).tenant for line in lines.splitlines()} - {"_platform", None}
    checked.send_events(lines)
    checked.wait()
    check(checked)
    for kind in ("row_count_drift", "distinct_count"):
        counted = {table: state(checked, table, kind, tenant=tenant) for table in tables}
        assert counted == dict.fromkeys(tables, "pass"), kind
    nulls = checked.query("select distinct c.table_name, r.state from analytics.dq_results r join analytics.dq_checks c using (check_id)"
                          " where r.tenant_id = $1 and c.kind = 'null_rate'", tenant)
    assert {table for table, _ in nulls} == tables
    checked.query("delete from analytics_curated.fact_funnel_v1 where ctid = (select min(ctid) from analytics_curated.fact_funnel_v1"
                  " where tenant_id = $1 and handoff_id is not null)", tenant)
    check(checked)
    assert state(checked, "fact_funnel", "row_count_drift", tenant=tenant) == "fail"


def test_freshness(checked):
    """An event that waits longer than its table may: with etld gone, and the limit at a second."""
    checked.psql("insert into analytics.dq_checks (check_id, tenant_id, table_name, kind, params) values "
                 f"('dqc_01KJM0000000000000000000F1', '{TENANT}', 'fact_reservation', 'freshness', '{{\"limit\": 0.5}}')")
    checked.kill("etld")
    checked.send_events([reservation(21)])
    wait_until(lambda: checked.psql(
        f"select 1 from analytics_run.delta where tenant_id = '{TENANT}' and landed_at < now() - interval '1 s'"))
    check(checked)
    own = "select r.state from analytics.dq_results r where r.check_id = 'dqc_01KJM0000000000000000000F1'"
    assert checked.psql(own) == [["fail"]]
    checked.up()
    checked.wait()
    check(checked)
    assert checked.psql(own) == [["pass"]]
    checked.psql("delete from analytics.dq_checks where check_id = 'dqc_01KJM0000000000000000000F1'")


def test_after_each_refresh(checked):
    """The running daemon checks what a refresh touched, without being told."""
    def evaluated():
        return checked.psql("select max(evaluated_at) from analytics.dq_results "
                            f"where tenant_id = '{TENANT}'")[0][0]
    before = evaluated()
    checked.send_events([reservation(22)])
    checked.wait()
    wait_until(lambda: evaluated() > before)
    wait_until(lambda: state(checked, "fact_reservation", "row_count_drift") == "pass")


ROUNDS = "dq_rounds_total"


@pytest.mark.parametrize("share, rests", [(100, False), (10, True)])
def test_a_round_that_took_long_is_followed_by_a_rest(checked, share, rests):
    """Who changes what is counted is not slowed down by a count that never ends."""
    with Instance(checked, "dqd", poll_interval="100ms", check_interval="1h", round_share=share) as dqd:
        with pgcluster.Conn(checked.env["DATABASE_URL"]) as other:
            wait_until(lambda: counter(dqd, ROUNDS) >= 1)
            other.query("begin")
            other.statement("warehouse/postgres/dqd/lock_counting.sql", "fact_reservation")
            wait_until(waits(checked, "%pg_advisory_xact_lock(7203%", 2))  # the stack's own, and this one
            time.sleep(1)
            ended = counter(dqd, ROUNDS) + 1
            other.query("commit")
        wait_until(lambda: counter(dqd, ROUNDS) >= ended)
        time.sleep(1)
        assert (counter(dqd, ROUNDS) == ended) is rests


# ---- schema drift: of all tenants together, so for nobody but the platform

DRIFTS = "melmastoon.reservation.drift_probe.v1"


def probe(n, **payload):
    return event(n, "drift_probe", {"reservationId": "rsv_01KJM000000000000000000R99", **payload})


def land_shapes(stack, *events, days_ago):
    """Their shapes, recorded as first seen then."""
    def count():
        return int(stack.query("select count(*) from analytics_run.event_shape where subject = $1", DRIFTS)[0][0])

    before = count()
    stack.send_events(list(events))
    wait_until(lambda: count() == before + len(events))
    stack.query("update analytics_run.event_shape set first_seen = now() - $2::interval where subject = $1"
                " and first_seen > now() - interval '10 minutes'", DRIFTS, f"{days_ago} days")


def drift(stack):
    """{table: (state, observed)} of the platform."""
    check(stack)
    rows = stack.psql("select c.table_name, r.state, r.observed from analytics.dq_results r join analytics.dq_checks c using (check_id)"
                      " where r.tenant_id = '_platform' and c.kind = 'schema_drift'")
    return {table: (state, int(observed)) for table, state, observed in rows}


def test_schema_drift(checked):
    land_shapes(checked, probe(23, rooms=1, note="x", rate=7), probe(24, rooms=1, rate=7), days_ago=40)
    tables = {row[0] for row in checked.psql("select table_name from analytics_run.version")}
    assert drift(checked) == dict.fromkeys(tables, ("pass", 0))
    land_shapes(checked, probe(25, rooms=1, rate=7, added={"more": 1}), days_ago=2)  # additive: nothing to say
    assert drift(checked)["fact_reservation"] == ("pass", 0)
    land_shapes(checked, probe(26, rooms="1", note="x", rate=7), probe(27, rooms=1, note="x"), days_ago=1)
    found = drift(checked)
    assert {table for table, said in found.items() if said == ("fail", 2)} == {"fact_reservation", "fact_room_night", "fact_room_night_history"}
    assert found["fact_payment"] == ("pass", 0)
    assert checked.query("select changed, vanished from analytics_run.shape_drift where subject = $1 order by 1", DRIFTS) == [
        ["{}", "{payload.rate}"], ['{"payload.rooms: string, was number"}', "{}"]]
    drift(checked)  # still: no second alert
    # a week later it is how the subject looks
    checked.query("update analytics_run.event_shape set first_seen = first_seen - interval '7 days' where subject = $1", DRIFTS)
    assert set(drift(checked).values()) == {("pass", 0)}
    told = [json.loads(row[0]) for row in checked.psql(
        "select envelope from analytics_run.outbox where ordering_key = '_platform' and tenant_id is null"
        " and envelope like '%schema_drift%' order by outbox_id")]
    mine = [e["payload"] for e in told if e["payload"]["table"] == "fact_reservation"]
    assert all(e["tenantId"] is None for e in told) and [(p["state"], p["observed"]) for p in mine] == [("raised", 2), ("resolved", 0)]
    # and no tenant's: neither to see, nor to have
    token = checked.token(TENANT, "--role", "tenant.admin")
    seen = checked.http("GET", "queryd", "/api/v1/analytics/data-quality?limit=100", token=token).json()["items"]
    assert seen and "schema_drift" not in {item["kind"] for item in seen}
    own = {"table": "fact_reservation", "kind": "schema_drift", "limit": 0, "severity": "info"}
    refused = checked.http("POST", "queryd", "/api/v1/analytics/data-quality/checks", own, token, {"Idempotency-Key": "01J00000000000000000000009"})
    assert refused.status == 422, refused
