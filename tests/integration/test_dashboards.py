"""Dashboards, saved queries and shares over HTTP: documents, revisions, who may, what a crash leaves."""

import base64
import concurrent.futures
import json
import signal
import time
import uuid

import pytest

from boards import BOARD, User, code, fields
from harness import PATIENCE, wait_until
from hotel import API, Hotel, ulid
from instance import Instance

INVALID = (400, "GENERAL.VALIDATION_FAILED")
DENIED = (403, "IAM.PERMISSION_DENIED")
NO_BOARD = (404, "ANALYTICS.DASHBOARD_NOT_FOUND")
NO_QUERY = (404, "ANALYTICS.QUERY_NOT_FOUND")
STALE = (412, "GENERAL.PRECONDITION_FAILED")
UNCONDITIONAL = (428, "GENERAL.PRECONDITION_REQUIRED")
REUSED = (409, "SYNC.IDEMPOTENCY_KEY_REUSED")
TENANT, OTHER = Hotel("boards").tenant, Hotel("other boards").tenant
PROPERTY = Hotel("boards").id("ppt", "p")
SAVED = {"name": "Sold", "query": {"metrics": ["rooms_sold"], "dateRange": {"preset": "mtd"}}}


@pytest.fixture(scope="module")
def admin(stack):
    return User(stack, TENANT, "admin")


def test_a_dashboard_and_its_revisions(admin):
    made = admin.post("/dashboards", {"name": "Desk", "description": "é", "scope": "tenant",
                                      "layout": {"columns": 24}})
    board = made.json()
    assert made.status == 201 and made.headers["ETag"] == '"v1"'
    assert made.headers["Location"] == f"{API}/dashboards/{board['id']}"
    assert board["revision"] == 1 and board["ownerId"] == admin.id and board["widgets"] == []
    assert board["layout"] == {"columns": 24} and board["description"] == "é"
    at = made.headers["Location"]
    read = admin.get(at)
    assert read.json() == board and read.headers["ETag"] == '"v1"'
    assert admin.get(at, If_None_Match='"v1"').status == 304

    assert code(admin.put(at, BOARD, None)) == UNCONDITIONAL
    for etag in ('"v2"', '"v9"', "v1", "nonsense", 'W/"v1"'):
        assert code(admin.put(at, BOARD, etag)) == STALE, etag
    changed = admin.put(at, {**BOARD, "name": "New"}, '"v1"')
    assert changed.status == 200 and changed.headers["ETag"] == '"v2"'
    assert changed.json()["name"] == "New" and changed.json()["layout"] == {}
    assert code(admin.put(at, BOARD, '"v1"')) == STALE
    assert admin.put(at, BOARD, "*").headers["ETag"] == '"v3"'
    assert code(admin.delete(at, If_Match='"v1"')) == STALE
    history = admin.pages(f"/dashboards/{board['id']}/history", 2)
    assert [(h["revision"], h["action"], h["actor"]) for h in history] == [
        (3, "updated", admin.id), (2, "updated", admin.id), (1, "created", admin.id)]
    assert admin.get(f"{at}/history/1").json() == board
    assert admin.get(f"{at}/history/2").json()["name"] == "New"
    for revision in ("9", "0", "x", "-1"):
        assert code(admin.get(f"{at}/history/{revision}")) == (404, "GENERAL.RESOURCE_NOT_FOUND")
    assert admin.delete(at, If_Match='"v3"').status == 204
    for gone in (admin.get(at), admin.delete(at), admin.put(at, BOARD, '"v3"'), admin.get(at + "/history")):
        assert code(gone) == NO_BOARD


BAD_BOARDS = [
    ({}, {"name", "scope"}), ({**BOARD, "name": ""}, {"name"}), ({**BOARD, "name": " "}, {"name"}),
    ({**BOARD, "name": "x" * 201}, {"name"}), ({**BOARD, "name": 7}, {"name"}),
    ({**BOARD, "scope": "world"}, {"scope"}), ({**BOARD, "tenantId": OTHER}, {"tenantId"}),
    ({**BOARD, "scope": "property"}, {"propertyId"}), ({**BOARD, "propertyId": PROPERTY}, {"propertyId"}),
    ({**BOARD, "scope": "property", "propertyId": "*"}, {"propertyId"}),
    ({**BOARD, "scope": "role"}, {"roles"}), ({**BOARD, "roles": ["staff"]}, {"roles"}),
    ({**BOARD, "scope": "role", "roles": []}, {"roles"}),
    ({**BOARD, "scope": "role", "roles": ["root"]}, {"roles[0]"}),
    ({**BOARD, "layout": []}, {"layout"}), ([], {"body"}), (b"{", {"body"}), (b"", {"body"}),
    (b'{"name":"a\\u0000","scope":"tenant"}', {"body"}),
]


