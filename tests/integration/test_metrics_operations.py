"""Metrics of housekeeping, locks, suggestions and the funnel, and a simulated platform, end to end:
events through ingestd, figures from queryd."""
import json
import re

import pytest

import harness
from events import PROPERTY, event, ident, reservation
from test_funnel import booked, booking, click, initiated, owned
from test_queryd import API

TENANT = ident("tnt", "metrics of operations")
OTHER = ident("tnt", "metrics of another")
FAR = ident("ppt", 2)
DAY = {"from": "2024-03-01", "to": "2024-03-01"}


def own(events, tenant=TENANT):
    return [e | {"tenantId": tenant} if "envelope" not in e else e for e in events]


def turnover(n, minutes, kind="turnover", place=PROPERTY):
    task = ident("hkt", "golden", n)
    yield event("housekeeping.task.created", "2024-03-01T08:00", {"taskId": task, "propertyId": place, "roomId": ident("rmu", n), "kind": kind})
    if minutes:
        yield event("housekeeping.task.completed", f"2024-03-01T08:{minutes:02}", {"taskId": task})


def golden_events():
    yield from (owned(TENANT), owned(TENANT, FAR))
    for n, minutes in enumerate((20, 30, 40, None)):
        yield from turnover(n, minutes)
    yield from turnover(10, 50, place=FAR)
    yield from turnover(11, 5, "mid_stay_clean")
    key = {"keyCredentialId": ident("key", "golden"), "propertyId": PROPERTY}
    for n, verb in enumerate(("credential.requested", "credential.issued", "access.granted", "access.granted", "access.denied")):
        yield event(f"lock.{verb}", f"2024-03-01T09:0{n}", key | {"attemptId": ident("kca", "golden", n)})
    for n, (decision, capability) in enumerate((("accepted", "upsell"), ("edited", "upsell"), ("rejected", "upsell"), ("expired", "pricing.suggest"), ("accepted", "pricing.suggest"))):
        yield event("ai_orchestrator.hitl.gate_decided", "2024-03-01T10:00", {"suggestionId": ident("sug", "golden", n), "propertyId": PROPERTY, "capability": capability,
                                                                          "decision": decision})
    # ten sessions click; four are handed over; three convert: one is cancelled, one only after 31 days
    for n in range(10):
        session, handoff, rsv = ident("gms", "golden", n), ident("hof", "golden", n), ident("rsv", "golden", n)
        yield from (click("2024-03-01T11:00", TENANT, session=session), click("2024-03-01T11:01", TENANT, session=session, n=1))
        if n < 4:
            yield initiated("2024-03-01T11:02", handoff, TENANT, session=session)
        if n < 3:
            yield booking("booking.draft.converted", "2024-04-02T11:00" if n == 2 else "2024-03-02T11:00", TENANT, handoffId=handoff, reservationId=rsv)
            yield booked("2024-03-02T11:01", rsv)
    yield reservation("cancelled", "2024-03-03T10:00", ident("rsv", "golden", 1))
    # another tenant's in the same sessions
    yield owned(OTHER, ident("ppt", 9))
    yield click("2024-03-01T11:00", OTHER, ident("ppt", 9), ident("gms", "golden", 0))


@pytest.fixture(scope="module")
def compute(stack):
    events = [e for e in golden_events() if e.get("tenantId") != OTHER]
    stack.send_events(own(events) + [e for e in golden_events() if e.get("tenantId") == OTHER])
    stack.wait()
    token = stack.token(TENANT, "--role", "tenant.admin")

    def of(metric, tenant_token=token, **body):
        answer = stack.compute(tenant_token, metric, **{"dateRange": DAY, **body})
        assert answer.status == 200, answer
        return answer.json()["rows"]
    return of


GOLDEN = {
    "time_to_ready_minutes": (20 + 30 + 40 + 50) / 4,
    "lock_success_rate": 3 / 4,
    "ai_suggestion_acceptance_rate": 3 / 5,
    "meta_to_book_conversion": 2 / 10,
    "meta_to_book_conversion_net": 1 / 10,
}
GROUPED = {
    ("time_to_ready_minutes", "property_id"): {PROPERTY: 30, FAR: 50},
    ("ai_suggestion_acceptance_rate", "capability"): {"upsell": 2 / 3, "pricing.suggest": 1 / 2},
    ("meta_to_book_conversion", "meta_source"): {"kayak": 0, "google": 2 / 4},
}


@pytest.mark.parametrize("metric", GOLDEN)
def test_golden_vector(compute, metric):
    assert compute(metric) == [{metric: pytest.approx(GOLDEN[metric], rel=1e-12)}]
    assert compute(metric, dateRange={"from": "2024-02-28", "to": "2024-02-29"}) == [{metric: None}]


