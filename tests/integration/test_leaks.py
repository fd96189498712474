"""Where products of this kind have leaked, each as a test: the cache, tokens, summaries, missing things, cost.

Statements: test_hostile_sql.py. Embed tokens and widgets of another dashboard: test_widgets.py.
"""

import json

import pytest

from boards import User
from events import confirmed, event, ident, item
from harness import http_request
from hotels import hotel_group, marks, properties, property_marks

MINE, OTHER, BIG = (ident("tnt", "leaks", name) for name in ("mine", "other", "big"))
WINDOW = {"from": "2026-04-01", "to": "2026-04-30"}
METRICS = ("rooms_sold", "room_revenue", "adr", "cancellation_rate")


@pytest.fixture(scope="module")
def served(stack):
    stack.send_events(hotel_group(MINE) + hotel_group(OTHER))
    stack.wait()
    return stack


def text_of(answer):
    return str(answer.headers) + answer.body.decode()


def clean(answer, foreign):
    assert answer.status < 500, answer
    assert not [mark for mark in foreign if mark in text_of(answer)], answer


def principals():
    """(tenant, role, properties): no two of them may share a cached answer."""
    near, far = properties(MINE)
    for tenant, limits in ((MINE, ()), (MINE, (near,)), (MINE, (far,)), (MINE, (near, far)), (OTHER, ()),
                           (OTHER, (properties(OTHER)[0],))):
        for role in ("tenant.owner", "tenant.admin", *(("manager", "staff") if limits else ())):
            yield tenant, role, limits


def test_no_two_scopes_share_a_cached_answer(served):
    """The same question of each principal is computed for him, and then comes from the cache as it was."""
    body = {"dateRange": WINDOW, "dimensions": ["property_id"], "granularity": "week"}
    first = {}
    for tenant, role, limits in principals():
        user = User(served, tenant, "same", role, limits)
        answer = user.post("/metrics/rooms_sold:compute", body)
        assert (answer.status, answer.headers["X-Cache"]) == (200, "MISS"), (role, limits)
        first[user] = answer
        for other in (MINE, OTHER):
            if other != tenant:
                clean(answer, marks(other))
        for n, hotel in enumerate(properties(tenant), 1):
            assert (hotel in answer.body.decode()) == (not limits or hotel in limits), (role, limits, n)
    assert len({answer.headers["ETag"] for answer in first.values()}) == len(first)
    for user, answer in first.items():
        again = user.post("/metrics/rooms_sold:compute", body)
        assert again.headers["X-Cache"] == "HIT" and again.json()["rows"] == answer.json()["rows"]
        stolen = user.post("/metrics/rooms_sold:compute", body, If_None_Match=", ".join(
            other.headers["ETag"] for someone, other in first.items() if someone is not user))
        assert stolen.status == 200, "somebody else's ETag tells what he has"


def test_a_token_that_is_over_gets_no_cached_answer(served):
    body, path = {"dateRange": WINDOW}, "/metrics/adr:compute"
    user = User(served, MINE, "late")
    for _ in range(2):
        assert user.post(path, body).status == 200
    for arguments in (("--ttl", "-3600"), ("--ttl", "-120"), ("--aud", "analytics-ingest")):
        user.token = served.token(MINE, "--user", user.id, *arguments)
        refused = user.post(path, body)
        assert refused.status == 401 and "adr" not in refused.json()
        clean(refused, marks(MINE))
    foreign = served.token(OTHER, "--user", user.id)  # the same user id in another tenant
    user.token = foreign
    clean(user.post(path, {**body, "dimensions": ["property_id"]}), marks(MINE))


SUMMARIES = ("/metrics?limit=100", "/projections", "/data-quality?limit=100", "/data-quality/checks?limit=100", "/dashboards", "/queries",
             "/etl/jobs/job_01KJM000000000000000000000", "/metrics/rooms_sold/explain?from=2026-04-01&to=2026-04-30")


def test_summaries_show_nothing_of_others(served):
    """Of another tenant: to anybody; of a hotel outside the scope: to who is limited to one."""
    other = User(served, OTHER)
    other.board(name=f"of {OTHER[-6:]}'s board")
    assert other.post("/queries", {"name": f"of {OTHER[-6:]}'s query", "sql": f"select '{OTHER}' as a"}).status == 201
    near = properties(MINE)[0]
    for user, foreign in ((User(served, MINE), marks(OTHER)),
                          (User(served, MINE, "desk", "tenant.admin", [near]), marks(OTHER) + property_marks(MINE, 2))):
        for path in SUMMARIES:
            clean(user.get(path), foreign)
    for daemon in ("ingestd", "etld", "queryd", "dqd"):
        for path in ("/metrics", "/ready", "/health"):
            clean(served.http("GET", daemon, path), marks(OTHER) + marks(MINE))