def test_bad_dashboards(admin):
    at = "/dashboards/" + admin.board()["id"]
    for body, wrong in BAD_BOARDS:
        for answer in (admin.post("/dashboards", body), admin.put(at, body, '"v1"')):
            assert code(answer) == INVALID, (body, answer)
            assert fields(answer) == wrong, body
    for path in ("/dashboards?limit=0", "/dashboards?limit=101", "/dashboards?cursor=x", "/dashboards?tenant=x"):
        assert code(admin.get(path)) == INVALID, path
    assert admin.get(at).json()["revision"] == 1
    assert admin.post("/dashboards", {**BOARD, "name": "x" * 40000}).status == 413


def test_who_sees_which(stack):
    tenant, hotel = Hotel("scopes").tenant, Hotel("scopes")
    mine, theirs = hotel.id("ppt", 1), hotel.id("ppt", 2)
    owner = User(stack, tenant, "owner")
    boards = {
        "tenant": owner.board(), "user": owner.board(scope="user"),
        "role": owner.board(scope="role", roles=["manager"]),
        "mine": owner.board(scope="property", propertyId=mine.replace("ppt_", "prp_")),
        "theirs": owner.board(scope="property", propertyId=theirs)}
    assert boards["mine"]["propertyId"] == mine
    readers = {
        User(stack, tenant, "owner"): set(boards),
        User(stack, tenant, "b"): {"tenant", "mine", "theirs"},
        User(stack, tenant, "c", "manager", [mine]): {"tenant", "role", "mine"},
        User(stack, tenant, "d", "staff", [theirs]): {"tenant", "theirs"},
        User(stack, tenant, "e", "staff"): {"tenant"},
        User(stack, tenant, "owner", "manager", [theirs]): {"tenant", "user", "role", "theirs"},
        User(stack, OTHER, "owner"): set()}
    for user, sees in readers.items():
        ids = {boards[name]["id"] for name in sees}
        assert {b["id"] for b in user.pages("/dashboards", 2)} == ids, (user.id, user.tenant)
        for name, board in boards.items():
            for path in (f"/dashboards/{board['id']}", f"/dashboards/{board['id']}/history"):
                answer = user.get(path)
                assert answer.status == (200 if name in sees else 404), (user.id, name)
    # what is not visible is like what does not exist, for every method
    stranger = User(stack, OTHER, "owner")
    for name in ("tenant", "user"):
        there, nowhere = boards[name]["id"], "dsh_" + ulid("nowhere")
        for method, path, body, headers in (
                ("GET", "", None, {}), ("PUT", "", BOARD, {"If_Match": '"v1"'}), ("DELETE", "", None, {}),
                ("GET", "/history", None, {}), ("GET", "/history/1", None, {}),
                ("POST", ":share", {"audience": "a", "ttlSeconds": 60}, {})):
            answers = [stranger.ask(method, f"/dashboards/{i}{path}", body, **headers) for i in (there, nowhere)]
            problems = [{k: v for k, v in a.json().items() if k not in ("instance", "correlationId")}
                        for a in answers]
            assert answers[0].status == 404 and problems[0] == problems[1], (method, path)
            names = [sorted(a.headers.keys()) for a in answers]
            assert names[0] == names[1]
    assert code(stranger.get("/dashboards/dsh_x")) == NO_BOARD
    outside = User(stack, tenant, "f", "manager", [mine]).post(
        "/dashboards", {"name": "x", "scope": "property", "propertyId": theirs})
    assert code(outside) == (403, "ANALYTICS.PROPERTY_SCOPE_VIOLATION")


