"""Widgets over HTTP: what each kind takes and shows, whole dashboards, and who reads through what."""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import time
import uuid

import pytest

from boards import User, code, fields
from harness import BIN, http_request, run, wait_until
from hotel import API, STAYED, WINDOW, Hotel, ulid

REJECTED = (422, "ANALYTICS.QUERY_REJECTED")
INVALID = (400, "GENERAL.VALIDATION_FAILED")
NO_WIDGET = (404, "ANALYTICS.WIDGET_NOT_FOUND")
NO_BOARD = (404, "ANALYTICS.DASHBOARD_NOT_FOUND")
SCOPE = (403, "ANALYTICS.PROPERTY_SCOPE_VIOLATION")
UNKNOWN = (401, "IAM.AUTH_INVALID")
NIGHTS = {"metrics": ["rooms_sold"], "dateRange": WINDOW}
OTHER = Hotel("other widgets").tenant


def widget(kind="kpi_tile", x=0, y=0, w=4, h=4, title="Sold", **query):
    return {"kind": kind, "title": title, "query": {**NIGHTS, **query}, "layout": {"x": x, "y": y, "w": w, "h": h}}


@pytest.fixture(scope="module")
def admin(stack, random_hotel):
    return User(stack, random_hotel.tenant, "widgets")


def put(user, board, body):
    answer = user.post(f"/dashboards/{board['id']}/widgets", body)
    assert answer.status == 201, answer
    return answer.json()


def show(user, made, query=""):
    answer = user.get(f"/widgets/{made['id']}/data{query}")
    assert answer.status == 200, answer
    return answer.json()


def rows(user, **query):
    """The same figures without widgets."""
    answer = user.post("/queries:run", {"query": {**NIGHTS, **query}}, Idempotency_Key=None)
    assert answer.status == 200, answer
    return answer.json()


# ---- saved

def test_a_widget_and_its_dashboard(admin):
    board = admin.board()
    at = f"/dashboards/{board['id']}"
    made = admin.post(at + "/widgets", {**widget(), "display": {"color": "blue"}})
    first = made.json()
    assert made.headers["Location"] == f"{API}{at}/widgets/{first['id']}" and made.headers["ETag"] == '"v1"'
    assert first["query"] == NIGHTS and first["display"] == {"color": "blue"} and first["dashboardId"] == board["id"]
    second = put(admin, board, widget(x=4))
    shown = admin.get(at)
    assert shown.json()["widgets"] == [first, second] and shown.headers["ETag"] == '"v3"'
    path = f"{at}/widgets/{second['id']}"
    assert code(admin.put(path, widget(x=8), None))[0] == 428
    assert code(admin.put(path, widget(x=8), '"v2"'))[0] == 412
    moved = admin.put(path, widget(x=8, title="Moved"), '"v1"')
    assert moved.status == 200 and moved.headers["ETag"] == '"v2"' and moved.json()["layout"]["x"] == 8
    assert admin.put(path, widget(x=9), '"v2"').status == 200  # over its own old place
    assert code(admin.delete(path, If_Match='"v1"'))[0] == 412
    assert admin.delete(path).status == 204
    assert code(admin.delete(path)) == code(admin.put(path, widget(), '"v1"')) == NO_WIDGET
    assert code(admin.delete(f"/widgets/{second['id']}")) == code(admin.put(f"/widgets/{second['id']}", widget(), '"v1"')) == NO_WIDGET
    assert admin.get(at).json()["widgets"] == [first]
    history = admin.pages(at + "/history", 100)
    assert [h["action"] for h in history] == ["widget deleted", "widget updated", "widget updated", "widget created",
                                              "widget created", "created"]
    assert [w["title"] for w in admin.get(at + "/history/4").json()["widgets"]] == ["Sold", "Moved"]


