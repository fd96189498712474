"""POST queries:run with {sql}: what a tenant's own SQL gives, what is refused, and that it ends."""

import json
import threading
import time
import uuid

import pytest

from events import ident
from harness import wait_until
from hotels import hotel_group, marks, properties

API = "/api/v1/analytics/queries:run"
MINE, OTHER = ident("tnt", "adhoc mine"), ident("tnt", "adhoc other")


@pytest.fixture(scope="module")
def group(stack):
    """Two tenants with two hotels each; MINE's token."""
    for tenant in (MINE, OTHER):
        counts = stack.send_events(hotel_group(tenant))
        assert counts["deadLettered"] == counts["conflicts"] == 0, counts
    stack.wait()
    return stack.token(MINE, "--role", "tenant.admin")


def run(stack, token, sql, check=200, **more):
    answer = stack.http("POST", "queryd", API, {"sql": sql, **more}, token)
    assert answer.status == check, (sql, answer)
    return answer


def rows(stack, token, sql, **more):
    return run(stack, token, sql, **more).json()["rows"]


def test_types(stack, group):
    answer = run(stack, group, """
        select 1 as i, 9007199254740993 as large, 1.50 as n, 0.5::float8 as f, 'NaN'::float8 as nan,
            true as b, null::text as nothing, date '2026-01-02' as d, 'ü"' as t,
            timestamptz '2026-01-02 03:04:05.25+04:30' as z, timestamp '2026-01-02 03:04:05' as s""")
    body = answer.json()
    assert body["rows"] == [{
        "i": 1, "large": "9007199254740993", "n": "1.50", "f": 0.5, "nan": "NaN", "b": True,
        "nothing": None, "d": "2026-01-02", "t": 'ü"', "z": "2026-01-01T22:34:05.25Z",
        "s": "2026-01-02T03:04:05"}]
    assert [c["type"] for c in body["columns"]] == [
        "int64", "int64", "numeric", "float64", "float64", "bool", "string", "date", "string",
        "timestamp", "datetime"]
    assert body["truncated"] is False and body["totals"] is None and body["nextCursor"] is None
    assert answer.headers["X-Cache"] == "BYPASS" and answer.headers["ETag"]


def test_agrees_with_metrics(stack, group):
    served = stack.compute(group, "rooms_sold", dateRange={"from": "2026-04-01", "to": "2026-04-30"},
                           dimensions=["property_id"]).json()["rows"]
    counted = rows(stack, group, """
        select property_id, count(*) as rooms_sold from fact_room_night
        where kind = 'sold' and state in ('on_books', 'in_house', 'stayed')
            and stay_date between @from and @to
        group by property_id order by property_id""", params={
            "from": {"type": "date", "value": "2026-04-01"},
            "to": {"type": "date", "value": "2026-04-30"}})
    assert counted == sorted(served, key=lambda r: r["property_id"]) and len(counted) == 2


def test_parameters(stack, group):
    sql = "select @n + 1 as n, @t as t, @d as d, @b as b, @list as list where @t = any (@list)"
    params = {"n": {"type": "int64", "value": "9007199254740993"}, "t": {"type": "string", "value": "a'; drop--"},
              "d": {"type": "date", "value": None}, "b": {"type": "bool", "value": True},
              "list": {"type": "string[]", "value": ["x", "a'; drop--", 'q",\\{}']}}
    assert rows(stack, group, sql, params=params) == [{
        "n": "9007199254740994", "t": "a'; drop--", "d": None, "b": True,
        "list": '{x,"a\'; drop--","q\\",\\\\{}"}'}]
    answer = run(stack, group, "select @n", 400, params={"n": {"type": "int64", "value": "x"}}).json()
    assert answer["violations"] == [{"field": "params.n.value", "message": "must be an integer, or a string of one"}]
    assert "no parameter other" in run(stack, group, "select @other", 422).json()["detail"]