def test_permissions_of_what_users_make(stack, admin):
    at = "/dashboards/" + admin.board()["id"]
    share = {"audience": "a", "ttlSeconds": 60}
    wanted = [  # staff, manager
        ("GET", "/dashboards", None, True, True), ("GET", at, None, True, True),
        ("GET", at + "/history", None, True, True), ("POST", "/dashboards", BOARD, False, True),
        ("PUT", at, BOARD, False, True), ("POST", at + ":share", share, False, False),
        ("POST", at + "/share", share, False, False), ("DELETE", at, None, False, True),
        ("GET", "/queries", None, False, True), ("POST", "/queries", SAVED, False, True)]
    for role, column in (("staff", 3), ("manager", 4)):
        user = User(stack, TENANT, "admin", role)
        for row in wanted:
            answer = user.ask(row[0], row[1], row[2], If_Match='"v1"' if row[0] == "PUT" else None)
            assert (answer.status < 300) == row[column], (role, row, answer)
            assert row[column] or code(answer) == DENIED
    expired = User(stack, TENANT)
    expired.token = stack.token(TENANT, "--ttl", "-3600")
    for row in wanted:
        answer = expired.ask(*row[:3], If_Match="*")
        assert code(answer) == (401, "IAM.AUTH_INVALID") and "ETag" not in answer.headers


def test_cursors_are_sealed(stack):
    tenant = Hotel("cursors").tenant
    user = User(stack, tenant, "a")
    for n in range(3):
        user.board(name=str(n))
    cursor = user.get("/dashboards?limit=1").json()["nextCursor"]
    assert user.get(f"/dashboards?limit=1&cursor={cursor}").status == 200
    flipped = cursor[:5] + ("0" if cursor[5] != "0" else "1") + cursor[6:]
    for who, path in ((User(stack, OTHER, "a"), f"/dashboards?cursor={cursor}"),
                      (User(stack, tenant, "b"), f"/dashboards?cursor={cursor}"),
                      (user, f"/queries?cursor={cursor}"), (user, f"/dashboards?cursor={flipped}"),
                      (user, f"/dashboards?cursor={cursor}0")):
        assert code(who.get(path)) == INVALID


# ---- idempotency

def test_the_same_request_again(admin, stack):
    for key in (str(uuid.uuid4()), ulid("again")):
        first = admin.post("/dashboards", BOARD, Idempotency_Key=key)
        again = admin.post("/dashboards", BOARD, Idempotency_Key=key)
        assert (first.status, first.body) == (again.status, again.body) == (201, again.body)
        for name in ("ETag", "Location", "Content-Type"):
            assert first.headers[name] == again.headers[name]
        # also when the thing has changed since
        admin.put(first.headers["Location"], {**BOARD, "name": "later"}, '"v1"')
        assert admin.post("/dashboards", BOARD, Idempotency_Key=key).body == first.body
        assert code(admin.post("/dashboards", {**BOARD, "name": "x"}, Idempotency_Key=key)) == REUSED
        # the key is this user's, for this operation
        assert admin.post("/queries", SAVED, Idempotency_Key=key).status == 201
        for user in (User(stack, TENANT, "other"), User(stack, OTHER, "admin")):
            assert user.post("/dashboards", BOARD, Idempotency_Key=key).json()["id"] != first.json()["id"]
    for key in (None, "", "7", "x" * 36, "not-a-ulid-not-a-ulid-00000"):
        answer = admin.post("/dashboards", BOARD, Idempotency_Key=key)
        assert code(answer) == INVALID and fields(answer) == {"Idempotency-Key"}, key


def test_a_refused_request_leaves_its_key_free(admin):
    key = str(uuid.uuid4())
    nowhere, at = "/dashboards/dsh_" + ulid("x"), "/dashboards/" + admin.board()["id"]
    body = {"audience": "a", "ttlSeconds": 60}
    assert code(admin.post(nowhere + ":share", body, Idempotency_Key=key)) == NO_BOARD
    assert admin.post(at + ":share", body, Idempotency_Key=key).status == 200
    assert code(admin.post(nowhere + ":share", body, Idempotency_Key=key)) == REUSED