def test_a_widget_without_its_dashboard(stack, admin):
    """The same under /widgets/{wid}: its revision, the dashboard's, and who may not."""
    board = admin.board()
    made, other = put(admin, board, widget()), put(admin, board, widget(x=4))
    path = f"/widgets/{made['id']}"
    assert code(admin.put(path, widget(), None))[0] == 428 and code(admin.put(path, widget(), '"v2"'))[0] == 412
    assert code(admin.put(path, widget(x=5), '"v1"')) == REJECTED  # over the other one
    moved = admin.put(path, widget(x=8, title="Moved"), '"v1"')
    assert moved.status == 200 and moved.headers["ETag"] == '"v2"' and moved.json()["dashboardId"] == board["id"]
    assert admin.get(f"/dashboards/{board['id']}").headers["ETag"] == '"v4"'
    private = put(admin, admin.board(scope="user"), widget())
    for stranger, hidden in ((User(stack, OTHER, "widgets"), made), (User(stack, admin.tenant, "colleague"), private)):
        for at in (f"/widgets/{hidden['id']}", "/widgets/wid_01HK153X0063TEMYMN263QDKYM", "/widgets/x"):
            assert code(stranger.put(at, widget(), "*")) == code(stranger.delete(at)) == NO_WIDGET
    assert code(User(stack, admin.tenant, "reader", "staff").delete(path)) == (403, "IAM.PERMISSION_DENIED")
    assert code(admin.delete(path, If_Match='"v1"'))[0] == 412
    assert admin.delete(path).status == 204 and code(admin.delete(path)) == NO_WIDGET
    shown = admin.get(f"/dashboards/{board['id']}")
    assert shown.json()["widgets"] == [other] and shown.headers["ETag"] == '"v5"'


def test_overlaps(admin):
    board = admin.board()
    at = f"/dashboards/{board['id']}/widgets"
    there = put(admin, board, widget(x=4, y=4, title="There"))
    for x, y, w, h in ((4, 4, 4, 4), (7, 7, 9, 9), (0, 0, 5, 5), (5, 5, 1, 1), (0, 5, 48, 1)):
        answer = admin.post(at, widget(x=x, y=y, w=w, h=h))
        assert code(answer) == REJECTED and fields(answer) == {"layout"}
        message = answer.json()["violations"][0]["message"]
        assert there["id"] in message and '"There"' in message and '"Sold"' in message
    beside = [put(admin, board, widget(x=x, y=y)) for x, y in ((0, 4), (8, 4), (4, 0), (4, 8))]
    answer = admin.put(f"{at}/{beside[0]['id']}", widget(x=1, y=4), '"v1"')
    message = answer.json()["violations"][0]["message"]
    assert code(answer) == REJECTED and there["id"] in message and beside[0]["id"] in message
    for layout in ({"x": 45, "y": 0, "w": 4, "h": 1}, {"x": -1, "y": 0, "w": 1, "h": 1}, {"x": 0, "y": 0, "w": 0, "h": 1},
                   {"x": 0, "y": 0, "w": 1}, {"x": 0.5, "y": 0, "w": 1, "h": 1}, {"x": 0, "y": 0, "w": 1, "h": 1, "z": 1}):
        assert code(admin.post(at, {**widget(), "layout": layout})) == INVALID
    # side by side, two requests for one place: one gets it
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: admin.post(at, widget(x=20, y=20)), range(6)))
    assert sorted(a.status for a in answers) == [201] + [422] * 5


MISFITS = [
    ("kpi_tile", {"granularity": "day"}, "query.granularity"),
    ("kpi_tile", {"dimensions": ["channel"]}, "query.dimensions"),
    ("kpi_tile", {"metrics": ["channel_mix"]}, "query.dimensions"),
    ("kpi_tile", {"metrics": ["rooms_sold", "rooms_occupied", "adr", "revpar", "alos"]}, "query.metrics"),
    ("time_series", {}, "query.granularity"),
    ("time_series", {"granularity": "day", "dimensions": ["channel", "property_id"]}, "query.dimensions"),
    ("breakdown", {}, "query.dimensions"),
    ("breakdown", {"granularity": "day", "dimensions": ["channel"]}, "query.granularity"),
    ("breakdown", {"dimensions": ["channel", "property_id", "market_segment"]}, "query.dimensions"),
    ("funnel", {}, "query.metrics"), ("funnel", {"metrics": ["rooms_sold", "adr"]}, "query.metrics[1]"),
    ("funnel", {"metrics": ["rooms_sold", "rooms_occupied"], "dimensions": ["channel"]}, "query.dimensions"),
    ("heatmap", {"dimensions": ["channel"]}, "query.dimensions"),
    ("heatmap", {"metrics": ["rooms_sold", "adr"], "granularity": "day", "dimensions": ["channel"]}, "query.metrics"),
    ("heatmap", {"dimensions": ["channel", "property_id"], "granularity": "day"}, "query.dimensions"),
    ("kpi_tile", {"metrics": ["nothing"]}, "query.metrics"), ("kpi_tile", {"metrics": []}, "query.metrics"),
    ("breakdown", {"metrics": ["occupancy_pct"], "dimensions": ["channel"]}, "query.dimensions[0]"),
    ("kpi_tile", {"dateRange": {"preset": "never"}}, "query.dateRange.preset"),
    ("kpi_tile", {"unknown": 1}, "query.unknown"),
]


