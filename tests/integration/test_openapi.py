"""queryd/openapi.json: it is what the router has, it is sound, and the service keeps to it.

The examples run against a real stack; then random requests, valid and not, made from the document:
never a 5xx, never an undocumented status or code, and every answer fits its schema.
"""

import concurrent.futures
import contextlib
import json
import os
import random
import re
import threading
import urllib.parse
import uuid

import pytest

import pgcluster
from boards import User
from harness import BIN, CHECKOUT, another_queryd, http_request, run, wait_until
from hotel import API, ulid
from instance import Instance
from openapi import Document
from services import SCHEDULER, scheduler_token, sync_token

METRICS = ["rooms_sold", "adr", "occupancy_pct", "channel_mix", "alos"]
DIMENSIONS = ["property_id", "channel", "room_type_id", "date"]
POOLS = {"dsh": [], "wid": [], "qry": [], "dqc": [], "job": [], "key": [], "snp": []}
SEED = int(os.environ.get("OPENAPI_SEED", "1"))
CASES = int(os.environ.get("OPENAPI_CASES", "2500"))
SEEN = set()  # (method, path, status) of every answer that was judged


@pytest.fixture(scope="module")
def document():
    with open(os.path.join(CHECKOUT, "queryd", "openapi.json"), encoding="utf-8") as text:
        return Document(json.load(text))


@pytest.fixture(scope="module")
def admin(stack, random_hotel):
    return User(stack, random_hotel.tenant, "document", "tenant.owner")


def test_the_document_is_sound(document):
    assert not document.faults()


def test_faults_are_found(document):
    """So that the test above means something."""
    def broken(change):
        root = json.loads(json.dumps(document.root))
        change(root)
        return Document(root).faults()

    paths = f"{API}/dashboards/{{id}}"
    assert broken(lambda d: d["components"]["schemas"].pop("Problem"))
    assert broken(lambda d: d["components"]["schemas"]["Share"].update(typ="x"))
    assert broken(lambda d: d["components"]["schemas"]["Share"]["required"].append("nothing"))
    assert broken(lambda d: d["paths"][paths]["get"].update(operationId="listMetrics"))
    assert broken(lambda d: d["paths"][paths]["get"].update(parameters=[]))
    assert broken(lambda d: d["paths"][paths]["put"]["requestBody"]["content"]["application/json"].update(example={}))
    schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 3}}, "additionalProperties": False}
    assert not document.check({"a": 3}, schema)
    for wrong in ({"a": 4}, {"a": True}, {"b": 1}, [], {"a": "1"}):
        assert document.check(wrong, schema), wrong


def test_the_router_and_the_document_are_the_same(document):
    printed = {}
    for line in run([os.path.join(BIN, "queryd"), "routes"]).stdout.splitlines():
        method, path, permission, *query = line.split()
        printed[method, path] = (permission, set(query))
    written = {}
    for method, path, operation in document.operations():
        embedded = "|embedded" if {"embed": []} in operation["security"] else ""
        written[method, path] = (operation["x-permission"] + embedded,
                                 {p["name"] for p in document.parameters(operation, "query")})
        assert (operation["security"] == []) == (operation["x-permission"] == "none")
    assert printed == written
    run([os.path.join(BIN, "queryd"), "routes", "x"], check=64)


def test_it_is_served(stack, document):
    answer = stack.http("GET", "queryd", "/openapi.json")
    assert answer.status == 200 and answer.json() == document.root
    assert answer.headers["Content-Type"] == "application/json"
    again = stack.http("GET", "queryd", "/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and not again.body


def test_every_answer_says_what_is_left(stack, admin):
    """Also where no operation answers."""
    for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/openapi.json", 405), ("GET", f"{API}/metrics/%", 400),
                                 ("GET", "/health", 200), ("GET", f"{API}/metrics", 401)):
        answer = stack.http(method, "queryd", path)
        assert answer.status == status and int(answer.headers["X-RateLimit-Remaining"]) > 0, (path, answer)
    left = [int(admin.get("/metrics").headers["X-RateLimit-Remaining"]) for _ in range(3)]
    assert max(left) < int(stack.http("GET", "queryd", "/nothing").headers["X-RateLimit-Remaining"])