def test_many_at_once_with_one_key(stack, admin):
    """One has the effect; the others get its answer or are told that it is in flight."""
    key, before = str(uuid.uuid4()), len(admin.pages("/dashboards", 100))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: admin.post("/dashboards", BOARD, Idempotency_Key=key), range(24)))
    bodies = {a.body for a in answers if a.status == 201}
    assert len(bodies) == 1
    for answer in answers:
        assert answer.status == 201 or code(answer) == (409, "SYNC.IDEMPOTENCY_KEY_IN_FLIGHT")
        assert answer.status == 201 or answer.headers["Retry-After"] == "1"
    assert len(admin.pages("/dashboards", 100)) == before + 1
    # in flight for certain: another session holds the key's lock
    held = str(uuid.uuid4())
    name = f"idempotency|{TENANT}|{admin.id}|dashboards.create|{held}"
    stack.query("begin")
    stack.query(f"select pg_advisory_xact_lock(hashtextextended('{name}', 0))")
    busy = admin.post("/dashboards", BOARD, Idempotency_Key=held)
    stack.query("rollback")
    assert code(busy) == (409, "SYNC.IDEMPOTENCY_KEY_IN_FLIGHT") and busy.headers["Retry-After"] == "1"
    assert admin.post("/dashboards", BOARD, Idempotency_Key=held).status == 201


def key_row(stack, key):
    """(when it expires, status) of a key that is kept."""
    return stack.query("select expires_at, status from analytics.idempotency_keys where key = $1", key)


def database_clock(stack):
    return stack.query("select clock_timestamp() + interval '24 hours'")[0][0]


def test_keys_are_kept_for_a_day(stack):
    """From the effect on, of every kind; the same request again does not make it longer."""
    admin = User(stack, Hotel("kept a day").tenant)
    at = "/dashboards/" + admin.board()["id"]
    tile = {"kind": "kpi_tile", "title": "Sold", "query": SAVED["query"], "layout": {"x": 0, "y": 0, "w": 4, "h": 4}}
    metric = {"key": "kept_a_day", "version": 1, "display": {"default": "x"}, "numerator": "rooms_sold", "unit": {"kind": "count"},
              "dimensions": ["property_id"]}
    for path, body in (("/dashboards", BOARD), ("/queries", SAVED), (at + "/widgets", tile), (at + ":share", {"audience": "a", "ttlSeconds": 60}),
                       ("/data-quality/checks", {"table": "fact_payment", "kind": "freshness", "limit": 900, "severity": "info"}), ("/metrics", metric),
                       ("/projections/fact_payment:refresh", {})):
        key, before = str(uuid.uuid4()), database_clock(stack)
        answer = admin.post(path, body, Idempotency_Key=key)
        after = database_clock(stack)
        assert answer.status in (200, 201, 202), (path, answer)
        kept = key_row(stack, key)
        assert len(kept) == 1 and before <= kept[0][0] <= after and kept[0][1] == str(answer.status), (path, before, kept, after)
        assert admin.post(path, body, Idempotency_Key=key).status == answer.status
        assert key_row(stack, key) == kept


def test_keys_are_forgotten_after_a_day(stack, admin):
    def end(key, when):
        stack.query(f"update analytics.idempotency_keys set expires_at = now() + interval '{when}' where key = $1", key)

    keys = [str(uuid.uuid4()) for _ in range(3)]
    first = [admin.post("/dashboards", BOARD, Idempotency_Key=key).json()["id"] for key in keys]
    # in its last minute it is what it was
    end(keys[0], "1 minute")
    assert admin.post("/dashboards", BOARD, Idempotency_Key=keys[0]).json()["id"] == first[0]
    assert code(admin.post("/dashboards", {**BOARD, "name": "x"}, Idempotency_Key=keys[0])) == REUSED
    # afterwards the same request is another one, and so is one with another body; each is kept for a day
    for key, body in ((keys[1], BOARD), (keys[2], {**BOARD, "name": "another day"})):
        end(key, "0")
        before = database_clock(stack)
        second = admin.post("/dashboards", body, Idempotency_Key=key)
        assert second.status == 201 and second.json()["id"] not in first and second.json()["name"] == body["name"]
        assert before <= key_row(stack, key)[0][0] <= database_clock(stack)
        assert admin.post("/dashboards", body, Idempotency_Key=key).json() == second.json()
    end(keys[1], "0")
    with Instance(stack, "queryd"):  # looks when it starts
        wait_until(lambda: not key_row(stack, keys[1]))
    assert key_row(stack, keys[0]) and key_row(stack, keys[2])