def test_kinds_that_do_not_fit(admin):
    at = f"/dashboards/{admin.board()['id']}/widgets"
    for kind, query, field in MISFITS:
        answer = admin.post(at, widget(kind, **query))
        assert code(answer) == REJECTED, (kind, query, answer)
        assert field in fields(answer), (kind, query, answer)
    for body, field in (({**widget(), "kind": "pie"}, "kind"), ({**widget(), "title": ""}, "title"),
                        ({**widget(), "query": []}, "query"), ({**widget(), "sql": "x"}, "sql"), ({}, "kind")):
        answer = admin.post(at, body)
        assert code(answer) == INVALID and field in fields(answer), body


# ---- shown

def test_each_kind_shows_the_figures(admin):
    board = admin.board()
    shown = show(admin, put(admin, board, widget(metrics=["rooms_sold", "adr"])))
    plain = rows(admin, metrics=["rooms_sold", "adr"])
    assert [(v["metric"], v["value"]) for v in shown["data"]["values"]] == [
        (m, row[m]) for m in ("rooms_sold", "adr") for row in plain["rows"]]
    assert {v.get("currency") for v in shown["data"]["values"]} == {None, "AFN", "USD"}
    for member in ("dataVersion", "metricVersions", "definitionHashes", "quality", "partial", "dateRange", "totals"):
        assert shown[member] == plain[member], member
    assert shown["freshnessSeconds"] == 0 and shown["kind"] == "kpi_tile" and shown["asOf"]

    query = {"granularity": "week", "dimensions": ["channel"]}
    shown = show(admin, put(admin, board, widget("time_series", y=4, **query)))
    points = {(s["group"]["channel"], p["date"]): p["value"] for s in shown["data"]["series"] for p in s["points"]}
    assert points == {(r["channel"], r["date"]): r["rooms_sold"] for r in rows(admin, **query)["rows"]}
    assert len(shown["data"]["series"]) == 3

    query = {"metrics": ["rooms_sold", "adr"], "dimensions": ["property_id", "channel"]}
    shown = show(admin, put(admin, board, widget("breakdown", y=8, **query)))
    assert shown["data"]["dimensions"] == ["property_id", "channel"]
    assert [(i["group"], [v["value"] for v in i["values"]]) for i in shown["data"]["items"]] == [
        ({d: r[d] for d in query["dimensions"]}, [r["rooms_sold"], r["adr"]]) for r in rows(admin, **query)["rows"]]

    query = {"metrics": ["rooms_available", "rooms_occupied", "rooms_sold"]}
    stages = show(admin, put(admin, board, widget("funnel", y=12, **query)))["data"]["stages"]
    counts = [rows(admin, **query)["rows"][0][m] for m in query["metrics"]]
    assert [s["value"] for s in stages] == counts and stages[0]["ofFirst"] == 1
    assert stages[2]["ofFirst"] == pytest.approx(counts[2] / counts[0])
    assert stages[2]["ofPrevious"] == pytest.approx(counts[2] / counts[1])

    query = {"metrics": ["occupancy_pct"], "granularity": "month", "dimensions": ["property_id"]}
    heat = show(admin, put(admin, board, widget("heatmap", y=16, **query)))["data"]
    plain = rows(admin, **query)["rows"]
    assert heat["x"]["name"] == "date" and heat["x"]["values"] == sorted({r["date"] for r in plain})
    assert heat["y"]["name"] == "property_id" and len(heat["y"]["values"]) == 3
    assert [(c["x"], c["y"], c["value"]) for c in heat["cells"]] == [
        (r["date"], r["property_id"], r["occupancy_pct"]) for r in plain]

    shown = show(admin, put(admin, board, widget(y=20, compareTo="previous_period")))
    assert {"value", "previous", "change"} <= set(shown["data"]["values"][0]) and shown["comparedTo"]