# ---- against the service

def judge(document, row, answer, asked, failing=False):
    """The answer is one that the document has; failing: a server is made to."""
    method, path, operation = row
    assert answer.status < 500 or failing, (asked, answer)
    SEEN.add((method, path, str(answer.status)))
    assert str(answer.status) in operation["responses"], (asked, answer)
    response = document.resolve(operation["responses"][str(answer.status)])
    for name, header in response.get("headers", {}).items():
        assert name in answer.headers, (asked, name, answer)
        assert not document.check(answer.headers[name], document.resolve(header)["schema"]), (asked, name)
    if "content" not in response:
        assert not answer.body, (asked, answer)
        return
    media = answer.headers["Content-Type"]
    assert media in response["content"], (asked, answer)
    errors = document.check(answer.json(), response["content"][media]["schema"])
    assert not errors, (asked, errors[:5], answer)
    if media == "application/problem+json":
        assert answer.json()["code"] in response["x-codes"], (asked, answer)


def keep(answer, method, target):
    """Ids of what was made, for later requests, until it is gone."""
    if method == "DELETE" and answer.status in (204, 404):
        for pool in POOLS.values():
            pool[:] = [made for made in pool if not target.rstrip("/").endswith(made[0])]
    if answer.status in (201, 202):
        document = answer.json()
        name = document.get("id", document.get("jobId", document.get("key")))
        POOLS["key" if "key" in document else name[:3]].append((name, document.get("dashboardId")))


def prefix_of(document, parameter):
    match = re.match(r"\^([a-z]{3})_", document.resolve(parameter)["schema"].get("pattern", ""))
    return match[1] if match else None


def snapshot(user):
    """Id of a new one, which no example of a body makes."""
    query = {"metrics": ["rooms_sold"], "dateRange": {"from": "2024-03-01", "to": "2024-03-31"}}
    saved = user.post("/queries", {"name": "Kept", "query": query}).json()["id"]
    answer = user.post("/queries:run", {"queryId": saved, "snapshot": True})
    assert answer.status == 200, answer
    POOLS["snp"].append((answer.headers["Location"].rpartition("/")[2], None))
    return POOLS["snp"][0][0]


def operation_at(document, method, path):
    return document.root["paths"][path][method.lower()]


def example(operation):
    return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")


def widget(user, operation):
    """Id of a new one on a dashboard of its own."""
    return user.post(f"/dashboards/{user.board()['id']}/widgets", example(operation)).json()["id"]


def token_of(admin, operation):
    """A token that opens the operation."""
    if {"service": []} in operation["security"]:
        return sync_token(admin.stack, admin.tenant)
    return scheduler_token(admin.stack) if {"scheduler": []} in operation["security"] else admin.token


@pytest.fixture(scope="module")
def examples(document, admin):
    """In the document's order, things made before they are read and removed last; the operations."""
    order = {"POST": 0, "GET": 1, "PUT": 2, "DELETE": 3}
    made = {"revision": "1", "snp": snapshot(admin)}
    rows = sorted(document.operations(), key=lambda row: (order[row[0]], row[1].count("/"), row[1]))
    for method, path, operation in sorted(rows, key=lambda row: (order[row[0]], -row[1].count("/") if row[0] == "DELETE"
                                                                else row[1].count("/"))):
        place = path
        if (method, path) == ("DELETE", f"{API}/widgets/{{wid}}"):
            made["wid"] = widget(admin, operation_at(document, "POST", f"{API}/dashboards/{{id}}/widgets"))
        for parameter in document.parameters(operation, "path"):
            name, prefix = parameter["name"], prefix_of(document, parameter)
            keys = "fact_payment" if "projections" in path else "paid_share" if "archive" in path else "rooms_sold"
            value = made[prefix] if prefix else keys if name == "key" else made[name]
            place = place.replace(f"{{{name}}}", value)
        body = example(operation)
        headers = {"If-Match": "*"} if method == "PUT" else {}
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        answer = http_request(method, admin.stack.url("queryd", place), body,
                              {"Authorization": "Bearer " + token_of(admin, operation), **headers})
        assert answer.status < 300, (method, place, answer)
        judge(document, (method, path, operation), answer, (method, place, body))
        if answer.status in (201, 202) and not {"key", "jobIds"} & set(answer.json()):
            name = answer.json().get("id", answer.json().get("jobId"))
            made.setdefault(name[:3], name)
    return rows