def test_killed_between_effect_and_answer(stack):
    """kill -9 while requests are in flight; sent again with their keys, each has happened once."""
    tenant = Hotel("killed").tenant
    user = User(stack, tenant)
    names = {str(uuid.uuid4()): f"board {n}" for n in range(60)}
    lost = 0
    with Instance(stack, "queryd") as first:
        def send(item):
            try:
                return first.http("POST", f"{API}/dashboards", {**BOARD, "name": item[1]}, {
                    "Authorization": "Bearer " + user.token, "Idempotency-Key": item[0]}).status
            except OSError:
                return None

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sent = [pool.submit(send, item) for item in names.items()]
            wait_until(lambda: sum(f.done() for f in sent) >= 10)
            first.process.send_signal(signal.SIGKILL)
            lost = sum(f.result() is None for f in sent)
        first.process.wait(PATIENCE)
    assert lost > 0
    for key, name in names.items():
        assert user.post("/dashboards", {**BOARD, "name": name}, Idempotency_Key=key).status == 201
    assert sorted(b["name"] for b in user.pages("/dashboards", 100)) == sorted(names.values())
    wait_until(lambda: events(stack, tenant, waiting=True) == 0)
    told = [e["payload"]["dashboardId"] for e in events(stack, tenant)]
    assert len(told) == len(set(told)) == len(names)


# ---- events

def events(stack, tenant, waiting=False):
    if waiting:
        return int(stack.query(f"select count(*) from analytics.outbox_pending where tenant_id = '{tenant}'")[0][0])
    return [json.loads(row[0]) for row in stack.query(
        "select envelope from analytics_run.outbox where tenant_id = $1 and "
        "subject like 'melmastoon.analytics.dashboard.%' order by outbox_id", tenant)]


def test_events(stack):
    tenant = Hotel("told").tenant
    user = User(stack, tenant)
    at = "/dashboards/" + user.board()["id"]
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    put = user.put(at, BOARD, '"v1"', traceparent=trace, X_Correlation_Id="cor_told")
    assert put.headers["traceparent"] == trace and put.headers["X-Correlation-Id"] == "cor_told"
    user.post("/dashboards", {"name": "refused"})
    user.post(at + ":share", {"audience": "a \"b\"", "ttlSeconds": 60})
    user.delete(at)
    told = wait_until(lambda: (lambda e: e if len(e) == 4 else None)(events(stack, tenant)))
    assert [(e["subject"].split(".")[3], e["payload"]["revision"]) for e in told] == [
        ("created", 1), ("updated", 2), ("shared", 2), ("updated", 3)]
    for e in told:
        assert e["tenantId"] == tenant == e["metadata"]["orderingKey"]
        assert e["metadata"]["retentionClass"] == "operational_7y"
        assert e["producedBy"]["service"] == "analytics-service"
        assert e["payload"]["dashboardId"] == at.rpartition("/")[2]
        assert e["payload"]["actor"] == user.id and e["payload"]["scope"] == "tenant"
    assert told[1]["traceparent"] == trace and told[1]["correlationId"] == "cor_told" and "traceparent" not in told[0]
    assert told[2]["payload"]["audience"] == "a \"b\"" and told[2]["payload"]["expiresAt"]
    assert told[3]["payload"]["deleted"] is True
    assert len({e["id"] for e in told}) == 4


def test_an_event_is_moved_once(stack):
    """A crash after the insert into the outbox and before the removal: it is inserted once."""
    tenant = Hotel("moved twice").tenant
    User(stack, tenant).board()
    told = wait_until(lambda: events(stack, tenant))
    stack.query("insert into analytics.outbox_pending (tenant_id, ordering_key, subject, event_id, envelope) "
                "select tenant_id, ordering_key, subject, event_id, envelope from analytics_run.outbox "
                "where tenant_id = $1", tenant)
    wait_until(lambda: events(stack, tenant, waiting=True) == 0)
    assert events(stack, tenant) == told


# ---- saved queries