def test_dates_and_properties_of_the_reader(stack, admin, random_hotel):
    kabul, dushanbe = (random_hotel.id("ppt", key) for key in ("kabul", "dushanbe"))
    board = admin.board()
    free = put(admin, board, widget())
    bound = put(admin, board, widget(x=4, filters=[
        {"dimension": "property_id", "op": "in", "values": [kabul.replace("ppt_", "prp_")]},
        {"dimension": "channel", "op": "ne", "values": ["ota"]}]))

    def sold(user, made, query=""):
        return show(user, made, query)["data"]["values"][0]["value"]

    def filtered(*filters, **more):
        return rows(admin, filters=[{"dimension": d, "op": op, "values": v} for d, op, v in filters], **more)[
            "rows"][0]["rooms_sold"]

    assert sold(admin, free, f"?property={kabul}") == filtered(("property_id", "eq", [kabul]))
    assert sold(admin, free, f"?property={kabul}&property={dushanbe}") == sold(admin, free)
    assert sold(admin, bound) == sold(admin, bound, f"?property={kabul}") == filtered(
        ("property_id", "eq", [kabul]), ("channel", "ne", ["ota"]))
    march = {"from": "2024-03-01", "to": "2024-03-31"}
    assert sold(admin, free, "?from=2024-03-01&to=2024-03-31") == filtered(dateRange=march)
    # narrower only
    assert code(admin.get(f"/widgets/{bound['id']}/data?property={dushanbe}")) == SCOPE
    staff = User(stack, random_hotel.tenant, "s", "staff", [kabul])
    assert sold(staff, free) == filtered(("property_id", "eq", [kabul]))
    assert code(staff.get(f"/widgets/{free['id']}/data?property={dushanbe}")) == SCOPE
    assert code(User(stack, random_hotel.tenant, "n", "staff").get(f"/widgets/{free['id']}/data")) == SCOPE
    for query in ("?from=2024-03-01", "?from=2024-03-02&to=2024-03-01", "?property=*", "?property=", "?x=1",
                  "?from=x&to=y"):
        assert code(admin.get(f"/widgets/{free['id']}/data{query}")) == INVALID, query


def test_a_whole_dashboard(stack, admin):
    board = admin.board()
    at = f"/dashboards/{board['id']}"
    made = [put(admin, board, widget(x=4 * n, title=str(n), metrics=[m]))
            for n, m in enumerate(("rooms_sold", "adr", "alos", "occupancy_pct", "no_show_rate", "revpar"))]
    answer = admin.get(at + "/data")
    shown = answer.json()
    assert answer.status == 200 and shown["dashboardId"] == board["id"]
    assert [w["id"] for w in shown["widgets"]] == [m["id"] for m in made]
    for element, one in zip(shown["widgets"], made):
        alone = admin.get(f"/widgets/{one['id']}/data")
        assert element["status"] == 200 and element["error"] is None
        assert element["etag"] == alone.headers["ETag"]
        assert element["result"]["data"] == alone.json()["data"]
        assert admin.get(f"/widgets/{one['id']}/data", If_None_Match=element["etag"]).status == 304
    assert admin.get(at + "/data", If_None_Match=answer.headers["ETag"]).status == 304
    known = admin.get(at + "/data", If_None_Match=f"{shown['widgets'][0]['etag']}, {shown['widgets'][3]['etag']}").json()
    assert [w["status"] for w in known["widgets"]] == [304, 200, 200, 304, 200, 200]
    assert known["widgets"][0]["result"] is None and known["widgets"][1]["result"]
    # one that fails does not take the others with it
    broken = json.dumps({**NIGHTS, "metrics": ["gone"]})
    stack.query("update analytics.widgets set query = $1::jsonb where widget_id = $2", broken, made[1]["id"])
    # nobody told Redis: a second later at most
    partial = wait_until(lambda: next((a for a in [admin.get(at + "/data")] if "ETag" not in a.headers), None))
    assert partial.status == 200
    assert [w["status"] for w in partial.json()["widgets"]] == [200, 404, 200, 200, 200, 200]
    assert partial.json()["widgets"][1]["error"]["code"].endswith("METRIC_NOT_FOUND")
    assert partial.json()["widgets"][1]["result"] is None
    assert code(admin.get(f"/widgets/{made[1]['id']}/data"))[1] == "ANALYTICS.METRIC_NOT_FOUND"
    assert admin.get(f"/dashboards/{admin.board()['id']}/data").json()["widgets"] == []


