"""queryd against callers who want what is not theirs, or want it to fail.

Three tenants with two hotels each (hotels.py): MINE asks, OTHER must stay invisible, and MINE's
answers must not change by what OTHER does.
"""

import base64
import json
import random
import sys
import threading

import pytest

from harness import BIN, CHECKOUT, http_request, run, wait_until
from events import event, ident, money
from hotels import NIGHTS, hotel_group, marks, properties, stay

sys.path.insert(0, CHECKOUT + "/tools")
from stacklib import tokens
from stacklib.home import Home

MINE, OTHER, NEW = (ident("tnt", "hostile", n) for n in (1, 2, 3))
API = "/api/v1/analytics"
WINDOW = {"from": "2026-04-01", "to": "2026-04-30"}
ALL_NIGHTS = NIGHTS + NIGHTS // 2
DIMENSIONS = ("property_id", "room_type_id", "channel", "market_segment", "rate_plan_id", "method")
ERRORS = "MELMASTOON."


class Api:
    """Requests to queryd as one user; tokens are signed here with the stack's own keys."""

    def __init__(self, stack, tenant=MINE, **claims):
        self.stack, self.home = stack, Home(stack.dir)
        self.url = stack.env["QUERYD_URL"]
        self.token = self.sign(tenant, **claims)

    def sign(self, tenant=MINE, alg="EdDSA", **changes):
        """A good token of `tenant`, with claims changed; None leaves one out."""
        claims = tokens.user_claims(tenant) | changes
        return tokens.sign(self.home, alg, {k: v for k, v in claims.items() if v is not None})

    def ask(self, method, path, body=None, headers=None):
        headers = {"Authorization": "Bearer " + self.token, **(headers or {})}
        return http_request(method, self.url + (path if path.startswith("/") else f"{API}/{path}"),
                            body, headers)

    def compute(self, metric, **body):
        return self.ask("POST", f"metrics/{metric}:compute", {"dateRange": WINDOW, **body})

    def value(self, metric, **body):
        answer = self.compute(metric, **body)
        assert answer.status == 200, answer
        return answer.json()["totals"][metric]

    def metrics(self):
        return {item["key"]: item for item in self.ask("GET", "metrics?limit=100").json()["items"]}


@pytest.fixture(scope="module")
def served(stack):
    stack.send_events(hotel_group(MINE) + hotel_group(OTHER))
    stack.wait()
    for tenant in (MINE, OTHER):
        wait_until(lambda tenant=tenant: Api(stack, tenant).value("rooms_sold") == ALL_NIGHTS)
    return stack


@pytest.fixture
def api(served):
    return Api(served)


def text_of(answer):
    """All that the caller sees: headers and body."""
    return str(answer.headers) + answer.body.decode()


def assert_foreign_free(text, tenant=OTHER):
    for mark in marks(tenant):
        assert mark not in text, f"{mark} in {text[:2000]}"


# ---- tokens

def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).rstrip(b"=").decode()


def unsigned(api, header, signature=b""):
    return ".".join((b64(header), api.token.split(".")[1], b64(signature)))


def flipped(api):
    """The signature of a good token, one bit off."""
    head, payload, signature = api.token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[7] ^= 1
    return f"{head}.{payload}.{b64(bytes(raw))}"


def grafted(api):
    """Another tenant's claims under a good signature."""
    mine, theirs = api.token.split("."), api.sign(OTHER).split(".")
    return ".".join((mine[0], theirs[1], mine[2]))