def test_saved_queries(stack, admin):
    made = admin.post("/queries", {**SAVED, "description": "d"})
    at = made.headers["Location"]
    assert made.status == 201 and made.headers["ETag"] == '"v1"'
    assert made.json()["definition"] == {"query": SAVED["query"]} and made.json()["name"] == "Sold"
    assert admin.get(at).json() == made.json() and admin.get(at, If_None_Match='"v1"').status == 304
    sql = {"name": "SQL", "sql": "select 1 where :x", "params": {"x": {"type": "boolean", "value": True}}}
    assert code(admin.put(at, sql, None)) == UNCONDITIONAL
    assert code(admin.put(at, sql, '"v7"')) == STALE
    changed = admin.put(at, sql, '"v1"')
    assert changed.status == 200 and changed.headers["ETag"] == '"v2"'
    assert changed.json()["definition"] == {"sql": sql["sql"], "params": sql["params"]}
    history = admin.pages(at.removeprefix(API) + "/history", 1)
    assert [(h["revision"], h["action"]) for h in history] == [(2, "updated"), (1, "created")]
    assert history[1]["document"] == made.json()
    assert {q["id"] for q in admin.pages("/queries", 1)} >= {made.json()["id"]}
    for user in (User(stack, TENANT, "someone"), User(stack, OTHER, "admin")):
        assert made.json()["id"] not in {q["id"] for q in user.pages("/queries", 100)}
        for answer in (user.get(at), user.put(at, SAVED, '"v2"'), user.delete(at), user.get(at + "/history")):
            assert code(answer) == NO_QUERY
    assert code(admin.delete(at, If_Match='"v1"')) == STALE
    assert admin.delete(at).status == 204
    assert code(admin.get(at)) == code(admin.get("/queries/qry_x")) == NO_QUERY
    for body, wrong in (({"name": "x"}, {"query"}), ({**SAVED, "sql": "select 1"}, {"query"}),
                        ({**SAVED, "params": {}}, {"params"}), ({**SAVED, "name": ""}, {"name"}),
                        ({**SAVED, "owner": "x"}, {"owner"}), ({"name": "x", "sql": ""}, {"sql"})):
        answer = admin.post("/queries", body)
        assert code(answer) == INVALID and fields(answer) == wrong, body


# ---- shares

def test_share(stack, admin):
    at = "/dashboards/" + admin.board()["id"]
    body, key = {"audience": "https://desk.example", "ttlSeconds": 120}, str(uuid.uuid4())
    answer = admin.post(at + ":share", body, Idempotency_Key=key)
    shared = answer.json()
    assert answer.status == 200 and shared["dashboardId"] == at.rpartition("/")[2]
    claims = json.loads(base64.urlsafe_b64decode(shared["token"].split(".")[1] + "=="))
    assert claims["tenantId"] == TENANT and claims["dashboardId"] == shared["dashboardId"]
    assert claims["aud"] == body["audience"] and 0 < claims["exp"] - time.time() <= 120
    assert shared["connection"]["dashboardData"] == f"{API}{at}/data"
    assert admin.post(at + "/share", body, Idempotency_Key=key).body == answer.body
    assert not stack.query("select from analytics.idempotency_keys where response like '%' || $1 || '%'",
                           shared["token"].split(".")[2])
    for bad, wrong in (({}, {"audience", "ttlSeconds"}), ({**body, "ttlSeconds": 59}, {"ttlSeconds"}),
                       ({**body, "ttlSeconds": 3601}, {"ttlSeconds"}), ({**body, "audience": ""}, {"audience"}),
                       ({**body, "properties": []}, {"properties"})):
        refused = admin.post(at + ":share", bad)
        assert code(refused) == INVALID and fields(refused) == wrong
    # it opens nothing but data
    holder = User(stack, TENANT)
    holder.token = shared["token"]
    for method, path in (("GET", at), ("GET", "/dashboards"), ("GET", "/metrics"), ("DELETE", at),
                         ("POST", "/metrics/adr:compute"), ("POST", at + ":share")):
        assert code(holder.ask(method, path, {} if method == "POST" else None)) == (401, "IAM.AUTH_INVALID")
    with Instance(stack, "queryd", embed_key_file="") as closed:
        refused = closed.http("POST", f"{API}{at}:share", body, {
            "Authorization": "Bearer " + admin.token, "Idempotency-Key": str(uuid.uuid4())})
        assert code(refused) == (503, "GENERAL.UNAVAILABLE")