def test_a_widget_is_seen_through_its_dashboard(stack, admin, random_hotel):
    kabul = random_hotel.id("ppt", "kabul")
    private, shared = admin.board(scope="user"), admin.board()
    hidden, open_one = put(admin, private, widget()), put(admin, shared, widget())
    stranger, colleague = User(stack, OTHER, "widgets"), User(stack, random_hotel.tenant, "colleague")
    nowhere = "wid_" + ulid("nowhere")
    for user, made, sees in ((colleague, hidden, False), (colleague, open_one, True),
                             (stranger, hidden, False), (stranger, open_one, False)):
        assert user.get(f"/widgets/{made['id']}/data").status == (200 if sees else 404)
    problems = [{k: v for k, v in stranger.get(f"/widgets/{i}/data").json().items()
                 if k not in ("instance", "correlationId")} for i in (hidden["id"], open_one["id"], nowhere)]
    assert problems[0] == problems[1] == problems[2]
    for user, board in ((colleague, private), (stranger, private), (stranger, shared)):
        assert code(user.get(f"/dashboards/{board['id']}/data")) == NO_BOARD
        assert code(user.post(f"/dashboards/{board['id']}/widgets", widget(x=9))) == NO_BOARD
        for made in (hidden, open_one):
            at = f"/dashboards/{board['id']}/widgets/{made['id']}"
            assert code(user.put(at, widget(), '"v1"')) == code(user.delete(at)) == NO_BOARD
    # on another dashboard than its own it is not there
    at = f"/dashboards/{shared['id']}/widgets/{hidden['id']}"
    assert code(admin.put(at, widget(), '"v1"')) == code(admin.delete(at)) == NO_WIDGET
    staff = User(stack, random_hotel.tenant, "s", "staff", [kabul])
    for method, path, body in (("POST", f"/dashboards/{shared['id']}/widgets", widget(x=9)),
                               ("PUT", f"/dashboards/{shared['id']}/widgets/{open_one['id']}", widget()),
                               ("DELETE", f"/dashboards/{shared['id']}/widgets/{open_one['id']}", None)):
        assert code(staff.ask(method, path, body, If_Match='"v1"')) == (403, "IAM.PERMISSION_DENIED")
    admin.delete(f"/dashboards/{shared['id']}")
    assert code(colleague.get(f"/widgets/{open_one['id']}/data")) == NO_WIDGET


# ---- embedded