BAD_TOKENS = {
    "none": lambda api: None, "empty": lambda api: "", "a word": lambda api: "x",
    "dots": lambda api: "..", "garbage": lambda api: "a.b.c", "cut": lambda api: api.token[:-9],
    "longer": lambda api: api.token + "A", "a fourth part": lambda api: api.token + ".e30",
    "huge": lambda api: "x" * 9000, "one bit": flipped, "grafted claims": grafted,
    "expired": lambda api: api.sign(exp=1700000000, iat=1699999000),
    "not yet": lambda api: api.sign(nbf=4000000000), "no expiry": lambda api: api.sign(exp=None),
    "expiry is text": lambda api: api.sign(exp="4000000000"),
    "alg none": lambda api: unsigned(api, {"alg": "none", "typ": "JWT"}),
    "alg None": lambda api: unsigned(api, {"alg": "None", "kid": "stack-eddsa"}),
    "alg HS256 over the public key": lambda api: unsigned(api, {"alg": "HS256", "kid": "stack-rs256"}, b"x" * 32),
    "alg of another key": lambda api: unsigned(api, {"alg": "RS256", "kid": "stack-eddsa"}, b"x" * 64),
    "unknown key": lambda api: unsigned(api, {"alg": "EdDSA", "kid": "mine"}, b"x" * 64),
    "zero ES256 signature": lambda api: unsigned(api, {"alg": "ES256", "kid": "stack-es256"}, bytes(64)),
    "jwk in the header": lambda api: unsigned(api, {"alg": "EdDSA", "jwk": {"kty": "OKP"}}, b"x" * 64),
    "other audience": lambda api: api.sign(aud="analytics-ingest"), "no audience": lambda api: api.sign(aud=None),
    "other issuer": lambda api: api.sign(iss="https://evil.example"),
    "no tenant": lambda api: api.sign(tenantId=None), "tenant is a number": lambda api: api.sign(tenantId=1),
    "tenants in an array": lambda api: api.sign(tenantId=[MINE, OTHER]), "empty tenant": lambda api: api.sign(tenantId=""),
    "lower-case tenant": lambda api: api.sign(tenantId=MINE.lower()),
    "tenant with a quote": lambda api: api.sign(tenantId=MINE[:-1] + "'"),
    "tenant with a NUL": lambda api: api.sign(tenantId=MINE + "\0"),
    "tenant with a line": lambda api: api.sign(tenantId=MINE + "\n"),
    "a role as tenant": lambda api: api.sign(tenantId="analytics_owner"),
    "the platform as tenant": lambda api: api.sign(tenantId="_platform"),
    "no user": lambda api: api.sign(sub=None), "no roles": lambda api: api.sign(roles=None),
    "roles in a string": lambda api: api.sign(roles="tenant.admin"),
    **{f"property {bad!r}": lambda api, bad=bad: api.sign(propertyAccess=bad) for bad in (
        ["all"], ["*"], ["ppt_*"], ["ppt_A,all"], ["ppt_A|all"], [properties(MINE)[0], "all"], "all", "*",
        {"all": True}, [["all"]], [None], [1], True, ["ppt_A\n"], [""], ["ppt_%s" % ("0" * 300)])},
}


@pytest.fixture(scope="module")
def probes(served):
    """The endpoints with what they need."""
    window = "from=2026-04-01&to=2026-04-30"
    return [("GET", "metrics", None), ("POST", "metrics/rooms_sold:compute", {"dateRange": WINDOW}),
            ("POST", "metrics/adr/compute", {"dateRange": WINDOW, "dimensions": ["property_id"]}),
            ("GET", f"metrics/occupancy_pct/explain?{window}", None), ("GET", "projections", None),
            ("GET", "data-quality", None), ("GET", "etl/jobs/job_01KJM000000000000000000000", None),
            ("POST", "projections/dim_tenant:refresh", {})]


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_tokens(api, probes, name):
    token = BAD_TOKENS[name](api)
    headers = {} if token is None else {"Authorization": "Bearer " + token}
    for method, path, body in probes if name in ("none", "alg none") else probes[:2]:
        answer = http_request(method, f"{api.url}{API}/{path}", body, headers)
        assert (answer.status, answer.json()["code"]) == (401, ERRORS + "IAM.AUTH_INVALID"), name
        assert answer.headers["X-Correlation-Id"]
        assert_foreign_free(text_of(answer), MINE)


@pytest.mark.parametrize("algorithm", tokens.ALGORITHMS)
def test_good_tokens(api, algorithm):
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {api.sign(alg=algorithm)}"}
        assert api.ask("GET", "metrics", headers=headers).status == 200
    for scheme in ("Basic", "Bearer Bearer", ""):
        headers = {"Authorization": f"{scheme} {api.sign(alg=algorithm)}".strip()}
        assert api.ask("GET", "metrics", headers=headers).status == 401


def test_tenant_header(api, probes):
    assert api.ask("GET", "metrics", headers={"X-Tenant-Id": MINE}).status == 200
    for tenant in (OTHER, MINE.lower(), "", "*", f"{MINE},{OTHER}", MINE[:-1]):
        for method, path, body in probes:
            answer = api.ask(method, path, body, {"X-Tenant-Id": tenant})
            assert (answer.status, answer.json()["code"]) == (403, ERRORS + "TENANT.MISMATCH"), tenant


PERMISSIONS = {  # status by role: GET metrics, refresh
    "staff": (200, 403), "manager": (200, 403), "tenant.admin": (200, 202), "tenant.owner": (200, 202),
    "superuser": (403, 403), "TENANT.ADMIN": (403, 403), "": (403, 403)}


