"""queryd over HTTP: what an answer says, who gets which, bad requests, the other endpoints."""

import base64
import collections
import datetime as dt
import itertools
import json
import os
import sys

import pytest

from boards import User
from events import ident
from harness import CHECKOUT, wait_until
from hotel import API, CODES, METRICS, WINDOW, Hotel, compute, day, ulid
from instance import Instance

sys.path.insert(0, os.path.join(CHECKOUT, "tools"))
from stacklib import tokens as stack_tokens


def test_a_result_says_what_it_is(stack, token):
    answer = stack.compute(token, "adr", dateRange=WINDOW, granularity="month")
    result = answer.json()
    assert [c["name"] for c in result["columns"]] == ["date", "currency", "adr"]
    assert result["columns"][2]["unit"] == "currency"
    assert result["metricVersions"] == {"adr": 1} and len(result["definitionHashes"]["adr"]) == 64
    assert result["dateRange"] == WINDOW and result["truncated"] is False
    assert result["dataVersion"] > 0 and result["quality"] in ("ok", "warning", "failed")
    assert result["partial"] is False and result["freshnessSeconds"] == 0
    assert answer.headers["X-Cache"] in ("MISS", "HIT") and answer.headers["ETag"]
    assert answer.headers["Cache-Control"].startswith("private")
    assert answer.headers["X-Correlation-Id"] and answer.headers["X-RateLimit-Remaining"]
    assert int(answer.headers["X-Bytes-Scanned"]) == result["bytesScanned"]
    assert compute(stack, token, "adr", dateRange={"preset": "ytd"})["partial"] is True
    resolved = compute(stack, token, "rooms_sold", dateRange={"preset": "last_7_days"})["dateRange"]
    assert day(resolved["to"]) - day(resolved["from"]) == dt.timedelta(6)
    alias = stack.http("POST", "queryd", f"{API}/metrics/adr/compute", {"dateRange": WINDOW}, token)
    assert alias.json()["rows"] == compute(stack, token, "adr")["rows"]
    assert stack.compute(token, "adr").status == 200  # no body members: the last 30 days


def test_presets_are_of_the_place(stack):
    """Kiribati and Baker Island never have the same date."""
    hotel = Hotel("dateline")
    hotel.property("east", 1, timezone="Pacific/Kiritimati")
    hotel.property("west", 1, timezone="Etc/GMT+12")
    hotel.send(stack)
    token = stack.token(hotel.tenant)
    today = [compute(stack, token, "rooms_sold", dateRange={"preset": "today"}, filters=[
        {"dimension": "property_id", "op": "eq", "values": [hotel.id("ppt", key)]}])["dateRange"]["from"]
        for key in ("east", "west")]
    assert day(today[0]) > day(today[1])