def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_embed_tokens(stack, admin, random_hotel):
    kabul, dushanbe = (random_hotel.id("ppt", key) for key in ("kabul", "dushanbe"))
    board, other = admin.board(scope="user"), admin.board()
    mine, theirs = put(admin, board, widget()), put(admin, other, widget())
    body = {"audience": "a", "ttlSeconds": 60}

    def holder(token):
        user = User(stack, random_hotel.tenant)
        user.token = token
        return user

    token = admin.post(f"/dashboards/{board['id']}:share", body).json()["token"]
    guest = holder(token)
    assert guest.get(f"/dashboards/{board['id']}/data").json()["widgets"][0]["result"]["data"] == show(admin, mine)["data"]
    assert show(guest, mine) and show(guest, mine, f"?property={kabul}")
    assert code(guest.get(f"/dashboards/{other['id']}/data")) == NO_BOARD
    assert code(guest.get(f"/widgets/{theirs['id']}/data")) == NO_WIDGET
    # the sharer's properties are the token's
    desk = User(stack, random_hotel.tenant, "desk", "tenant.admin", [kabul])
    narrow = holder(desk.post(f"/dashboards/{other['id']}:share", body).json()["token"])
    assert show(narrow, theirs)["data"] == show(desk, theirs)["data"] != show(admin, theirs)["data"]
    assert code(narrow.get(f"/widgets/{theirs['id']}/data?property={dushanbe}")) == SCOPE

    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    with open(stack.path("secrets", "embed.key"), encoding="ascii") as key_file:
        key = key_file.read().strip().encode()

    def signed(claims, secret=key, header=head):
        text = f"{header}.{b64(json.dumps(claims).encode())}"
        return f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"

    assert show(holder(signed(claims)), mine)  # so that the refusals below are about what they say
    past = {**claims, "exp": int(time.time()) - 1}
    none = b64(b'{"alg":"none","typ":"embed+jwt"}')
    for forged in (f"{head}.{payload}.{signature[:-2]}AA", f"{head}.{payload}", f"{head}.{payload}.", f"{head}..{signature}",
                   f"{none}.{payload}.", f"{none}.{payload}.{signature}", signed(past), signed(claims, b"another key"),
                   signed(claims, b""), signed({**claims, "exp": "never"}), signed({k: v for k, v in claims.items() if k != "exp"}),
                   signed({k: v for k, v in claims.items() if k != "dashboardId"}),
                   signed({**claims, "tenantId": "tnt_x"}), signed(claims, key, b64(b'{"alg":"HS256"}')),
                   f"{head}.{b64(json.dumps({**claims, 'dashboardId': other['id']}).encode())}.{signature}"):
        for path in (f"/dashboards/{board['id']}/data", f"/widgets/{mine['id']}/data"):
            assert code(holder(forged).get(path)) == UNKNOWN, forged
    # a signed one for another tenant finds nothing of this one
    assert code(holder(signed({**claims, "tenantId": OTHER})).get(f"/widgets/{mine['id']}/data")) == NO_WIDGET
    admin.delete(f"/dashboards/{board['id']}")
    assert code(guest.get(f"/dashboards/{board['id']}/data")) == NO_BOARD


def routes():
    """(method, path, permission) of all that queryd has."""
    for line in run([os.path.join(BIN, "queryd"), "routes"]).stdout.splitlines():
        yield tuple(line.split()[:3])


def things_of(user):
    """{name of a path's parameter, after the last word before it: id}: one of everything that can be named."""
    board = user.board()["id"]
    at = put(user, {"id": board}, widget())["id"]
    query = user.post("/queries", {"name": "Sold", "query": NIGHTS}).json()["id"]
    kept = user.post("/queries:run", {"queryId": query, "snapshot": True})
    check = {"table": "fact_payment", "kind": "null_rate", "column": "currency", "limit": 0.5, "severity": "info"}
    found = user.post("/data-quality/checks", check)
    return {"dashboards": board, "widgets": at, "queries": query, "snapshots": kept.headers["Location"].rpartition("/")[2],
            "checks": found.json().get("id", "dqc_" + ulid("none")), "jobs": user.post("/projections/fact_payment:refresh", {}).json()["jobId"],
            "metrics": "rooms_sold", "projections": "fact_payment", "history": "1"}


def nothing_of():
    names = {"dashboards": "dsh", "widgets": "wid", "queries": "qry", "snapshots": "snp", "checks": "dqc", "jobs": "job"}
    return {**{kind: f"{prefix}_{ulid('never')}" for kind, prefix in names.items()}, "metrics": "nothing", "projections": "nothing",
            "history": "99"}


def said(answer, names):
    """All that the caller can see, without what differs between two equal requests."""
    text = answer.body.decode()
    problem = json.loads(text) if text else {}
    for name in ("instance", "correlationId"):
        problem.pop(name, None)
    text = json.dumps(problem)
    headers = sorted((k, v) for k, v in answer.headers.items()
                     if k not in ("Date", "X-Correlation-Id", "traceparent", "X-RateLimit-Remaining", "Content-Length"))
    for name in names:
        if len(name) > 9:
            text = text.replace(name, "?")
    return answer.status, text, headers