def test_things_of_others_are_things_that_are_not(served):
    """Every id of another tenant is answered as one that never was, word by word."""
    mine, other = User(served, MINE), User(served, OTHER)
    board = other.board()
    query = other.post("/queries", {"name": "theirs", "sql": "select 1"}).json()
    job = other.post("/projections/dim_room:refresh", {}).json()
    for method, path, thing, body in (
            ("GET", "/dashboards/{}", board["id"], None), ("GET", "/dashboards/{}/data", board["id"], None),
            ("GET", "/dashboards/{}/history", board["id"], None), ("PUT", "/dashboards/{}", board["id"], {"name": "x", "scope": "tenant"}),
            ("DELETE", "/dashboards/{}", board["id"], None), ("GET", "/queries/{}", query["id"], None),
            ("POST", "/queries:run", query["id"], {"queryId": "{}"}), ("GET", "/etl/jobs/{}", job["jobId"], None)):
        never = thing[:-20] + "0" * 20
        answers = []
        for name in (thing, never):
            document = json.loads(json.dumps(body).replace("{}", name)) if body else None
            answer = mine.ask(method, path.format(name), document, If_Match="*" if method in ("PUT", "DELETE") else None)
            problem = {k: v for k, v in answer.json().items() if k not in ("instance", "correlationId")}
            answers.append((answer.status, json.dumps(problem).replace(name, "?")))
        assert answers[0] == answers[1] and answers[0][0] == 404, (path, answers)
    assert other.get(f"/dashboards/{board['id']}").status == 200


def charged(stack, user, turn):
    """Bytes that a row of questions costs, computed anew each time: `turn` makes them other questions."""
    costs = {}
    for metric in METRICS:
        answer = user.post(f"/metrics/{metric}:compute", {"dateRange": WINDOW, "granularity": "day", "filters": [
            {"dimension": "property_id", "op": "not_in", "values": [f"ppt_{turn}"]}]})
        costs[metric] = answer.status, answer.headers["X-Bytes-Scanned"], answer.json()["bytesScanned"], answer.headers["X-Cache"]
    for table in ("fact_reservation", "fact_room_night", "fact_payment", "dim_property", "dim_room", "dim_tenant"):
        answer = user.post("/queries:run", {"sql": f"select count(*) as n from {table} -- {turn}"})
        costs[table] = answer.status, answer.headers["X-Bytes-Scanned"], answer.json()["bytesScanned"], answer.headers["X-Cache"]
    return costs


def test_cost_does_not_tell_how_large_the_neighbour_is(served):
    """3,000 stays of another tenant and new statistics: indexes grow, plans could change; the price does not."""
    user = User(served, MINE, "thrifty")
    before = charged(served, user, 1)
    assert all(status == 200 and int(cost) > 0 for status, cost, _, _ in before.values()), before
    assert {cache for *_, cache in before.values()} == {"MISS", "BYPASS"}
    stays = [event("reservation.confirmed", "2026-03-01T10:00", confirmed(
        "2026-03-01T10:00", ident("rsv", BIG, n), [item("2026-04-01", "2026-04-05")], propertyId=properties(BIG)[0])["payload"], BIG, n)
        for n in range(3000)]
    served.send_events(hotel_group(BIG) + stays)
    served.wait(300)
    for table in ("fact_reservation_v1", "fact_room_night_v1", "fact_payment_v1", "dim_property_v1", "dim_room_v1", "dim_tenant_v1"):
        served.query(f"vacuum analyze analytics_curated.{table}")
    assert charged(served, user, 2) == before


def test_every_view_can_be_read_by_index(served):
    """What queryd's sessions rely on: no plan has to scan a table, which Postgres would call endlessly dear."""
    views = served.query("select relname from pg_class where relnamespace = 'tenant_views'::regnamespace and relkind = 'v' and relname <> 'pending'")
    served.query("set enable_seqscan = off")
    for view, in views:
        plan = json.loads(served.query(f"explain (format json) select * from tenant_views.{view}")[0][0])[0]["Plan"]
        assert plan["Total Cost"] < 1e6, (view, plan)
    served.query("reset enable_seqscan")


def test_an_error_names_nothing_that_was_not_sent(served):
    """Bad requests of every kind: what comes back is of the caller or of nobody."""
    user = User(served, MINE)
    for body in ({"metrics": ["rooms_sold"], "filters": [{"dimension": "property_id", "op": "in", "values": [properties(OTHER)[0][:-1]]}]},
                 {"metrics": ["no_such"]}, {"metrics": ["rooms_sold"], "dimensions": ["tenant_id"]}, {"metrics": []}, {"dateRange": 5},
                 {"metrics": ["rooms_sold"], "dateRange": {"from": "2026-13-01", "to": "x"}}, {"metrics": ["rooms_sold"], "cursor": "AAAA"}):
        clean(user.post("/queries:run", {"query": body}), marks(OTHER))
    for raw in (b"{", b"\xff", b'{"query":' * 50, b"null", b""):
        clean(http_request("POST", served.url("queryd", "/api/v1/analytics/queries:run"), raw,
                           {"Authorization": "Bearer " + user.token, "Content-Type": "application/json"}), marks(OTHER) + marks(MINE))