@pytest.mark.parametrize("sql, detail", [
    ("select nobody from fact_payment", "column that it names does not exist"),
    ("select property_id, count(*) from fact_payment", "must be grouped by"),
    ("select property_id from fact_payment join dim_property on true", "ambiguous"),
    ("select sum(property_id) from fact_payment", "does not take these types"),
    ("select 1 / (count(*) - count(*)) from fact_payment", "division by zero"),
    ("select (select property_id from dim_property)", "several rows"),
    ("select 1 as a, 2 as a", "same name"),
    ("select 'x'::int", "wrong form"),
    ("select " + ", ".join(f"{i} as c{i}" for i in range(201)), "200 columns"),
    ("select * from pg_roles", "no such table"),
    ("delete from fact_payment", "Only SELECT"),
    ("select 1; select 2", "One statement"),
    ("select pg_sleep(1)", "pg_sleep is not allowed"),
    ("select e'\\x", "not closed"),
])
def test_refused(stack, group, sql, detail):
    answer = run(stack, group, sql, 422).json()
    assert answer["code"] == "MELMASTOON.ANALYTICS.QUERY_REJECTED"
    assert detail in answer["detail"], answer


def test_place_of_a_fault(stack, group):
    assert "At character 13 of sql" in run(stack, group, "select 'ü', version()", 422).json()["detail"]


@pytest.mark.parametrize("body, field", [
    ({"sql": 5}, "sql"), ({"sql": "select 1", "params": []}, "params"),
    ({"sql": "select 1", "dryRun": "yes"}, "dryRun"), ({"sql": "select 1", "deadlineMs": 0}, "deadlineMs"),
    ({"sql": "select 1", "query": {}}, "query"), ({"sql": "select 1", "limit": 5}, "limit"),
])
def test_bad_members(stack, group, body, field):
    answer = stack.http("POST", "queryd", API, body, group)
    assert answer.status == 400 and answer.json()["violations"][0]["field"] == field


def test_truncated_and_dry(stack, group):
    body = run(stack, group, "select a.date, b.day_of_week from dim_calendar a, "
               "(select day_of_week from dim_calendar limit 2) b").json()
    assert len(body["rows"]) == 10000 and body["truncated"] is True
    body = run(stack, group, "select date from dim_calendar", dryRun=True).json()
    assert body["rows"] == [] and body["columns"] == [{"name": "date", "type": "date"}] and body["dryRun"] is True
    run(stack, group, "select nobody from dim_calendar", 422, dryRun=True)


def test_too_large(stack, group):
    """A hundred columns of 8,000 bytes each: forty rows are more than is gathered."""
    columns = ", ".join(f"@p as c{i}" for i in range(100))
    params = {"p": {"type": "string", "value": "x" * 8000}}
    answer = run(stack, group, f"select {columns} from dim_calendar limit 40", 422, params=params).json()
    assert "too large" in answer["detail"]
    assert rows(stack, group, "select 1 as one") == [{"one": 1}]


def test_only_their_own(stack, group):
    """Whole tables, as rows and through every aggregate, hold nothing of the other tenant."""
    for table in ("fact_reservation", "fact_room_night", "fact_payment", "fact_inventory_day", "dim_property",
                  "dim_room", "dim_room_type", "dim_tenant"):
        text = json.dumps(rows(stack, group, f"select * from {table}"), ensure_ascii=False)
        assert MINE in text, table
        assert not [mark for mark in marks(OTHER) if mark in text], table
    assert rows(stack, group, f"select count(*) as n from fact_payment where tenant_id = '{OTHER}'") == [{"n": 0}]


def test_property_scope(stack, group):
    one = properties(MINE)[0]
    token = stack.token(MINE, "--role", "manager", "--property", one)
    assert rows(stack, token, "select distinct property_id from fact_room_night") == [{"property_id": one}]
    none = stack.token(MINE, "--role", "manager")
    assert run(stack, none, "select 1", 403).json()["code"].endswith("PROPERTY_SCOPE_VIOLATION")


def test_permission(stack, group):
    run(stack, stack.token(MINE, "--role", "staff"), "select 1", 403)