# ---- who may

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_bad_tokens(stack, tmp_path, random_hotel):
    good = stack.token(random_hotel.tenant)
    head, payload, signature = good.split(".")
    none = b64(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged = b64(json.dumps({**claims, "tenantId": Hotel("golden").tenant}).encode())
    tokens = [None, "", "x", f"{none}.{payload}.", f"{none}.{payload}.{signature}",
              f"{head}.{forged}.{signature}", f"{head}.{payload}.{signature[:-4]}AAAA",
              stack.token(random_hotel.tenant, "--ttl", "-3600"),
              stack.token(random_hotel.tenant, "--aud", "other"),
              stack.token(None, "--service", "ingest")]
    for token in tokens:
        for method, path in (("GET", "/metrics"), ("POST", "/metrics/adr:compute"), ("GET", "/projections")):
            answer = stack.http(method, "queryd", API + path, None, token)
            assert answer.status == 401, (token, answer)
            assert answer.json()["code"] == CODES + "IAM.AUTH_INVALID"
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for algorithm in ("EdDSA", "ES256", "RS256"):
        assert stack.http("GET", "queryd", f"{API}/metrics", token=stack.token(
            random_hotel.tenant, "--alg", algorithm)).status == 200
    os.mkdir(tmp_path / "secrets")
    strange_keys = lambda *names: str(tmp_path.joinpath(*names))
    stack_tokens.create_keys(strange_keys)
    stranger = stack_tokens.sign(strange_keys, "EdDSA", stack_tokens.user_claims(random_hotel.tenant))
    assert stack.http("GET", "queryd", f"{API}/metrics", token=stranger).status == 401


def test_permissions(stack, random_hotel):
    def status(method, path, role, *args, body=None, headers=None):
        return stack.http(method, "queryd", API + path, body,
                          stack.token(random_hotel.tenant, "--role", role, *args), headers).status

    all_of = ["--property", random_hotel.id("ppt", "kabul")]
    for role in ("staff", "manager", "tenant.admin", "tenant.owner"):
        assert status("GET", "/metrics", role) == 200
        assert status("POST", "/metrics/adr:compute", role, *all_of, body={}) == 200
    for path in ("/metrics", "/projections", "/data-quality"):
        assert status("GET", path, "superuser") == 403
    for role, wanted in (("staff", 403), ("manager", 403), ("tenant.admin", 404), ("tenant.owner", 404)):
        assert status("GET", "/etl/jobs/job_" + ulid("none"), role) == wanted
    key = {"Idempotency-Key": ulid("permissions")}
    assert status("POST", "/projections/fact_payment:refresh", "manager", headers=key) == 403

    token = stack.token(random_hotel.tenant)
    for tenant, wanted in ((random_hotel.tenant, 200), (Hotel("golden").tenant, 403), ("", 403)):
        answer = stack.http("GET", "queryd", f"{API}/metrics", token=token, headers={"X-Tenant-Id": tenant})
        assert answer.status == wanted
        if wanted == 403:
            assert answer.json()["code"] == CODES + "TENANT.MISMATCH"


def test_property_scope(stack, random_hotel):
    kabul, dushanbe = (random_hotel.id("ppt", key) for key in ("kabul", "dushanbe"))
    token = stack.token(random_hotel.tenant, "--role", "staff", "--property", kabul)

    def about(*properties):
        return stack.compute(token, "rooms_sold", dateRange=WINDOW, filters=[
            {"dimension": "property_id", "op": "in", "values": list(properties)}])

    assert about(kabul).json()["rows"] == compute(stack, token, "rooms_sold")["rows"]
    for properties in ((dushanbe,), (kabul, dushanbe), ("ppt_" + ulid("nowhere"),)):
        answer = about(*properties)
        assert answer.status == 403
        assert answer.json()["code"] == CODES + "ANALYTICS.PROPERTY_SCOPE_VIOLATION"
    nothing = stack.token(random_hotel.tenant, "--role", "staff")  # no list, no properties
    answer = stack.compute(nothing, "rooms_sold", dateRange=WINDOW)
    assert answer.status == 403 and answer.json()["code"] == CODES + "ANALYTICS.PROPERTY_SCOPE_VIOLATION"


def test_another_tenant_sees_nothing(stack, random_hotel):
    for name in ("stranger", "golden"):  # one without data, one with
        token = stack.token(Hotel(name).tenant)
        for metric in METRICS:
            rows = compute(stack, token, metric)["rows"]
            assert len(rows) == 1 or name == "golden"
            assert name == "golden" or rows[0][metric] in (0, None, "0"), (metric, rows)
        answer = stack.compute(token, "rooms_sold", dateRange=WINDOW, filters=[
            {"dimension": "property_id", "op": "eq", "values": [random_hotel.id("ppt", "kabul")]}])
        assert answer.json()["rows"] == [{"rooms_sold": 0}]
    assert compute(stack, stack.token(Hotel("stranger").tenant), "rooms_sold", dimensions=["channel"])["rows"] == []

    mine = stack.http("POST", "queryd", f"{API}/projections/fact_payment:refresh", None,
                      stack.token(random_hotel.tenant), {"Idempotency-Key": ulid("mine")})
    assert mine.status == 202
    place = mine.headers["Location"]
    assert stack.http("GET", "queryd", place, token=stack.token(random_hotel.tenant)).status == 200
    theirs = stack.http("GET", "queryd", place, token=stack.token(Hotel("golden").tenant))
    none = stack.http("GET", "queryd", f"{API}/etl/jobs/job_" + ulid("none"), token=stack.token(Hotel("golden").tenant))
    assert theirs.status == none.status == 404
    differing = ("instance", "correlationId")
    assert [{k: v for k, v in x.json().items() if k not in differing} for x in (theirs, none)][0]["code"] == \
        none.json()["code"] == CODES + "ANALYTICS.ETL_JOB_NOT_FOUND"


def test_the_first_rows_of_a_tenant(stack):
    """Served before it has any, it gets its role with them."""
    hotel = Hotel("first")
    token = stack.token(hotel.tenant)
    assert compute(stack, token, "rooms_available")["rows"] == [{"rooms_available": 0}]
    role = f"select count(*) from pg_roles where rolname = '{hotel.tenant}'"
    assert stack.psql(role) == [["0"]]
    hotel.property("p", 2)
    hotel.send(stack)
    wait_until(lambda: compute(stack, token, "rooms_available")["rows"] == [{"rooms_available": 2 * 68}])
    assert stack.psql(role) == [["1"]]


def test_suspended_reads_and_deleted_does_not(stack):
    hotel = Hotel("ending")
    hotel.property("p", 2)
    hotel.event("tenant.created", "2024-01-01T00:00", {"name": "x", "timezone": "UTC"})
    hotel.event("tenant.suspended", "2024-02-01T00:00", {})
    hotel.send(stack)
    token = stack.token(hotel.tenant)
    assert compute(stack, token, "rooms_available")["rows"] == [{"rooms_available": 2 * 68}]
    hotel.event("tenant.deleted", "2024-03-01T00:00", {})
    hotel.send(stack)
    gone = wait_until(lambda: (lambda a: a if a.status == 403 else None)(
        stack.compute(token, "rooms_available", dateRange=WINDOW)), interval=0.5)
    assert gone.json()["code"] == CODES + "TENANT.NOT_FOUND"


# ---- bad input

BAD_BODIES = [
    b"", b"{", b"[]", b"null", b"\xff{}", b'{"a":1,"a":2}', b'{"dateRange":"x"}', b"{" * 1000,
    {"dateRange": {"from": "2024-03-02", "to": "2024-03-01"}},
    {"dateRange": {"from": "0001-01-01", "to": "9999-12-31"}},
    {"dateRange": {"from": "2024-13-01", "to": "2024-12-31"}},
    {"dateRange": {"from": 1e300, "to": 5}}, {"dateRange": {"preset": "since_forever"}},
    {"granularity": "fortnight"}, {"dimensions": ["guest_key"]}, {"dimensions": ["channel; drop"]},
    {"dimensions": "channel"}, {"filters": [{"dimension": "channel", "op": "~", "values": ["x"]}]},
    {"filters": [{"dimension": "channel", "op": "in", "values": ["x"] * 201}]},
    {"filters": [{"dimension": "channel", "op": "eq", "values": [{"$ne": 1}]}]},
    {"version": 99999999999999999999}, {"version": -1}, {"version": "1"}, {"unknown": 1},
    {"currency": "USD"}, {"compareTo": "next_period"}, {"calendar": "julian"}, {"params": {"days": 7}},
    {"orderBy": []}, {"limit": 5}, {"metrics": ["adr"]}, {"asOf": "2024-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda b: str(b)[:60])
def test_bad_bodies(stack, token, body):
    answer = stack.http("POST", "queryd", f"{API}/metrics/rooms_sold:compute", body, token)
    assert answer.status == 400, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == CODES + "GENERAL.VALIDATION_FAILED" and problem["violations"]
    assert problem["correlationId"] == answer.headers["X-Correlation-Id"]


def test_other_bad_requests(stack, token):
    def ask(method, path, body=None, headers=None):
        answer = stack.http(method, "queryd", API + path, body, token, headers)
        return answer.status, answer.json().get("code", "").removeprefix(CODES) if answer.body else ""

    assert ask("POST", "/metrics/nothing:compute", {}) == (404, "ANALYTICS.METRIC_NOT_FOUND")
    assert ask("POST", "/metrics/adr:compute", {"version": 7}) == (404, "ANALYTICS.METRIC_NOT_FOUND")
    assert ask("POST", "/metrics/adr:compute", b" " * 70000) == (413, "GENERAL.PAYLOAD_TOO_LARGE")
    assert ask("GET", "/metrics/adr:compute")[0] == 405
    assert ask("POST", "/metrics/adr:unknown", {})[0] == 404
    assert ask("GET", "/nothing") == (404, "GENERAL.RESOURCE_NOT_FOUND")
    for path in ("/metrics?limit=0", "/metrics?limit=101", "/metrics?limit=x", "/metrics?cursor=x", "/metrics?tenant=x",
                 "/data-quality?state=bad", "/data-quality?limit=-1", "/metrics/adr/explain?from=2024-01-01",
                 "/metrics/adr/explain?from=2024-01-02&to=2024-01-01"):
        assert ask("GET", path) == (400, "GENERAL.VALIDATION_FAILED"), path
    assert ask("GET", "/metrics/nothing/explain") == (404, "ANALYTICS.METRIC_NOT_FOUND")
    wide = {"dateRange": {"from": "2016-01-01", "to": "2025-12-31"}, "granularity": "day",
            "dimensions": ["property_id", "channel", "market_segment"]}
    assert ask("POST", "/metrics/rooms_sold:compute", wide) == (422, "ANALYTICS.QUERY_REJECTED")


# ---- the other endpoints

def test_metrics_list(stack, token):
    seen, cursor = [], ""
    while cursor is not None:
        page = stack.http("GET", "queryd", f"{API}/metrics?limit=5" + (f"&cursor={cursor}" if cursor else ""),
                          token=token).json()
        assert 0 < len(page["items"]) <= 5
        seen, cursor = seen + page["items"], page["nextCursor"]
    assert [m["key"] for m in seen] == sorted(m["key"] for m in seen)
    assert set(METRICS) | {"channel_mix", "channel_mix_revenue", "channel_mix_bookings", "payment_success_rate",
                           "cancellation_rate_booked"} <= {m["key"] for m in seen}
    adr = next(m for m in seen if m["key"] == "adr")
    assert adr["version"] == 1 and adr["unit"]["kind"] == "currency" and adr["archived"] is False
    assert "channel" in adr["dimensions"] and adr["sources"] == ["fact_room_night"]


@pytest.mark.parametrize("daemon, path", [("queryd", f"{API}/metrics"), ("ingestd", "/health")])
def test_a_trace_is_in_the_log(stack, daemon, path):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with Instance(stack, daemon, log_level="debug", trace_project="hotels") as one:
        asked = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Correlation-Id": "cor_traced"}
        answer = one.http("GET", path, headers=asked)
        assert {name: answer.headers[name] for name in asked} == asked
        assert "traceparent" not in one.http("GET", path, headers={"traceparent": "x", "X-Correlation-Id": "cor_not"}).headers
        ended = {line["correlation_id"]: line for line in one.lines() if line["message"] == "request ended"}
        assert ended["cor_traced"]["logging.googleapis.com/trace"] == f"projects/hotels/traces/{trace}"
        assert ended["cor_traced"]["status"] == answer.status and ended["cor_traced"]["route"] == path
        assert "logging.googleapis.com/trace" not in ended["cor_not"]


def test_projections(stack, random_hotel, token):
    items = stack.http("GET", "queryd", f"{API}/projections", token=token).json()["items"]
    by_key = {p["key"]: p for p in items}
    assert {"fact_reservation", "fact_room_night", "fact_inventory_day", "fact_payment", "dim_property", "dim_room_type",
            "dim_room", "dim_tenant"} <= set(by_key)
    night = by_key["fact_room_night"]
    assert night["status"] == "active" and night["withinSlo"] and night["freshnessSeconds"] == 0
    assert night["watermark"] and night["lastRun"]["finishedAt"] and by_key["fact_audit_event"]["lastRun"] is None
    # page by page the same, each age at its own moment
    user = User(stack, random_hotel.tenant, "pages")
    assert [p["key"] for p in user.pages("/projections", 5)] == sorted(by_key)
    assert user.get(f"/projections?limit={len(items)}").json()["nextCursor"] is None


def run_explained(stack, tenant, statement):
    """{part: its sum over all groups} of a statement that explain shows, as the tenant himself."""
    literals = ["null" if v is None else "'" + v.replace("'", "''") + "'" for v in statement["parameters"]]
    types = {0: "date", 1: "date", 2: "date[]", 20: "timestamptz", 21: "int"}
    typed = ", ".join(types.get(n, "text[]") for n in range(len(literals)))
    sql = statement["sql"].rstrip().rstrip(";")
    rows = stack.psql(f"prepare explained ({typed}) as select to_jsonb(x) from ({sql}) x; execute explained ({', '.join(literals)})", tenant)
    rows = [json.loads(row[0]) for row in rows if row[0].startswith("{")]
    return {name: sum(int(row[name]) for row in rows) for name in (rows[0] if rows else {}) if isinstance(rows[0][name], int)}


def test_explained_sql_gives_the_same_number(stack, random_hotel, token):
    """Of every metric: both its parts, each from the statement of its source, and none of them of nothing."""
    listed = [m["key"] for m in stack.http("GET", "queryd", f"{API}/metrics?limit=100", token=token).json()["items"]
              if m["publisher"] == "platform"]
    assert len(listed) >= 26
    ran, sums = {}, {}
    for metric in listed:
        path = f"{API}/metrics/{metric}/explain?from={WINDOW['from']}&to={WINDOW['to']}"
        said = stack.http("GET", "queryd", path, token=token).json()
        assert said["result"] == compute(stack, token, metric)["rows"] and said["rows"] > 0, metric
        assert all(row[metric] not in (None, 0, "0") for row in said["result"]), (metric, said["result"])
        assert said["lineage"] and all(t["subjects"] for t in said["lineage"])
        figures = {side: [int(p[side]) for p in said["parts"] if p[side] is not None] for side in ("numerator", "denominator")}
        assert all(n > 0 or metric == "pace" and n < 0 for n in itertools.chain(*figures.values())), (metric, said["parts"])
        if said["metric"]["shareOf"] is not None:  # of a share it is the whole, in every row
            whole = collections.Counter()
            for p in said["parts"]:
                whole[p.get("currency")] += int(p["numerator"])
            assert figures.pop("denominator") == [whole[p.get("currency")] for p in said["parts"]], metric
        for statement in said["statements"]:  # metrics have sources in common
            asked = statement["sql"], *statement["parameters"]
            ran[asked] = ran.get(asked) or run_explained(stack, random_hotel.tenant, statement)
            sums[statement["source"]] = ran[asked]
        for side, numbers in figures.items():
            part = said["metric"][side]
            assert bool(numbers) == (part is not None), (metric, side)
            assert part is None or sum(numbers) == sums[part["source"]][part["part"]], (metric, side, said["parts"])


def test_refresh_is_a_job_once_for_a_key(stack, token):
    path = f"{API}/projections/fact_reservation:refresh"
    for headers in ({}, {"Idempotency-Key": "x"}, {"Idempotency-Key": "g" * 36}):
        assert stack.http("POST", "queryd", path, None, token, headers).status == 400
    key = {"Idempotency-Key": "123e4567-e89b-12d3-a456-426614174000"}
    first, again = (stack.http("POST", "queryd", path, None, token, key) for _ in range(2))
    assert first.status == again.status == 202
    assert first.json() == again.json() and first.headers["Location"] == again.headers["Location"]
    assert first.headers["Location"].endswith("/etl/jobs/" + first.json()["jobId"])
    other = stack.http("POST", "queryd", f"{API}/projections/fact_payment/refresh", None, token, key)
    assert other.status == 409 and other.json()["code"] == CODES + "SYNC.IDEMPOTENCY_KEY_REUSED"
    assert stack.http("POST", "queryd", f"{API}/projections/nothing:refresh", None, token, key).status == 404
    # another tenant's key is another key
    theirs = stack.http("POST", "queryd", path, None, stack.token(Hotel("golden").tenant), key)
    assert theirs.status == 202 and theirs.json() != first.json()

    def ended():
        job = stack.http("GET", "queryd", first.headers["Location"], token=token).json()
        return job if job["state"] not in ("queued", "running") else None

    job = wait_until(ended)
    assert job["state"] == "succeeded" and job["projectionKey"] == "fact_reservation" and job["progress"] == 1
    assert job["runs"][0]["attempt"] == 1 and job["runs"][0]["finishedAt"]


def test_a_refresh_says_what_it_will_be(stack, random_hotel):
    """By what the tenant has itself; for whoever sees all of it; of the version that is meant."""
    path = f"{API}/projections/fact_room_night:refresh"
    tenant = random_hotel.tenant
    mine = stack.token(tenant)

    def ask(user, body=None, n=0):
        return stack.http("POST", "queryd", path, body, user, {"Idempotency-Key": ident("key", "plan", user[-9:], n)[4:]})

    rows = stack.query("select (select count(*) from analytics_curated.fact_reservation where tenant_id = $1)"
                       " + (select count(*) from analytics_curated.fact_room_night where tenant_id = $1)"
                       " + (select count(*) from analytics_curated.fact_room_night_history where tenant_id = $1)", tenant)[0][0]
    wait_until(lambda: stack.query("select sum(rows) from analytics_run.profile where tenant_id = $1 and table_name in"
                                   " ('fact_reservation', 'fact_room_night', 'fact_room_night_history')", tenant)[0][0] == rows)
    first = ask(mine)
    assert first.json()["plan"] == {"rows": int(rows), "tenants": 1, "estimatedSeconds": -(-int(rows) // 2000) + 1}
    assert int(rows) > 0 and ask(mine).json() == first.json()
    none = stack.token(ident("tnt", "has", "nothing"), "--role", "tenant.admin")
    assert ask(none).json()["plan"] == {"rows": 0, "tenants": 1, "estimatedSeconds": 1}
    limited = stack.token(tenant, "--role", "tenant.admin", "--property", ident("ppt", "of", "his"))
    assert ask(limited).json()["plan"] == {"rows": None, "tenants": 1, "estimatedSeconds": None}
    assert ask(mine, {"version": 1}, 1).status == 202
    other = ask(mine, {"version": 2}, 2)
    assert other.status == 409 and other.json()["code"] == CODES + "ANALYTICS.PROJECTION_SCHEMA_MISMATCH"
    for n, bad in enumerate(({"version": "1"}, {"version": 0}, {"what": 1}, []), 3):
        assert ask(mine, bad, n).status == 400
    # the next time by how long it took
    wait_until(lambda: stack.http("GET", "queryd", first.headers["Location"], token=mine).json()["state"] == "succeeded", 60)
    stack.query("update analytics.etl_runs set finished_at = started_at + interval '40 s' where state = 'succeeded' and tenant_id = $1"
                " and job_id in (select job_id from analytics.etl_jobs where projection = 'fact_room_night')", tenant)
    again = ask(mine, None, 10).json()["plan"]
    assert again["rows"] == int(rows) and again["estimatedSeconds"] in (41, 42), again


def test_data_quality(stack, token):
    def results(query=""):
        return stack.http("GET", "queryd", f"{API}/data-quality{query}", token=token).json()["items"]

    wait_until(lambda: results("?limit=100"), interval=0.5)
    for r in results("?table=fact_room_night"):
        assert r["table"] == "fact_room_night" and r["kind"] in ("row_count_drift", "freshness", "null_rate", "distinct_count", "below_zero")
        assert r["state"] in ("pass", "fail", "unknown") and r["since"]
    assert {r["state"] for r in results("?state=pass&limit=100")} <= {"pass"}
    assert stack.http("GET", "queryd", f"{API}/data-quality", token=stack.token(Hotel("nobody").tenant)).json()["items"] == []