@pytest.mark.parametrize("metric,dimension", GROUPED)
def test_dimensions_and_filters(compute, metric, dimension):
    expected = GROUPED[metric, dimension]
    assert {r[dimension]: r[metric] for r in compute(metric, dimensions=[dimension])} == {k: pytest.approx(v) for k, v in expected.items()}
    for value, figure in expected.items():
        assert compute(metric, filters=[{"dimension": dimension, "op": "eq", "values": [value]}]) == [{metric: pytest.approx(figure)}]


def test_another_tenants_click_in_the_session_is_its_own(stack, compute):
    theirs = stack.token(OTHER, "--role", "tenant.admin")
    assert compute("meta_to_book_conversion", theirs) == [{"meta_to_book_conversion": 0}]
    assert compute("lock_success_rate", theirs) == [{"lock_success_rate": None}]
    scoped = stack.token(TENANT, "--role", "manager", "--property", FAR)
    assert compute("time_to_ready_minutes", scoped) == [{"time_to_ready_minutes": 50}]
    assert compute("meta_to_book_conversion", scoped) == [{"meta_to_book_conversion": None}]


def test_the_new_metrics_and_projections_are_listed(stack, compute):
    token = stack.token(TENANT, "--role", "tenant.admin")
    metrics = {m["key"]: m for m in stack.http("GET", "queryd", f"{API}/metrics", None, token).json()["items"]}
    assert set(GOLDEN) <= set(metrics) and set(metrics["meta_to_book_conversion"]["dimensions"]) == {"date", "property_id", "meta_source"}
    projections = {p["key"]: p for p in stack.http("GET", "queryd", f"{API}/projections", None, token).json()["items"]}
    assert projections["fact_housekeeping_task"]["freshnessSloSeconds"] == 300 and projections["fact_funnel"]["freshnessSloSeconds"] == 900


def test_a_simulated_platform_fills_every_table(stack, compute):
    sent = harness.run([f"{harness.BIN}/hotelsim", "--seed", "11", "--tenants", "2", "--rooms", "10", "--from", "2025-01-01", "--to", "2025-01-20"]).stdout
    stack.send_events([json.loads(line) for line in sent.splitlines()])
    stack.wait()
    for table in ("fact_housekeeping_task", "dim_fx", "fact_lock_action", "fact_ai_suggestion", "fact_demand_forecast", "fact_audit_event", "fact_funnel"):
        tenants = int(stack.psql(f"select count(distinct tenant_id) from analytics_curated.{table} where tenant_id not in ('{TENANT}', '{OTHER}', '_platform')")[0][0])
        assert tenants >= 1, table
    simulated = "{" + ",".join({"tnt_" + ulid for ulid in re.findall('"(?:tnt|t|ten)_([0-9A-HJKMNP-TV-Z]{26})"', sent)}) + "}"
    assert len(simulated) > 2
    assert stack.query("select consumer, key, error from analytics_run.failed_keys where tenant_id = any ($1::text[])", simulated) == []
    assert stack.query("select reason from analytics_curated.forecast_quarantine where tenant_id = any ($1::text[])", simulated) == []
    # every step of the funnel is somewhere, in order, and every conversion ends in a reservation
    steps = ("searched_at", "clicked_at", "handed_off_at", "consumed_at", "drafted_at", "converted_at")
    assert all(int(n) > 0 for n in stack.psql(f"select {', '.join(f'count({s})' for s in steps)}, count(confirmed_at) from analytics_curated.fact_funnel")[0])
    ordered = " and ".join(f"coalesce({a} <= {b}, true)" for a, b in zip(steps, steps[1:]))
    assert stack.psql(f"select count(*) filter (where not ({ordered})), count(*) filter (where converted_at is not null and confirmed_at is null)"
                      f" from analytics_curated.fact_funnel where tenant_id not in ('{TENANT}', '{OTHER}')") == [["0", "0"]]
    # what dqd thinks of it
    harness.run([f"{harness.BIN}/dqd", "-c", stack.path("etc", "dqd.conf"), "run"])
    results = stack.query("select table_name, kind, column_name, state, count(*) from analytics.dq_results r join analytics.dq_checks using (check_id)"
                          " where kind in ('row_count_drift', 'quarantine_rate') and r.tenant_id = any ($1::text[]) group by 1, 2, 3, 4 order by 1", simulated)
    assert {r[3] for r in results} == {"pass"}, results
    assert {"fact_housekeeping_task", "dim_fx", "fact_lock_action", "fact_ai_suggestion", "fact_demand_forecast", "fact_audit_event"} <= {r[0] for r in results}
