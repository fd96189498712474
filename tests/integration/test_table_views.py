"""Every tenant view beside another tenant's rows: all of one's own, nothing else, and the property scope."""
import json
import os
import random
import re

import pytest

import test_ai
import test_funnel
import test_fx
import test_operations
import warehouse as wh
from harness import CHECKOUT
from events import OTHER, PROPERTY, TENANT, event
from test_isolation import PASSWORD, scoped, sign
from warehouse import World

VIEWS = ("dim_fx", "fact_housekeeping_task", "fact_lock_action", "fact_ai_suggestion", "fact_demand_forecast", "fact_audit_event", "fact_funnel")
NO_PROPERTY = {"dim_fx": True, "fact_audit_event": False}  # whether a user with a property list sees it


@pytest.fixture(scope="module")
def two_tenants(cluster):
    world = World(cluster, "two_tenants")
    for n, tenant in enumerate((TENANT, OTHER)):
        world.etld.statement(wh.ETLD + "provision_tenant.sql", tenant, PASSWORD, "false")
        for module in (test_operations, test_fx, test_ai):
            wh.land_suspects(world.ingestd, module.stream(random.Random(n), tenant))
        wh.land_suspects(world.ingestd, test_funnel.stream(random.Random(7), tenant, 7))  # the same sessions
    wh.drain(world.etld)
    yield world
    world.close()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_its_tenants_rows_only(two_tenants, view):
    world, counts = two_tenants, {}
    for tenant in (TENANT, OTHER):
        conn = world.connect(tenant, PASSWORD)
        own = world.value(f"select count(*) from analytics_curated.{view} where tenant_id = $1", tenant)
        count = f"select count(*), count(*) filter (where tenant_id <> '{tenant}') from tenant_views.{view}"
        assert int(own) > 0 and scoped(conn, sign(world, conn, tenant), count) == [[own, "0"]]
        few = world.value(f"select count(*) from analytics_curated.{view} where tenant_id = $1 and property_id = $2", tenant, PROPERTY) \
            if view not in NO_PROPERTY else own if NO_PROPERTY[view] else "0"
        assert scoped(conn, sign(world, conn, tenant, PROPERTY), count) == [[few, "0"]]
        if not NO_PROPERTY.get(view):
            assert conn.query(count) == [["0", "0"]]  # without a scope
        counts[tenant] = own
    nobody = world.connect("analytics_nobody")
    assert scoped(nobody, sign(world, nobody, "analytics_nobody"), f"select count(*) from tenant_views.{view}") == [["0"]]


def test_the_views_over_forecasts_are_the_tenants_too(two_tenants):
    world = two_tenants
    for tenant in (TENANT, OTHER):
        conn = world.connect(tenant, PASSWORD)
        for view in ("fact_demand_forecast_latest", "forecast_accuracy"):
            everything = scoped(conn, sign(world, conn, tenant), f"select distinct tenant_id from tenant_views.{view}")
            assert everything == [[tenant]], view
            assert scoped(conn, sign(world, conn, tenant, "ppt_none"), f"select count(*) from tenant_views.{view}") == [["0"]]


def test_a_report_over_forecasts_reads_its_tenants_rows_only(two_tenants):
    conn = two_tenants.connect(TENANT, PASSWORD)
    conn.query("set enable_seqscan = off")  # so few rows would be scanned
    todo, scans = [json.loads(conn.query("explain (format json) select * from tenant_views.forecast_accuracy")[0][0])[0]["Plan"]], []
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        scans += [node] if "Relation Name" in node or node["Node Type"] == "Bitmap Index Scan" else []
    assert {"fact_room_night_v1", "fact_demand_forecast_v1"} <= {n.get("Relation Name") for n in scans}
    for node in scans:
        condition = node.get("Index Cond") or node.get("Recheck Cond")
        assert condition and "tenant_id" in condition and "SESSION_USER" in condition, node


def test_no_person_is_in_the_curated_tables(two_tenants):
    for view in VIEWS:
        text = two_tenants.value(f"select string_agg(t::text, ' ') from analytics_curated.{view} t")
        assert not any(prefix in text for prefix in ("stf_", "gst_", "usr_")), view


# ---- payloads that are not what they should be