@pytest.mark.parametrize("role", PERMISSIONS)
def test_roles(served, role):
    user = Api(served, roles=[role], propertyAccess=properties(MINE))
    key = {"Idempotency-Key": ident("k", role)[2:]}
    assert (user.ask("GET", "metrics").status,
            user.ask("POST", "projections/dim_tenant:refresh", {}, key).status) == PERMISSIONS[role]


# ---- tenants

def test_a_tenant_without_data_gets_nothing(served, probes):
    new = Api(served, NEW)
    for key, metric in new.metrics().items():
        rows = new.compute(key).json()["rows"]  # a mix is by channel always
        assert [row[key] in (0, "0", None) for row in rows] == [True] * (not key.startswith("channel_mix")), key
        for dimension in set(metric["dimensions"]) & set(DIMENSIONS):
            assert new.compute(key, dimensions=[dimension]).json()["rows"] == [], (key, dimension)
    assert new.ask("GET", "data-quality").json()["items"] == []
    for item in new.ask("GET", "projections").json()["items"]:
        assert (item["watermark"], item["lastRun"], item["freshnessSeconds"]) == (None, None, 0)
    for method, path, body in probes:
        answer = new.ask(method, path, body)
        assert answer.status < 500
        assert_foreign_free(text_of(answer), MINE)
        assert_foreign_free(text_of(answer), OTHER)


def test_the_job_of_another_is_one_that_does_not_exist(api, served):
    key = {"Idempotency-Key": ident("k", "job")[2:]}
    other = Api(served, OTHER)
    asked = other.ask("POST", "projections/dim_tenant:refresh", {}, key)
    assert asked.status == 202
    job, none = asked.json()["jobId"], "job_01KJM000000000000000000000"
    assert other.ask("GET", f"etl/jobs/{job}").status == 200
    theirs, missing = (api.ask("GET", f"etl/jobs/{name}") for name in (job, none))
    assert (theirs.status, missing.status) == (404, 404)
    same = {"instance", "correlationId"}
    assert ({k: v for k, v in theirs.json().items() if k not in same}
            == {k: v for k, v in missing.json().items() if k not in same})
    mine = api.ask("POST", "projections/dim_tenant:refresh", {}, key)  # their key is free for us
    assert mine.status == 202 and mine.json()["jobId"] != job
    assert api.ask("POST", "projections/dim_room:refresh", {}, key).status == 409
    assert api.ask("POST", "projections/dim_tenant:refresh", {}, key).json() == mine.json()


def test_nothing_of_another_tenant_in_any_answer(api, served, probes):
    """All metrics and dimensions, explained too; filters that name what is theirs; errors; the log."""
    logged = len(served.log("queryd"))
    foreign = {"property_id": properties(OTHER), "room_type_id": [ident("rmt", OTHER, 1)],
               "channel": [event_value(OTHER, "channel")], "market_segment": [event_value(OTHER, "marketSegment")],
               "rate_plan_id": [event_value(OTHER, "ratePlanId")], "method": ["card"]}
    seen = []
    for key, metric in api.metrics().items():
        for dimension in set(metric["dimensions"]) & set(DIMENSIONS):
            seen.append(api.compute(key, dimensions=[dimension], granularity="month"))
            if dimension == "method":
                continue
            body = {"filters": [{"dimension": dimension, "op": "in", "values": foreign[dimension]}]}
            filtered = api.compute(key, **body)
            assert filtered.status == 200 and len(filtered.json()["rows"]) <= 1, filtered
            if key in ("rooms_sold", "rooms_available"):
                assert filtered.json()["totals"][key] == 0
            seen.append(filtered)
        seen.append(api.ask("GET", f"metrics/{key}/explain?from=2026-04-01&to=2026-04-30"))
    seen += [api.ask(*probe) for probe in probes]
    seen += [api.ask("GET", f"data-quality?table={properties(MINE)[0]}"),
             api.ask("GET", "data-quality?cursor=0"), api.ask("GET", "data-quality?limit=1")]
    assert sum(properties(MINE)[0] in answer.body.decode() for answer in seen) > 5
    for answer in seen:
        assert answer.status < 500, answer
        assert_foreign_free(text_of(answer))
    assert_foreign_free(served.log("queryd")[logged:])


def event_value(tenant, member):
    return stay(tenant, 1)["payload"][member]