def test_examples(document, examples):
    assert len(examples) == len(list(document.operations())) <= len(SEEN)


class Asker:
    """Random requests of the document's operations."""

    def __init__(self, document, stack, hotel, seed):
        self.document, self.stack, self.rng = document, stack, random.Random(seed)
        properties = [hotel.id("ppt", key) for key in ("kabul", "dushanbe")]
        self.tokens = [User(stack, hotel.tenant, "document", "tenant.owner").token] * 12 + [
            User(stack, hotel.tenant, "document", "staff", properties[:1]).token,
            User(stack, hotel.tenant, "colleague", "manager", properties).token,
            User(stack, hotel.tenant, "nobody", "staff").token,
            User(stack, "tnt_" + ulid("nobody at all"), "document").token,
            stack.token(hotel.tenant, "--ttl", "-3600"), "nonsense", None]
        self.tenant, self.properties = hotel.tenant, properties

    def path(self, method, path, operation):
        for parameter in self.document.parameters(operation, "path"):
            name, prefix = parameter["name"], prefix_of(self.document, parameter)
            if name == "key" and "archive" in path:
                prefix = "key"
            chance = self.rng.random()
            if prefix and POOLS[prefix] and chance < 0.85:
                # the newest ones are used, the oldest removed
                value, parent = POOLS[prefix][0] if method == "DELETE" else self.rng.choice(POOLS[prefix][-4:])
                if name == "wid" and parent and self.rng.random() < 0.8:
                    path = re.sub(r"dsh_[0-9A-Z]+", parent, path)
            elif chance < 0.95:
                value = self.rng.choice(METRICS + ["fact_payment"]) if name == "key" else str(
                    self.document.make(parameter["schema"], self.rng))
            else:
                value = self.rng.choice(["x", "0", "%", "é", "a b", "'", "..", "dsh_", "\u202e"])
            path = path.replace(f"{{{name}}}", urllib.parse.quote(value, safe=""))
        return path

    def query(self, operation):
        pairs = []
        for parameter in self.document.parameters(operation, "query"):
            if self.rng.random() < 0.6:
                continue
            value = self.document.make(parameter["schema"], self.rng)
            if parameter["name"] == "property":
                value = self.rng.choice(self.properties * 3 + ["x", "ppt_" + ulid("none")])
            elif self.rng.random() < 0.2:
                value = self.rng.choice(["", "-1", "x", "9" * 30, "\u0001", "é"])
            pairs.append((parameter["name"], value))
        dates = [pair for pair in pairs if pair[0] in ("from", "to")]
        if dates and self.rng.random() < 0.8:  # both, as they should be
            pairs = [pair for pair in pairs if pair not in dates] + [("from", "2024-03-01"), ("to", "2024-03-31")]
        if self.rng.random() < 0.03:
            pairs.append(("tenant_id", "x"))
        return "?" + urllib.parse.urlencode(pairs) if pairs else ""

    def sensible(self, value):
        """Names that there are, for most of the random ones."""
        if isinstance(value, list):
            return [self.sensible(v) for v in value]
        if not isinstance(value, dict):
            return value
        value = {k: self.sensible(v) for k, v in value.items()}
        if "deadlineMs" in value:
            value["deadlineMs"] = 60000  # a millisecond is over before anything is read: 504
        if self.rng.random() < 0.9:
            if set(value) <= {"version", "archivedAt"} and "version" in value:
                value["version"] = 1
            if isinstance(value.get("metrics"), list):
                value["metrics"] = self.rng.sample(METRICS, self.rng.randint(1, 2))
            if isinstance(value.get("dimensions"), list):
                value["dimensions"] = self.rng.sample(DIMENSIONS, self.rng.randint(0, 2))
            if "dimension" in value:
                value["dimension"] = "channel"
            if "column" in value and "direction" in value:
                value["column"] = "date"
            if "propertyId" in value and value["propertyId"]:
                value["propertyId"] = self.rng.choice(self.properties)
            if "queryId" in value and POOLS["qry"]:
                value["queryId"] = self.rng.choice(POOLS["qry"])[0]
            if "from" in value and "to" in value:
                value["from"], value["to"] = sorted((value["from"], value["to"]))
            if "numerator" in value:
                value.update(version=1, key=f"m_{self.rng.getrandbits(40)}", numerator="rooms_sold", unit={"kind": "count"},
                             share=None, denominator=None, dimensions=["property_id"])
            if value.get("table") and value.get("kind") and "limit" in value:
                value.update(table="fact_payment", kind="null_rate", column=self.rng.choice(["amount_micro", "currency"]))
        return value

    def damaged(self, value):
        """Something in it is not as it should be."""
        strange = [None, True, -1, 1.5, 10 ** 30, "", "x" * 3000, [], {}, [[]], "\u0000", "é\u202e", {"a": {"b": {}}}]
        if isinstance(value, dict) and value and self.rng.random() < 0.8:
            name, how = self.rng.choice(list(value)), self.rng.randrange(4)
            if how == 0:
                return {k: v for k, v in value.items() if k != name}
            if how == 1:
                return {**value, "unknown": 1}
            return {**value, name: self.damaged(value[name])}
        if isinstance(value, list) and value and self.rng.random() < 0.7:
            return [self.damaged(value[0]), *value[1:]]
        return self.rng.choice(strange)

    def body(self, operation):
        schema = self.document.body_schema(operation)
        if schema is None:
            return self.rng.choice([None, None, None, {}]) if "Idempotency-Key" in str(operation) else None
        if self.rng.random() < 0.03:
            return self.rng.choice([b"", b"{", b"\xff", b"null", b"[1]", b'{"a":1,"a":2}', b"[" * 200, b" " * 70000])
        body = self.document.make(schema, self.rng)
        if self.rng.random() < 0.4:
            body = example(operation)
        body = self.sensible(body)
        if "kind" in body and "layout" in body and self.rng.random() < 0.8:
            body = {**body, "layout": {"x": self.rng.randint(0, 40), "y": self.rng.randint(0, 900), "w": 4, "h": 4}}
        return self.damaged(body) if self.rng.random() < 0.35 else body

    def headers(self, operation):
        headers = {}
        token = self.rng.choice(self.tokens)
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        for parameter in self.document.parameters(operation, "header"):
            name = parameter["name"]
            if name == "Idempotency-Key" and self.rng.random() < 0.95:
                headers[name] = str(uuid.UUID(int=self.rng.getrandbits(128)))
            elif name == "If-Match" and self.rng.random() < 0.8:
                headers[name] = self.rng.choice(["*", '"v1"', '"v2"', "v1", '"x"'])
            elif name == "If-None-Match" and self.rng.random() < 0.2:
                headers[name] = self.rng.choice(["*", '"v1"', "x"])
            elif name == "X-Tenant-Id" and self.rng.random() < 0.1:
                headers[name] = self.rng.choice([self.tenant, "x"])
        return headers

    def ask(self, method, path, operation):
        target, body = self.path(method, path, operation) + self.query(operation), self.body(operation)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body)
        headers = self.headers(operation)
        answer = http_request(method, self.stack.url("queryd", target), body, headers)
        shown = {k: v for k, v in headers.items() if k != "Authorization"}
        return answer, (method, target, str(body)[:2000], shown)