JUNK = [None, True, 0, -1, 1.5, 1e300, 10**30, "", "x", "x" * 5000, "a/b", "2024-02-30", "2024-02-01T25:00:00Z", [], {}, [None], [[]], [1], {"a": 1}, "0.5",
        {"amountMicro": "9" * 40, "currency": "usd"}, {"baseCurrency": "USD", "rates": {"EUR": "1" * 40, "usd": {}, "": 1, "AFN": "70.5"}},
        {"baseCurrency": 5, "rates": []}, [{"stayDate": 5}, {"stayDate": "2024-03-05", "roomsP50": 1e300}, "x", {"stayDate": "2024-03-05", "roomsP50": 0.1, "adr": 1}]]
GOOD = {"taskId": "hkt_1", "propertyId": PROPERTY, "keyCredentialId": "key_1", "attemptId": "kca_1", "lockDeviceId": "lck_1", "rooms": ["rmu_1"], "requestId": "ifr_1",
        "suggestionId": "sug_1", "decision": "accepted", "forecastRunId": "fcr_1", "roomTypeId": "rmt_1", "generatedAt": "2024-03-01T10:00:00Z", "sessionId": "gms_1",
        "handoffId": "hof_1", "reservationId": "rsv_1", "tenantId": TENANT, "metaSource": "m", "capability": "c", "result": "passed", "staffId": "stf_1", "at": "2024-03-01T10:00:00Z",
        "fxSnapshot": {"baseCurrency": "AFN", "rates": {"USD": "70000000"}, "takenAt": "2024-03-01T00:00:00Z", "source": "s"}, "points": [test_ai.point("2024-03-05")]}
SUBJECTS = ("housekeeping.task.created", "housekeeping.task.inspected", "lock.credential.issued", "lock.access.denied", "lock.device.health_alert", "billing.folio.opened",
            "pricing.fx_snapshot.captured", "ai_orchestrator.inference.completed", "ai_orchestrator.hitl.gate_decided", "ai.forecast.produced", "iam.user.registered",
            "bff.tenant.handoff.consumed", "bff.tenant.booking.draft.created", "bff.tenant.booking.draft.converted")
META = ("search.executed", "click.property", "handoff.initiated")


def test_nothing_in_a_payload_raises(world):
    rng, events = random.Random(3), [test_funnel.owned()]
    for n in range(900):
        payload = GOOD | {field: rng.choice(JUNK) for field in rng.sample(list(GOOD), rng.randint(0, 6))}
        payload = rng.choice((payload, payload, payload, "no object", payload["fxSnapshot"]))
        when = f"2024-03-01T{n % 24:02}:{n % 60:02}"
        events.append(event(rng.choice(SUBJECTS), when, payload, n=n) if n % 4 else test_funnel.meta(rng.choice(META), when, payload, rng.choice(("gms_1", "a/b", None, 7)), n))
    events += [event("billing.folio.opened", "2024-03-01T10:00", {"fxSnapshot": junk}, n=n) for n, junk in enumerate(JUNK)]
    world.apply(events)
    assert world.value("select count(*) from analytics_run.delta") == world.value("select count(*) from analytics_run.touched") == "0"
    assert {r[0] for r in world.rows("select error from analytics_run.failed_keys")} == {
        "no taskId", "no keyCredentialId", "no lockDeviceId", "no usable rate", "no requestId", "no suggestionId", "no forecastRunId", "no sessionId and no handoffId"}
    assert {r[0] for r in world.rows("select distinct consumer from analytics_run.failed_keys where key not like 'event:%'")} == set()
    for view in VIEWS:
        assert int(world.value(f"select count(*) from analytics_curated.{view}")) > 0 or view == "fact_demand_forecast", view


def test_the_gate_knows_the_columns(two_tenants):
    """Which names are a view's own decides whether a subquery runs for each row of the SELECT around it."""
    with open(os.path.join(CHECKOUT, "queryd", "adhoc", "gate_names.def"), encoding="utf-8") as names:
        listed = {view: " ".join(re.findall(r'"([^"]*)"', texts)).split() for view, texts in
                  re.findall(r"^COLUMNS\((\w+),([^)]*)\)", names.read(), re.M)}
    there = two_tenants.rows("select relname, array_to_string(array_agg(attname order by attname collate \"C\"), ' ') from pg_class c "
                              "join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped "
                              "where relnamespace = 'tenant_views'::regnamespace and relname = any ($1) group by 1", "{" + ",".join(listed) + "}")
    assert len(listed) == 19 and {view: columns.split() for view, columns in there} == listed