def test_values_that_quoting_gets_wrong(api):
    """Filtering by one's own odd value finds it, by something like it finds nothing."""
    channel = event_value(MINE, "channel")
    rows = api.compute("rooms_sold", dimensions=["channel"]).json()["rows"]
    assert rows == [{"channel": channel, "rooms_sold": ALL_NIGHTS}]

    def sold(op, *values):
        return api.value("rooms_sold", filters=[{"dimension": "channel", "op": op, "values": list(values)}])
    assert (sold("eq", channel), sold("ne", channel)) == (ALL_NIGHTS, 0)
    for odd in ("' or true --", "\"", "\\", "{", "},{", "{}", ",", "NULL", "null", "%", "*", "$1", "\n",
                "\u2028", "\U0001f3e8", channel[:-1], channel.upper(), "x" * 200):
        assert (sold("in", odd), sold("not_in", odd)) == (0, ALL_NIGHTS), odd
    assert sold("in", "'", "\"", "\\", channel, "{}") == ALL_NIGHTS


def test_what_another_tenant_sends_changes_nothing(served):
    quiet = ident("tnt", "hostile", "quiet")  # nobody asks for its refresh
    api = Api(served, quiet)
    served.send_events(hotel_group(quiet))

    def check():
        run([f"{BIN}/dqd", "-c", served.path("etc", "dqd.conf"), "run"])

    def state():
        served.wait()
        check()
        answers = {path: api.ask("GET", path).json() for path in ("projections", "data-quality?limit=100")}
        for key in ("rooms_sold", "rooms_available", "room_revenue", "alos", "cancellation_rate"):
            answers[key] = api.compute(key, dimensions=["property_id"]).json()
            for how in ("asOf", "cache", "bytesScanned"):  # of the answering, not of the answer
                del answers[key][how]
        answers["versions"] = served.psql(
            "select table_name, data_version, watermark, rows_upserted from tenant_views.table_state order by 1", quiet)
        answers["pending"] = served.psql("select * from tenant_views.pending order by 1", quiet)
        return answers

    def checked():
        check()
        return int(served.psql("select count(distinct table_name) from analytics.dq_results r join analytics.dq_checks c "
                               f"using (check_id) where r.tenant_id = '{quiet}' and state = 'pass'")[0][0]) >= 15
    served.wait()
    wait_until(checked)
    before = state()
    served.send_events([event("payment.transaction.captured", "2026-03-02T10:00", {
        "transactionId": ident("cap", "more", n), "propertyId": properties(OTHER)[0], "amount": money(n),
        "method": "card"}, OTHER) for n in range(50)])
    served.send_events([stay(OTHER, 1) | {"id": ident("evt", "again", n)} for n in range(5)])
    served.wait()
    after = state()
    for items in (before["data-quality?limit=100"]["items"], after["data-quality?limit=100"]["items"]):
        for item in items:
            del item["evaluatedAt"]
    assert after == before


ROLE_SETTINGS = [
    "intervalstyle = 'iso_8601'", "client_encoding = 'LATIN1'", "timezone = 'Asia/Kabul'",
    "search_path = 'x'", "standard_conforming_strings = off", "default_transaction_read_only = off",
    "default_transaction_isolation = 'read committed'", "statement_timeout = '1ms'",
    "lock_timeout = '1ms'", "idle_session_timeout = '1ms'", "transform_null_equals = on",
    "row_security = off", "extra_float_digits = -15", "bytea_output = 'escape'", "array_nulls = off"]


def test_a_tenants_own_settings_cannot_break_the_service(served):
    """Any role may change its own settings; queryd goes on to answer it and everybody else."""
    greedy = ident("tnt", "hostile", "greedy")
    served.send_events(hotel_group(greedy))
    served.wait()
    user, pid = Api(served, greedy), served.pid("queryd")

    def monthly():
        answer = user.compute("rooms_sold", granularity="month", filters=[
            {"dimension": "channel", "op": "ne", "values": [str(random.random())]}])  # no cached one
        return answer.status == 200 and answer.json()["rows"]
    assert monthly()
    for style in ("SQL, DMY", "German", "Postgres"):
        settings = [f"datestyle = '{style}'", *ROLE_SETTINGS]
        served.psql("begin read write; " + "; ".join(
            f"alter role current_user set {setting}" for setting in settings) + "; commit", greedy)
        served.psql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{greedy}'")
        assert wait_until(monthly) == [{"date": "2026-04-01", "rooms_sold": ALL_NIGHTS}], style
        assert served.pid("queryd") == pid and served.alive("queryd")
        served.psql(f'alter role "{greedy}" reset all')