@pytest.fixture(scope="module")
def random_run(document, stack, random_hotel, examples):
    """{(method, path): statuses}"""
    print(f"OPENAPI_SEED={SEED} OPENAPI_CASES={CASES}")
    asker = Asker(document, stack, random_hotel, SEED)
    operations = sorted(document.operations(), key=lambda row: row[:2])
    seen = {}
    for n in range(CASES):
        row = operations[n % len(operations)]
        method, path, operation = row
        answer, asked = asker.ask(method, path, operation)
        judge(document, row, answer, asked)
        keep(answer, method, asked[1].partition("?")[0])
        seen.setdefault((method, path), set()).add(answer.status)
    return seen


def test_random_requests(random_run):
    seen = random_run
    # they came through to what they asked for, and not always
    missed = [row for row, statuses in seen.items() if min(statuses) >= 300]
    assert len(missed) <= len(seen) // 4, missed
    for row, statuses in seen.items():
        assert max(statuses) >= 400 or row[1] == "/openapi.json", (row, statuses)
    assert {400, 401, 403, 404, 412, 422, 428} <= set().union(*seen.values())


# ---- every status that it has

NONE = object()
# a window whose data lie in another region, which test_regions has
ELSEWHERE = {("GET", f"{API}/metrics/{{key}}/explain", "422")}