def test_clock_changes_the_tag(stack, group):
    fixed = [run(stack, group, "select count(*) as n from fact_payment") for _ in range(2)]
    moving = [run(stack, group, "select current_date as d") for _ in range(2)]
    assert fixed[0].headers["ETag"] == fixed[1].headers["ETag"]
    assert moving[0].headers["ETag"] != moving[1].headers["ETag"]
    again = stack.http("POST", "queryd", API, {"sql": "select count(*) as n from fact_payment"}, group,
                       {"If-None-Match": fixed[0].headers["ETag"]})
    assert again.status == 304 and again.body == b""


# slower than it is estimated: else it would be refused before it runs
SLOW = ("select max(power(1.5::numeric, 4000 + extract(day from a.date)::int)) as n "
        "from dim_calendar a, (select 1 as x from dim_calendar limit 50) b")


def running(stack):
    return int(stack.query("select count(*) from pg_stat_activity where state = 'active'"
                           " and usename like 'tnt_%' and query like '%fetch%'")[0][0])


def test_deadline_ends_it_on_the_server(stack, group):
    answer = run(stack, group, SLOW, 504, deadlineMs=300).json()
    assert answer["code"] == "MELMASTOON.ANALYTICS.QUERY_TIMEOUT"
    wait_until(lambda: running(stack) == 0)


def test_one_of_a_tenant_at_a_time(stack, group):
    """A tenant's slow ones wait for each other; another tenant's quick one does not."""
    results = []

    def slow():
        results.append(stack.http("POST", "queryd", API, {"sql": SLOW, "deadlineMs": 4000}, group).status)

    threads = [threading.Thread(target=slow) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: running(stack) == 1)
    other = stack.token(OTHER, "--role", "tenant.admin")
    begun = time.monotonic()
    assert rows(stack, other, "select count(*) as n from dim_property") == [{"n": 2}]
    assert running(stack) <= 1 and begun
    for thread in threads:
        thread.join()
    assert results == [504, 504, 504]
    wait_until(lambda: running(stack) == 0)
    assert rows(stack, group, "select 1 as one") == [{"one": 1}]


def test_unknown_tenant_sees_nothing(stack):
    token = stack.token(ident("tnt", "adhoc nobody"), "--role", "tenant.admin")
    assert rows(stack, token, "select count(*) as n from fact_reservation") == [{"n": 0}]


def test_every_view_can_be_read(stack, group):
    """gate_names.def keeps step with the schema; those left out are queryd's own."""
    views = {row[0] for row in stack.query("select viewname from pg_views where schemaname = 'tenant_views'")}
    of_queryd = {"table_state", "table_size", "pending"}
    for view in sorted(views - of_queryd):
        run(stack, group, f"select * from {view} where false")
    for view in of_queryd:
        run(stack, group, f"select * from {view}", 422)


def test_saved_with_parameters(stack, group):
    """The saved values count unless the run gives others."""
    def post(path, body, check, **headers):
        answer = stack.http("POST", "queryd", path, body, group, headers)
        assert answer.status == check, answer
        return answer.json()

    saved = post("/api/v1/analytics/queries", {
        "name": "nights", "sql": "select @n + 1 as n, @t as t",
        "params": {"n": {"type": "int64", "value": 1}, "t": {"type": "string", "value": "saved"}}},
        201, **{"Idempotency-Key": str(uuid.uuid4())})
    assert post(API, {"queryId": saved["id"]}, 200)["rows"] == [{"n": 2, "t": "saved"}]
    given = {"n": {"type": "int64", "value": 41}}
    assert post(API, {"queryId": saved["id"], "params": given}, 200)["rows"] == [{"n": 42, "t": "saved"}]
    assert post(API, {"queryId": saved["id"], "dryRun": True}, 200)["rows"] == []
    bad = post(API, {"queryId": saved["id"], "params": {"n": 5}}, 400)
    assert bad["violations"][0]["field"] == "params.n"