# ---- property scope

SCOPES = {"one": lambda: properties(MINE)[:1], "the other": lambda: properties(MINE)[1:],
          "one, oddly": lambda: ["prp_" + properties(MINE)[0][4:].lower()],
          "one and a foreign one": lambda: [properties(MINE)[0], properties(OTHER)[0]]}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_property_list_is_all_that_is_seen(api, served, scope):
    hidden = properties(MINE)[0 if scope == "the other" else 1]
    shown = properties(MINE)[1 if scope == "the other" else 0]
    user = Api(served, propertyAccess=SCOPES[scope]())
    numbers = (1, 2) if hidden == properties(MINE)[1] else (2, 1)
    hidden_ids = [ident(kind, MINE, numbers[1])[4:] for kind in ("ppt", "rmt", "rmu", "rsv")]
    assert user.value("rooms_sold") == (NIGHTS if shown == properties(MINE)[0] else NIGHTS // 2)
    for key, metric in user.metrics().items():
        dimensions = set(metric["dimensions"]) & set(DIMENSIONS)
        for dimension in dimensions:
            answer = user.compute(key, dimensions=[dimension])
            assert answer.status == 200, answer
            for mark in hidden_ids:
                assert mark not in answer.body.decode(), (key, dimension)
            assert_foreign_free(text_of(answer))
        mine = user.compute(key).json()
        filtered = api.compute(key, filters=[{"dimension": "property_id", "op": "eq", "values": [shown]}]).json()
        assert (mine["rows"], mine["totals"]) == (filtered["rows"], filtered["totals"]), key
        for op, values in (("eq", [hidden]), ("in", [shown, hidden]), ("in", properties(OTHER))):
            answer = user.compute(key, filters=[{"dimension": "property_id", "op": op, "values": values}])
            if set(values) <= set(user_ids(scope)):
                continue
            assert (answer.status, answer.json()["code"]) == (403, ERRORS + "ANALYTICS.PROPERTY_SCOPE_VIOLATION")
        others = user.compute(key, filters=[{"dimension": "property_id", "op": "ne", "values": [shown]}])
        assert others.status == 403 or others.json()["totals"].get(key) in (0, "0", None), (key, others)
        explained = user.ask("GET", f"metrics/{key}/explain?from=2026-04-01&to=2026-04-30")
        assert explained.status == 200 and not any(mark in explained.body.decode() for mark in hidden_ids)


def user_ids(scope):
    return ["ppt_" + one[4:].upper() for one in SCOPES[scope]()]


@pytest.mark.parametrize("claims", [
    {"propertyAccess": []}, {"property_ids": []}, {"propertyScope": []}, {"roles": ["staff"]},
    {"roles": ["manager"]}, {"roles": ["staff", "nonsense"]}])
def test_an_empty_scope_is_refused(served, claims):
    user = Api(served, **claims)
    for answer in (user.compute("rooms_sold"), user.compute("adr", dimensions=["property_id"]),
                   user.ask("GET", "metrics/adr/explain")):
        assert (answer.status, answer.json()["code"]) == (403, ERRORS + "ANALYTICS.PROPERTY_SCOPE_VIOLATION")
    assert user.ask("GET", "metrics").status == 200


def test_cached_answers_stay_with_their_scope(api, served):
    """The same question in turn and all at once, from everybody: each gets his own number."""
    first, second = properties(MINE)
    users = [(api, ALL_NIGHTS), (Api(served, propertyAccess=[first]), NIGHTS),
             (Api(served, propertyAccess=[second]), NIGHTS // 2), (Api(served, NEW), 0),
             (Api(served, propertyAccess=[first, second]), ALL_NIGHTS), (Api(served, OTHER), ALL_NIGHTS),
             (Api(served, propertyAccess=properties(OTHER)), 0),
             (Api(served, roles=["staff"], propertyAccess=[first]), NIGHTS)]
    wrong, hits = [], 0

    def ask(user, expected, days):
        answer = user.compute("rooms_sold", dateRange={"from": "2026-03-31", "to": f"2026-05-{days:02d}"})
        if answer.json()["totals"]["rooms_sold"] != expected:
            wrong.append((expected, answer.json()))
        return answer
    etags = {}
    for _ in range(3):
        for user, expected in users:
            answer = ask(user, expected, 1)
            hits += answer.headers["X-Cache"] == "HIT"
            etags.setdefault(user.token, answer.headers["ETag"])
    assert hits >= len(users) and len(set(etags.values())) == len(users)
    for user, expected in users:  # the tag of somebody else is not mine
        for token, etag in etags.items():
            answer = user.ask("POST", "metrics/rooms_sold:compute",
                              {"dateRange": {"from": "2026-03-31", "to": "2026-05-01"}}, {"If-None-Match": etag})
            assert answer.status == (304 if token == user.token else 200)
    threads = [threading.Thread(target=ask, args=(user, expected, 2 + i)) for i in range(10)
               for user, expected in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- bad input

def filters(*values, dimension="channel", op="in", **more):
    return {"filters": [{"dimension": dimension, "op": op, "values": list(values), **more}]}


def dates(start, end, **more):
    return {"dateRange": {"from": start, "to": end, **more}}


BAD_BODIES = [
    b"", b" ", b"{", b"}", b"[]", b"null", b'"x"', b"1", b"{}{}", b"{'a':1}", b'{"a":}', b"\xef\xbb\xbf{}",
    b'{"version":01}', b'{"version":NaN}', b"\x00", b'{"dateRange"\x00:1}', b"\xff\xfe{\x00}\x00",
    b'{"filters":[{"dimension":"channel","op":"eq","values":["\xff"]}]}',
    b'{"filters":[{"dimension":"channel","op":"eq","values":["\xed\xa0\x80"]}]}',
    b'{"filters":[{"dimension":"channel","op":"eq","values":["\\u0000"]}]}',
    b'{"filters":[{"dimension":"channel","op":"eq","values":["\\ud800"]}]}',
    b"[" * 5000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"dateRange":' + b"[" * 64 + b"]" * 64 + b"}",
    b'{"version":1,"version":1}', b'{"version":' + b"9" * 5000 + b"}", b'{"version":1e999}', b'{"version":-1e999}',
    *({"version": v} for v in (0, -1, 1.5, 1e15, 2**31, 2**63, 2**64, 10**40, "1", True, [], {})),
    *({"dateRange": v} for v in (1, "today", [], {}, {"preset": "forever"}, {"preset": 1}, {"preset": ""},
                                 {"from": "2026-04-01"}, {"to": "2026-04-01"}, {"from": 1, "to": 2})),
    dates("2026-04-02", "2026-04-01"), dates("0001-01-01", "9999-12-31"), dates("2016-01-01", "2026-01-09"),
    dates("2026-02-29", "2026-03-01"), dates("2026-4-1", "2026-04-02"), dates("0000-01-01", "0000-01-02"),
    dates("10000-01-01", "10000-01-02"), dates("-0001-01-01", "0001-01-01"), dates("2026-04-01T00:00:00Z", "2026-04-02"),
    dates("infinity", "infinity"), dates("2026-04-01", "2026-04-02", preset="today"), dates("' or 1=1 --", "x"),
    dates("2026-04-01", "2026-04-02", zone="UTC"), dates(None, None), dates("٢٠٢٦-04-01", "2026-04-02"),
    *({"granularity": v} for v in ("hour", "DAY", "", 1, [], "day; drop table x")),
    *({"dimensions": v} for v in ("channel", {}, 1, ["nope"], [1], [None], [[]], [""], ["tenant_id"], ["channel "],
                                  ["CHANNEL"], ["method"], ["currency"], ["channel"] * 50, ["x" * 5000])),
    *({"filters": v} for v in ({}, 1, "x", [1], [[]], [{}], [None], [{"dimension": "channel"}])),
    filters("a", op="like"), filters("a", op=""), filters("a", op=None), filters("a", op="IN"), filters("a", op=["in"]),
    filters("a", "b", op="eq"), filters("a", "b", op="ne"), filters(), filters(1), filters(None), filters([]), filters(""),
    filters("x" * 201), filters(*map(str, range(201))), filters("a", extra=1), filters("a", dimension="tenant_id"),
    filters("a", dimension="date"), filters("a", dimension=1), filters("a", dimension=""), filters("a", dimension="nope"),
    filters("*", dimension="property_id"), filters("all", dimension="property_id"), filters("ppt_", dimension="property_id"),
    filters("ppt_A|all", dimension="property_id"), filters("ppt_A,ppt_B", dimension="property_id"),
    {"filters": filters("a")["filters"] * 2}, {"filters": filters("a")["filters"] * 100},
    {"filters": [{"dimension": "channel", "op": "in", "values": "a"}]},
    *({v: 1} for v in ("nope", "sql", "tenantId", "DATERANGE", "__proto__", "", "x" * 3000, "\"><script>")),
    {"currency": "EUR"}, {"compareTo": "last_year"}, {"calendar": 1}, {"asOf": "2026-01-01"}, {"params": {"days": 1}},
]


def assert_problem(answer, status, code=None):
    """As the contract writes errors; and nothing of the inside in them."""
    assert answer.status == status, answer
    problem = answer.json()
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert problem["status"] == status and problem["type"].endswith(problem["code"])
    assert problem["correlationId"] == answer.headers["X-Correlation-Id"]
    if code:
        assert problem["code"] == ERRORS + code
    for word in ("select ", "tenant_views", "analytics_", "pg_", "ERROR:", "SQLSTATE", ".c:", "server closed"):
        assert word not in answer.body.decode(), answer
    assert_foreign_free(text_of(answer))


def test_bad_bodies(api):
    for body in BAD_BODIES:
        answer = api.ask("POST", "metrics/rooms_sold:compute", body, {"Content-Type": "application/json"})
        try:
            assert_problem(answer, 400, "GENERAL.VALIDATION_FAILED")
            assert len(answer.body) < 8000 and answer.json()["violations"]
        except AssertionError:
            print("body:", str(body)[:300])
            raise


LONG = "a" * 3000
ODD_REQUESTS = [  # method, path, body, status, code
    *((method, f"metrics/{key}{rest}", body, 404, "ANALYTICS.METRIC_NOT_FOUND")
      for method, rest, body in (("POST", ":compute", {}), ("POST", "/compute", {}), ("GET", "/explain", None))
      for key in ("nope", "ADR", "adr%20", "%27%3B--", "adr%0a", LONG, "%F0%9F%8F%A8", "1")),
    ("POST", "metrics/adr:compute", {"version": 999}, 404, "ANALYTICS.METRIC_NOT_FOUND"),
    ("GET", "metrics/adr/explain?version=999", None, 404, "ANALYTICS.METRIC_NOT_FOUND"),
    *(("GET", f"metrics/adr/explain?{query}", None, 400, "GENERAL.VALIDATION_FAILED") for query in (
        "from=2026-04-01", "to=2026-04-01", "from=2026-04-02&to=2026-04-01", "from=&to=", "version=0", "version=x",
        "version=" + "9" * 99, "nope=1", "from=0001-01-01&to=9999-12-31", "property=x")),
    *(("GET", path, None, 400, "GENERAL.VALIDATION_FAILED") for path in (
        "metrics?limit=0", "metrics?limit=101", "metrics?limit=-1", "metrics?limit=1e2", "metrics?limit", "metrics?limit=",
        "metrics?limit=" + "9" * 99, "metrics?cursor=x", "metrics?cursor=adr.-1", "metrics?cursor=" + LONG,
        "metrics?cursor=adr." + "9" * 30, "metrics?nope=1", "metrics?%27=1", "data-quality?state=nope",
        "data-quality?state=", "data-quality?table=%ff", "data-quality?table=%00", "data-quality?cursor=%c3%28",
        "data-quality?limit=x", "projections?limit=0", "projections?limit=101", "projections?cursor=x", "projections?cursor=", "projections?nope=1", "metrics/%ff:compute", "metrics/..%2f..%2f", "metrics/%", "metrics/%zz",
        "metrics?" + "a=1&" * 2000, "etl/jobs/job_01KJM000000000000000000000?x=1")),
    *(("GET", path, None, 404, "GENERAL.RESOURCE_NOT_FOUND") for path in (
        "", "nope", "metrics/", "metrics//explain", "/metrics/adr", "metrics/adr", "../../../etc/passwd", "metrics/../metrics",
        "metrics;x=1", "METRICS", "/", "//", f"/{API}/metrics", f"/api{API}/metrics", "/api/v2/analytics/metrics")),
    *(("GET", f"etl/jobs/{job}", None, 404, "ANALYTICS.ETL_JOB_NOT_FOUND") for job in (
        "x", "job_", "job_x", "job_" + "Z" * 26, "job_01KJM000000000000000000000", LONG, "%27")),
    *(("POST", f"projections/{key}:refresh", {}, 404, "ANALYTICS.PROJECTION_NOT_FOUND") for key in (
        "nope", "DIM_TENANT", "%27", LONG, "dim_tenant_v1")),
    ("POST", "projections/dim_tenant:refresh", {}, 400, "GENERAL.VALIDATION_FAILED"),
    ("POST", "metrics/adr:compute", b"x" * 70000, 413, "GENERAL.PAYLOAD_TOO_LARGE"),
    ("POST", "metrics/adr:compute", b" " * 3000000, 413, "GENERAL.PAYLOAD_TOO_LARGE"),
    *((method, path, None, 405, "GENERAL.METHOD_NOT_ALLOWED")
      for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "FOO")
      for path in ("metrics", "metrics/adr:compute", "projections", "etl/jobs/x", "data-quality")),
    ("POST", "metrics", {}, 400, None), ("PUT", "metrics", {}, 405, None), ("GET", "metrics/adr:compute", None, 405, None),
    ("GET", "projections/dim_tenant:refresh", None, 405, None), ("POST", "projections", {}, 405, None),
]


def test_odd_requests(api):
    for method, path, body, status, code in ODD_REQUESTS:
        answer = api.ask(method, path, body)
        try:
            assert_problem(answer, status, code)
        except AssertionError:
            print(method, path[:200])
            raise
    for path in ("metrics", "projections", "data-quality"):
        head = api.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")


def test_the_window_may_be_as_long_as_the_contract_says(api):
    ok = {"dateRange": {"from": "2016-01-01", "to": "2026-01-07"}, "granularity": "day"}  # 3,660 days
    answer = api.compute("rooms_sold", **ok)
    assert answer.status == 200 and len(answer.json()["rows"]) == 3660
    assert api.compute("adr", dateRange={"from": "9999-12-01", "to": "9999-12-31"}, granularity="week").status == 200
    assert api.compute("adr", dateRange={"from": "0001-01-01", "to": "0001-01-31"}, granularity="quarter").status == 200


def random_value(rng, depth=0):
    """Mostly of the contract's words, so that it comes far."""
    words = ["from", "to", "preset", "today", "2026-04-01", "2026-04-30", "channel", "property_id", "eq", "in", "not_in", "day",
             "month", properties(MINE)[0], properties(OTHER)[0], "", "x" * 300, "\u0001", "é", "'", "\\", "*", "all"]
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind < 3:
        return rng.choice(words)
    if kind == 3:
        return rng.choice([0, 1, -1, 2**31, 2**53, 1e300, 0.1, True, False, None])
    if kind == 4:
        return rng.choice([[], {}])
    if kind < 7:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(words): random_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def random_body(rng):
    good = {"dateRange": WINDOW, "granularity": rng.choice(["day", "week", "year"]), "version": 1,
            "dimensions": rng.sample(DIMENSIONS, 2), **filters("x", "y", dimension=rng.choice(DIMENSIONS))}
    body = {key: good[key] for key in rng.sample(list(good), rng.randrange(len(good) + 1))}
    for _ in range(rng.randrange(3)):
        body[rng.choice([*good, "currency", "nope"])] = random_value(rng)
    text = bytearray(json.dumps(body, ensure_ascii=rng.random() < 0.5).encode())
    for _ in range(rng.choice((0, 0, 0, 1, 5))):
        at = rng.randrange(len(text) + 1)
        text[at:at + rng.randrange(3)] = rng.choice((b"", b"\x00", b"\xff", b"{", b'"', b"9" * 50))
    return bytes(text)


def test_random_requests_never_fail_the_service(api, served):
    rng, statuses = random.Random(20260401), {}
    keys = [*api.metrics(), "nope", "%ff", "..", "a" * 500]
    paths = ["metrics/{}:compute"] * 6 + ["metrics/{}/compute", "metrics/{}/explain", "metrics", "projections", "data-quality",
                                          "projections/{}:refresh", "etl/jobs/{}", "{}"]
    users = [api, Api(served, NEW), Api(served, propertyAccess=properties(MINE)[:1]), Api(served, propertyAccess=[])]
    for i in range(500):
        path = rng.choice(paths).format(rng.choice(keys))
        if rng.random() < 0.2:
            path += "?" + rng.choice(("limit=", "cursor=", "from=2026-04-01&to=", "table=", "%", "&&", "state=")) + rng.choice(keys)
        method = rng.choice(("POST",) * 4 + ("GET", "GET", "PUT", "HEAD"))
        body = random_body(rng)
        answer = rng.choice(users).ask(method, path, body if method != "GET" else None,
                                       {"Content-Type": rng.choice(("application/json", "text/plain", "x"))})
        assert answer.status < 500, (i, method, path, body, answer)
        assert_foreign_free(text_of(answer).replace(properties(OTHER)[0], ""))
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
    assert statuses[200] > 30 and statuses[400] > 100, statuses
    assert served.alive("queryd")
    served.scan_logs()
    assert '"severity":"ERROR"' not in served.log("queryd")