class Provoker:
    """Requests that end as the document says they can, for what the random ones did not happen to meet."""

    LARGE = b" " * 200_000

    def __init__(self, document, admin, cheap, small, slow):
        """The last are addresses of queryds for cheap queries, for small results and for few requests."""
        self.document, self.admin, self.cheap, self.small, self.slow = document, admin, cheap, small, slow
        board = admin.board()["id"]
        for check in admin.pages("/data-quality/checks", 100):  # there is one of a kind, and a random request made it
            assert admin.delete(f"/data-quality/checks/{check['id']}").status == 204
        body = example(operation_at(document, "POST", f"{API}/dashboards/{{id}}/widgets"))
        query = {"metrics": ["rooms_sold"], "granularity": "day", "dateRange": {"from": "2024-03-01", "to": "2024-03-31"}}
        self.widget = {**body, "query": query, "layout": {"x": 0, "y": 500, "w": 4, "h": 4}}
        self.things = {
            "dsh": board, "wid": admin.post(f"/dashboards/{board}/widgets", self.widget).json()["id"],
            "qry": admin.post("/queries", {"name": "Provoked", "query": query}).json()["id"], "snp": snapshot(admin),
            "dqc": admin.post("/data-quality/checks", example(operation_at(document, "POST", f"{API}/data-quality/checks"))).json()["id"],
            "job": admin.post("/projections/fact_payment:refresh", None).json()["jobId"], "revision": "1"}

    def ask(self, row, body=None, query="", token=NONE, url=None, absent=False, **headers):
        """The operation's example, but for what is given; absent: of something that is not there."""
        method, path, operation = row
        for parameter in self.document.parameters(operation, "path"):
            name, prefix = parameter["name"], prefix_of(self.document, parameter)
            there = self.things.get(prefix or name, "fact_payment" if "projections" in path else "rooms_sold")
            path = path.replace(f"{{{name}}}", there if not absent else f"{prefix}_{ulid('absent')}" if prefix else "999")
        body = example(operation) if body is None and method in ("POST", "PUT") else body
        sent = {"Authorization": "Bearer " + (token_of(self.admin, operation) if token is NONE else token)}
        if method == "POST":
            sent["Idempotency-Key"] = str(uuid.uuid4())
        if method == "PUT":
            sent["If-Match"] = "*"
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        url = url or self.admin.stack.env["QUERYD_URL"]
        return http_request(method, url + path + query, body, {k: v for k, v in sent.items() if v is not None})

    def not_modified(self, row):
        return self.ask(row, If_None_Match=self.ask(row).headers["ETag"])

    def invalid(self, row):
        return self.ask(row, b"{") if row[1].startswith("/internal/scheduler") else self.ask(row, query="?nothing=1")

    def unauthorized(self, row):
        return self.ask(row, token="nonsense")

    def forbidden(self, row):
        if row[1].startswith("/internal/scheduler"):
            return self.ask(row, token=scheduler_token(self.admin.stack, "nobody@example.iam.gserviceaccount.com"))
        return self.ask(row, token=User(self.admin.stack, self.admin.tenant, "visitor", "visitor").token)

    def absent(self, row):
        bodies = {"queries": {"queryId": "qry_" + ulid("absent")}, "internal": {"projections": ["nothing"]}}
        return self.ask(row, bodies["internal"] if "internal" in row[1] else bodies["queries"] if "run" in row[1] else None, absent=True)

    def conflict(self, row):
        """One key, two bodies."""
        key, first = str(uuid.uuid4()), example(row[2]) or {}
        if "checks" in row[1]:  # there is one of a kind
            self.admin.delete(f"/data-quality/checks/{self.things['dqc']}")
        made = self.ask(row, Idempotency_Key=key)
        if "checks" in row[1]:
            self.things["dqc"] = made.json()["id"]
        others = {"projections": {"version": 999}, "internal": {"reason": "another"}, "checks": {"limit": 1},
                  "analytics/metrics": {"unit": {"kind": "ratio"}}}
        other = next((members for name, members in others.items() if name in row[1]), {})
        renamed = {name: "Another" for name in ("name", "title", "audience") if name in first}
        return self.ask(row, {**first, **renamed, **other}, Idempotency_Key=key)

    def stale(self, row):
        return self.ask(row, If_Match='"v99"')

    def too_large(self, row):
        return self.ask(row, self.LARGE) if row[0] != "GET" else self.ask(row, url=self.cheap, query="?from=2024-02-03&to=2024-11-30")

    def rejected(self, row):
        bodies = {"widgets": {**self.widget, "query": {"metrics": ["nothing"]}}, "checks": {"table": "pg_class", "kind": "null_rate", "limit": 1, "severity": "info"}}
        if row[1].endswith("data"):
            return self.ask(row, url=self.small, query="?from=2024-03-01&to=2024-12-31")
        if row[1].endswith(("compute", "run")):
            query = {"dateRange": {"from": "2024-03-01", "to": "2024-12-31"}, "granularity": "day"}
            return self.ask(row, query if "compute" in row[1] else {"query": {"metrics": ["rooms_sold"], **query}}, url=self.small)
        return self.ask(row, next((body for name, body in bodies.items() if name in row[1]), None))

    def unconditional(self, row):
        return self.ask(row, If_Match=None)

    def too_many(self, row):
        answer = self.ask(row, url=self.slow)
        for _ in range(100):
            answer = answer if answer.status == 429 else self.ask(row, url=self.slow)
        return answer

    HOW = {"304": not_modified, "400": invalid, "401": unauthorized, "403": forbidden, "404": absent, "409": conflict,
           "412": stale, "413": too_large, "422": rejected, "428": unconditional, "429": too_many}