def test_an_embed_token_opens_one_dashboard(stack, admin, random_hotel):
    """Every route, named with what the tenant has, what another has, and what never was: the same refusal, word by word.
    Only the dashboard that it was made for answers."""
    shared = admin.board()
    mine = put(admin, shared, widget())
    neighbour = Hotel("embedded neighbour")
    neighbour.property("p", 5)
    neighbour.stay("p", 0, "2024-03-01", 3, then=STAYED)
    neighbour.send(stack)
    stranger = User(stack, neighbour.tenant, "stranger")
    targets = [things_of(admin), things_of(stranger), nothing_of()]
    guest = User(stack, random_hotel.tenant)
    guest.token = admin.post(f"/dashboards/{shared['id']}:share", {"audience": "a", "ttlSeconds": 60}).json()["token"]
    known = ", ".join(user.get(f"/dashboards/{things['dashboards']}/data").headers["ETag"]
                      for user, things in ((admin, targets[0]), (stranger, targets[1])))
    body = {"name": "x", "scope": "tenant", "sql": "select 1", "audience": "a", "ttlSeconds": 60}
    seen = 0
    for method, path, permission in routes():
        if permission == "none":
            continue
        answers = []
        for things in targets:
            words = path.split("/")
            for i, word in enumerate(words):
                if word.startswith("{"):
                    name, brace, verb = word[1:].partition("}")
                    kind = "widgets" if name == "wid" else words[i - 1]
                    words[i] = things[kind] + brace[1:] + verb
            for method_too in (method, "HEAD") if method == "GET" else (method,):
                for headers in ({}, {"If_None_Match": known}, {"X_Tenant_Id": stranger.tenant}):
                    answer = http_request(method_too, stack.url("queryd", "/".join(words)), body if method in ("POST", "PUT") else None, {
                        "Authorization": "Bearer " + guest.token, "Idempotency-Key": str(uuid.uuid4()), "If-Match": "*",
                        **{k.replace("_", "-"): v for k, v in headers.items()}})
                    answers.append((things is targets[2], method_too, tuple(headers), said(answer, things.values())))
        refusals = {}
        for _, how, headers, words in answers:
            refusals.setdefault((how, headers), []).append(words)
        for key, words in refusals.items():
            assert len(words) == 3 and words[0] == words[1] == words[2], (method, path, key, words)
            expected = 403 if "X_Tenant_Id" in key[1] and "embedded" in permission else 404 if "embedded" in permission else 401
            assert words[0][0] == expected, (path, key, words[0])
            seen += 1
    assert seen > 100
    # who asks for a property is told as little
    theirs, never = neighbour.id("ppt", "p"), "ppt_" + ulid("never")
    shown = [show(guest, mine, f"?property={name}") for name in (theirs, never)]
    for name in ("data", "totals", "bytesScanned", "dataVersion", "partial", "quality"):
        assert shown[0][name] == shown[1][name], name
    assert shown[0]["totals"] == {"rooms_sold": 0}
    for at in (f"/dashboards/{targets[0]['dashboards']}/data", f"/widgets/{targets[1]['widgets']}/data"):
        words = [said(guest.get(f"{at}?property={name}"), (theirs, never)) for name in (theirs, never)]
        assert words[0] == words[1], at
    assert show(guest, mine)["data"] == show(admin, mine)["data"]
    shown = guest.get(f"/dashboards/{shared['id']}/data")
    assert [w["id"] for w in shown.json()["widgets"]] == [mine["id"]]
    for things in targets[:2]:
        assert not [name for name in things.values() if name[3:4] == "_" and name in shown.body.decode()]


def test_run_a_saved_query(stack, admin):
    saved = admin.post("/queries", {"name": "Sold", "query": {**NIGHTS, "dimensions": ["channel"]}}).json()
    answer = admin.post("/queries:run", {"queryId": saved["id"]}, Idempotency_Key=None)
    assert answer.status == 200 and answer.json()["rows"] == rows(admin, dimensions=["channel"])["rows"]
    assert admin.post("/queries:run", {"queryId": saved["id"], "dryRun": True}).json()["rows"] == []
    sql = admin.post("/queries", {"name": "SQL", "sql": "select 1"}).json()
    assert admin.post("/queries:run", {"queryId": sql["id"]}).json()["rows"] == [{"?column?": 1}]
    for user, query_id in ((User(stack, admin.tenant, "b"), saved["id"]), (User(stack, OTHER, "widgets"), saved["id"]),
                           (admin, "qry_" + ulid("no")), (admin, "x")):
        assert code(user.post("/queries:run", {"queryId": query_id})) == (404, "ANALYTICS.QUERY_NOT_FOUND")
    for body in ({"queryId": 7}, {"queryId": saved["id"], "query": NIGHTS}, {}):
        assert code(admin.post("/queries:run", body)) == INVALID