# ---- checks of a tenant's own

OWN = {"table": "fact_payment", "kind": "null_rate", "column": "currency", "limit": 0.5, "severity": "info"}


def test_checks_of_a_tenant(stack, admin):
    made = admin.post("/data-quality/checks", OWN)
    at, check = made.headers["Location"], made.json()
    assert made.status == 201 and made.headers["ETag"] == '"v1"'
    assert {k: check[k] for k in OWN} == OWN and check["enabled"] is True and check["mutedUntil"] is None
    assert admin.get(at).json() == check and admin.pages("/data-quality/checks", 1) == [check]
    rejected = (422, "ANALYTICS.QUERY_REJECTED")
    assert code(admin.post("/data-quality/checks", OWN)) == rejected
    for other in ({"kind": "nothing"}, {"table": "pg_class"}, {"column": None}, {"column": "method"}):
        assert code(admin.post("/data-quality/checks", {**OWN, **other})) == rejected
        assert code(admin.put(at, {**OWN, **other}, "*")) == rejected
    assert code(admin.put(at, OWN, None)) == UNCONDITIONAL and code(admin.put(at, OWN, '"v3"')) == STALE
    changed = admin.put(at, {**OWN, "limit": 1, "mutedUntil": "2040-01-01T00:00:00+04:30"}, '"v1"')
    assert changed.headers["ETag"] == '"v2"' and changed.json()["mutedUntil"] == "2039-12-31T19:30:00.000000Z"
    for body, wrong in (({**OWN, "limit": -1}, {"limit"}), ({**OWN, "limit": "1"}, {"limit"}),
                        ({**OWN, "severity": "fatal"}, {"severity"}), ({**OWN, "enabled": 1}, {"enabled"}),
                        ({**OWN, "mutedUntil": "soon"}, {"mutedUntil"}), ({**OWN, "blocking": True}, {"blocking"})):
        refused = admin.post("/data-quality/checks", body)
        assert code(refused) == INVALID and fields(refused) == wrong, body
    platforms = stack.query("select check_id from analytics.dq_checks where tenant_id is null limit 1")[0][0]
    for user, path in ((User(stack, OTHER, "admin"), at), (admin, f"/data-quality/checks/{platforms}"),
                       (admin, "/data-quality/checks/x")):
        for answer in (user.get(path), user.put(path, OWN, "*"), user.delete(path)):
            assert code(answer) == (404, "GENERAL.RESOURCE_NOT_FOUND")
    assert code(User(stack, TENANT, "admin", "manager").get("/data-quality/checks")) == DENIED
    assert admin.delete(at).status == 204 and admin.pages("/data-quality/checks", 1) == []


def test_a_check_of_its_own_is_the_one_that_counts(stack):
    """The platform tolerates no payment without a currency; the tenant does, or does not look."""
    hotel = Hotel("own checks")
    hotel.property("p", 1)
    hotel.event("payment.transaction.captured", "2024-03-01T10:00", {
        "transactionId": hotel.id("trx"), "paymentId": hotel.id("pay"), "propertyId": hotel.id("ppt", "p"),
        "method": "card"})
    hotel.send(stack)
    user = User(stack, hotel.tenant)

    def results():
        items = user.get("/data-quality?table=fact_payment&limit=100").json()["items"]
        return {i["checkId"]: i["state"] for i in items if (i["kind"], i["column"]) == ("null_rate", "currency")}

    platforms = next(iter(wait_until(lambda: results() if "fail" in results().values() else None)))
    own = user.post("/data-quality/checks", {**OWN, "limit": 1}).json()["id"]
    assert platforms not in results()
    hotel.event("tenant.created", "2024-01-01T00:00", {"name": "x", "timezone": "UTC"})
    hotel.send(stack)  # what changes is checked again
    wait_until(lambda: results() == {own: "pass"})
    user.put(f"/data-quality/checks/{own}", {**OWN, "enabled": False}, "*")
    assert user.delete(f"/data-quality/checks/{own}").status == 204
    assert results() == {platforms: "fail"}