def all_at_once(provoker, rows, url):
    """{(method, path): answer} of each operation's example."""
    def ask(row):
        # the archive of a platform's metric is refused without a look at any database
        return provoker.ask(row, url=url, absent="archive" in row[1])
    with concurrent.futures.ThreadPoolExecutor(len(rows)) as pool:
        return {row[:2]: answer for row, answer in zip(rows, pool.map(ask, rows))}


def while_away(admin, provoker, rows):
    """The answers while no connection to Postgres can be had, of a queryd whose way to its socket is taken away."""
    stack, way = admin.stack, admin.stack.path("way")
    urls = {}
    with open(stack.path("etc", "queryd.conf"), encoding="utf-8") as settings:
        for line in settings:
            name, _, value = line.strip().partition(" = ")
            if name in ("database_url", "warehouse_url"):
                urls[name] = value.replace("%2Frun&", "%2Fway&")
    os.symlink(stack.path("run"), way)
    with Instance(stack, "queryd", scheduler_audience=stack.url("queryd", SCHEDULER), **urls) as cut:
        os.unlink(way)

        def away():  # again and again: a session that just begins is not to be seen yet
            stack.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'analytics_queryd'")
            return cut.http("GET", "/ready").status == 503

        wait_until(away, interval=0.2)
        return all_at_once(provoker, rows, cut.url)


@contextlib.contextmanager
def locked(stack, *schemas):
    """All tables of these."""
    tables = stack.query("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = any($1::text[])",
                         pgcluster.literal(schemas))
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as locker:
        def all_of_them():
            """False: daemons have some of them, in another order, and wait for the rest."""
            try:
                locker.query("begin")
                locker.query("set local lock_timeout = '500ms'")
                locker.query("lock table " + ", ".join(table for table, in tables) + " in access exclusive mode")
                return True
            except pgcluster.PgError as busy:
                locker.query("rollback")
                assert busy.sqlstate in ("40P01", "55P03"), busy
                return False

        wait_until(all_of_them)
        yield


@contextlib.contextmanager
def time_is_up(stack):
    """Whatever waits in the databases has seconds of the server's, which are over at once here: what it is told then is
    what it is told by statement_timeout."""
    over = threading.Event()

    def end():
        with pgcluster.Conn(stack.env["DATABASE_URL"]) as admin:
            while not over.wait(0.02):
                admin.query("select pg_cancel_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' "
                            "and usename = 'analytics_queryd'")

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def while_slow(admin, provoker, rows):
    """The answers while tables are locked: queries run into a deadline of a second, all else into the server's."""
    stack = admin.stack
    queries = [row for row in rows if row[1].endswith(("compute", "run"))]
    with Instance(stack, "queryd", query_timeout="1s", redis_url="", scheduler_audience=stack.url("queryd", SCHEDULER)) as hasty:
        warm = hasty.http("GET", f"{API}/metrics", headers={"Authorization": "Bearer " + admin.token})
        assert warm.status == 200  # the tenant is known
        with locked(stack, "analytics_curated"):
            answers = all_at_once(provoker, queries, hasty.url)
        with locked(stack, "analytics", "analytics_run", "analytics_curated"), time_is_up(stack):
            return {**answers, **all_at_once(provoker, [row for row in rows if row not in queries], hasty.url)}


def failures(document, admin, provoker):
    """(row, answer) of every operation, with databases that are slow and that are away."""
    rows = [row for row in document.operations() if "503" in row[2]["responses"]]
    timed = [row for row in rows if "504" in row[2]["responses"]]
    by_place = {row[:2]: row for row in rows}
    for status, answers in ((504, while_slow(admin, provoker, timed)), (503, while_away(admin, provoker, rows))):
        for at, answer in answers.items():
            assert answer.status == status, (at, answer)
            yield by_place[at], answer


def test_every_documented_status_is_seen(document, admin, random_run):
    with another_queryd(admin.stack, query_byte_cap="8KiB") as cheap, another_queryd(admin.stack, result_cells="100") as small, \
            another_queryd(admin.stack, tenant_rate="1") as slow:
        provoker = Provoker(document, admin, cheap, small, slow)
        for row, answer in failures(document, admin, provoker):
            judge(document, row, answer, (row[:2], f"provoked {answer.status}"), failing=True)
        for row in sorted(document.operations(), key=lambda row: (row[0] == "DELETE", row[:2])):
            for status in sorted(set(row[2]["responses"]) & set(Provoker.HOW), reverse=True):
                if (*row[:2], status) not in SEEN | ELSEWHERE:
                    answer = Provoker.HOW[status](provoker, row)
                    assert str(answer.status) == status, (row[:2], status, answer)
                    judge(document, row, answer, (row[:2], f"provoked {status}"))
    missing = {(method, path, status) for method, path, operation in document.operations()
               for status in operation["responses"]} - SEEN - ELSEWHERE
    assert not missing, sorted(missing)
