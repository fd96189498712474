"""ingestd from outside: every answer of the contract, and what is stored when it says so."""

import base64
import concurrent.futures
import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import urllib.parse

import pytest

import pgcluster
import platform_events as ev
from harness import BIN, CHECKOUT, PATIENCE, run, wait_until
from instance import Instance

sys.path.append(os.path.join(CHECKOUT, "tools"))
from stacklib import tokens

MIB = 1 << 20
NDJSON, JSON = "application/x-ndjson", "application/json"
WHEN = "2024-03-01T10:00"


@pytest.fixture
def tenant(request):
    """The id of a tenant that only this test uses."""
    return ev.tenant_id(request.node.nodeid)


def booking(tenant, n=0, **more):
    return ev.reservation(tenant, "held", WHEN, ev.ident("rsv", tenant, n), **more)


def text_of(event, **changes):
    """The event as bytes; a change to None leaves the member out, one to bytes is put in as it is."""
    members = [(key, changes.pop(key, value)) for key, value in event.items()]
    members += list(changes.items())
    return b"{" + b",".join(
        json.dumps(key).encode() + b":" + (value if isinstance(value, bytes) else json.dumps(value).encode())
        for key, value in members if value is not None) + b"}"


def post(stack, body, kind=JSON, token=None, **headers):
    token = stack.env["INGESTD_TOKEN"] if token is None else token
    return stack.http("POST", "ingestd", "/v1/events", body, token, {"Content-Type": kind, **headers})


def counts(answer):
    assert answer.status == 200, answer
    told = answer.json()
    return [told[k] for k in ("accepted", "duplicates", "conflicts", "deadLettered")]


def stored(stack, tenant):
    """The bodies of the tenant's events in raw, in the order of their keys."""
    rows = stack.query("select body from events_raw.event where tenant_id = $1 order by dedupe_key", tenant)
    return [row[0].encode() for row in rows]


def dead_letters(stack, body):
    """(reason, place, severity, source, times) of the dead letters with exactly these bytes."""
    return [tuple(row) for row in stack.query(
        "select reason, place, severity, source, times from analytics_run.dead_letter "
        "where body = decode($1, 'hex') order by dead_letter_id", body.hex())]


def forget(stack, body):
    """The same bytes are one row, and other files of tests send bytes like these, too."""
    stack.query("delete from analytics_run.dead_letter where body = decode($1, 'hex')", body.hex())


def assert_problem(answer, status, code):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["code"]) == (status, "MELMASTOON." + code)
    assert told["correlationId"] == answer.headers["X-Correlation-Id"]
    return told.get("detail")


# ---- what lands

@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "application/cloudevents+json"])
def test_one_object(stack, tenant, kind):
    body = text_of(booking(tenant), note="¶ kept byte for byte".encode().join([b'"  ', b'"']))
    assert counts(post(stack, b" \n" + body, kind)) == [1, 0, 0, 0]
    assert [b.strip() for b in stored(stack, tenant)] == [body]


@pytest.mark.parametrize("kind", [JSON, "application/cloudevents-batch+json"])
def test_an_array(stack, tenant, kind):
    events = [text_of(booking(tenant, n)) for n in range(3)]
    assert counts(post(stack, b"[\n" + b" ,\n".join(events) + b"]", kind)) == [3, 0, 0, 0]
    assert sorted(stored(stack, tenant)) == sorted(events)
    assert counts(post(stack, b"[]", kind)) == [0, 0, 0, 0]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_ndjson(stack, tenant, end):
    events = [text_of(booking(tenant, n)) for n in range(3)]
    assert counts(post(stack, end.join([*events, b"", b"  "]), NDJSON)) == [3, 0, 0, 0]
    assert sorted(b.strip() for b in stored(stack, tenant)) == sorted(events)


def test_every_domain_lands_under_its_own_name(stack, tenant):
    ppt, rmt = ev.ident("ppt", tenant), ev.ident("rmt", tenant)
    events = [ev.tenant(tenant, "created", WHEN), ev.hotel(tenant, "published", WHEN, ppt),
              ev.room_type(tenant, "created", WHEN, rmt, ppt),
              ev.room(tenant, "created", WHEN, ev.ident("rmu", tenant), rmt, ppt),
              ev.inventory_day(tenant, WHEN, ppt, rmt, "2024-04-01", 3),
              ev.payment(tenant, "captured", WHEN, ev.ident("cap", tenant)), booking(tenant),
              {**booking(tenant, 1), "subject": "melmastoon.some_day.a_thing.happened.v12"}]
    assert counts(post(stack, events)) == [8, 0, 0, 0]
    rows = stack.query("select domain, count(*) from events_raw.event where tenant_id = $1 "
                       "group by 1 order by 1", tenant)
    assert rows == [["inventory", "1"], ["payment", "1"], ["property", "3"], ["reservation", "1"],
                    ["some_day", "1"], ["tenant", "1"]]


# ---- what does not land: one dead letter, the others do

GOOD = booking(ev.tenant_id("bad events"))
BAD = {
    "cut off": (b'{"id":', "invalid_json", "byte 6"),
    "no JSON": (b"nonsense", "invalid_json", "byte 0"),
    "a number": (b"42", "not_an_object", "byte 0"),
    "a text": (b'"text"', "not_an_object", "byte 0"),
    "null": (b"null", "not_an_object", "byte 0"),
    "two objects": (b"{} {}", "invalid_json", "byte 3"),
    "NUL": (text_of(GOOD, x=b'"\\u0000"'), "invalid_json", "byte"),
    "lone surrogate": (text_of(GOOD, x=b'"\\ud800"'), "invalid_json", "byte"),
    "bad UTF-8": (text_of(GOOD, x=b'"\xff"'), "invalid_utf8", "byte"),
    "overlong UTF-8": (text_of(GOOD, x=b'"\xc0\x80"'), "invalid_utf8", "byte"),
    "absurd number": (text_of(GOOD, x=b"1e999999"), "invalid_json", "byte"),
    "leading zero": (text_of(GOOD, x=b"01"), "invalid_json", "byte"),
    "a key twice": (text_of(GOOD)[:-1] + b',"id":"evt_1"}', "duplicate_key", "byte"),
    "too deep": (text_of(GOOD, x=b"[" * 5000 + b"]" * 5000), "too_deep", "byte"),
    "too large": (text_of(GOOD, x=b'"' + b"x" * MIB + b'"'), "too_large", "byte 1048576"),
    "id a number": (text_of(GOOD, id=7), "missing_event_id", "$.id"),
    "no id": (text_of(GOOD, id=None), "missing_event_id", ""),
    "subject a number": (text_of(GOOD, subject=7), "missing_subject", "$.subject"),
    "subject of another house": (text_of(GOOD, subject="acme.a.b.v1"), "missing_subject", "$.subject"),
    "no version": (text_of(GOOD, subject="melmastoon.a.b"), "missing_subject", "$.subject"),
    "no time": (text_of(GOOD, occurredAt=None), "missing_time", ""),
    "time a boolean": (text_of(GOOD, occurredAt=True), "bad_time", "$.occurredAt"),
    "30 February": (text_of(GOOD, occurredAt="2024-02-30T00:00:00Z"), "bad_time", "$.occurredAt"),
    "no zone": (text_of(GOOD, occurredAt="2024-02-20T00:00:00"), "bad_time", "$.occurredAt"),
    "huge time": (text_of(GOOD, occurredAt=10 ** 30), "bad_time", "$.occurredAt"),
    "the future": (text_of(GOOD, occurredAt="2049-01-01T00:00:00Z"), "future_time", "$.occurredAt"),
    "no tenant": (text_of(GOOD, tenantId=None), "missing_tenant", ""),
    "null tenant": (text_of(GOOD, tenantId=b"null"), "null_tenant_not_allowed", "$.tenantId"),
    "tenant a number": (text_of(GOOD, tenantId=7), "bad_tenant", "$.tenantId"),
    "tenant no ULID": (text_of(GOOD, tenantId="tnt_1"), "bad_tenant", "$.tenantId"),
    "platform by name": (text_of(GOOD, tenantId="_platform"), "bad_tenant", "$.tenantId"),
}
CRITICAL = {"missing_tenant", "null_tenant_not_allowed", "bad_tenant"}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_event_is_a_dead_letter(stack, tenant, case):
    body, code, place = BAD[case]
    forget(stack, body)
    answer = post(stack, body)
    assert counts(answer) == [0, 0, 0, 1]
    [error] = answer.json()["errors"]
    assert (error["index"], error["code"]) == (0, code) and error["detail"].startswith(place)
    [kept] = dead_letters(stack, body)
    assert kept == (code, error["detail"], "critical" if code in CRITICAL else "warning", "events", "1")

    good = [text_of(booking(tenant, n)) for n in range(2)]
    answer = post(stack, b"\n".join([good[0], b"", body, good[1]]), NDJSON)
    assert counts(answer) == [2, 0, 0, 1]
    assert [(e["index"], e["code"]) for e in answer.json()["errors"]] == [(2, code)]
    assert sorted(stored(stack, tenant)) == sorted(good)
    assert dead_letters(stack, body)[0][-1] == "2"
    assert stored(stack, GOOD["tenantId"]) == []


UNREADABLE = ("invalid_json", "invalid_utf8", "too_deep")


@pytest.mark.parametrize("case", [c for c in BAD if BAD[c][1] not in UNREADABLE])
def test_a_bad_element_of_a_whole_array(stack, tenant, case):
    """JSON that is no event: the array is read, the element is a dead letter."""
    body, code, _ = BAD[case]
    answer = post(stack, b"[" + b",".join([body, text_of(booking(tenant))]) + b"]")
    assert counts(answer) == [1, 0, 0, 1]
    assert [(e["index"], e["code"]) for e in answer.json()["errors"]] == [(0, code)]


@pytest.mark.parametrize("broken, offset", [
    (b"[%s,%s", 0), (b"[%s,%s}", 0), (b"[%s,%s,]", 1), (b"[%s,,%s]", None), (b"[%s %s]", None),
    (b"[%s,%s] x", 2), (b'[%s,%s,{"a":tru}]', 10), (b"[%s,%s," + 500 * b"[", 500)])
def test_a_broken_array_is_refused_whole(stack, tenant, broken, offset):
    one, two = (text_of(booking(tenant, n)) for n in range(2))
    body = broken % (one, two)
    detail = assert_problem(post(stack, body), 400, "GENERAL.VALIDATION_FAILED")
    at = int(detail.partition("at byte ")[2].partition(":")[0])
    if offset is None:  # where the first event ends
        assert 1 <= at - 1 - len(one) <= 1, detail
    else:
        end = body.rindex(two) + len(two)
        assert end <= at <= end + offset, detail
    assert stored(stack, tenant) == []


# ---- once, whatever comes again

def test_batches_are_numbered_in_the_order_they_land(stack, tenant):
    """etld takes the oldest first by these numbers."""
    for n in range(5):
        assert counts(post(stack, text_of(booking(tenant, n)))) == [1, 0, 0, 0]
    batches = stack.query("select batch_id from events_raw.event join analytics_run.batch using (batch_id) where tenant_id = $1"
                          " order by landed_at", tenant)
    numbers = [int(row[0]) for row in batches]
    assert numbers == sorted(set(numbers)) and len(numbers) == 5


def test_a_duplicate_counts_and_changes_nothing(stack, tenant):
    event = booking(tenant, expiresAt="2024-03-02T00:00:00Z", x=[1.0, 2])
    first = text_of(event)
    assert counts(post(stack, first)) == [1, 0, 0, 0]
    assert counts(post(stack, first)) == [0, 1, 0, 0]
    other_bytes = json.dumps(dict(reversed(event.items())), indent=1).replace("1.0", "1").encode()
    assert other_bytes != first
    assert counts(post(stack, other_bytes)) == [0, 1, 0, 0]
    assert stored(stack, tenant) == [first]
    assert dead_letters(stack, other_bytes) == []


def test_other_content_under_the_same_id_is_a_conflict(stack, tenant):
    first, other = (text_of(booking(tenant, quoteId=f"qte_{n}")) for n in range(2))
    assert counts(post(stack, first)) == [1, 0, 0, 0]
    answer = post(stack, other)
    assert counts(answer) == [0, 0, 1, 0]
    [error] = answer.json()["errors"]
    assert (error["index"], error["code"]) == (0, "conflict") and "before" in error["detail"]
    assert stored(stack, tenant) == [first]
    assert [(row[0], row[3]) for row in dead_letters(stack, other)] == [("conflict", "conflict")]


def test_the_same_id_of_two_tenants_is_two_events(stack, tenant):
    event, other = booking(tenant), ev.tenant_id(tenant)
    assert counts(post(stack, [event, {**event, "tenantId": other}])) == [2, 0, 0, 0]
    assert len(stored(stack, tenant)) == len(stored(stack, other)) == 1


@pytest.mark.parametrize("seen_before", [False, True])
def test_repeated_inside_one_request(stack, tenant, seen_before):
    """The first of an id counts, whether the index or the recent-id set finds the others."""
    a, b = text_of(booking(tenant, 0)), text_of(booking(tenant, 1))
    other = text_of(booking(tenant, 0, quoteId="qte_9"))
    if seen_before:
        assert counts(post(stack, a)) == [1, 0, 0, 0]
    answer = post(stack, b"\n".join([a, b, a, other, b, b"nonsense"]), NDJSON)
    assert counts(answer) == [2 - seen_before, 2 + seen_before, 1, 1]
    assert [(e["index"], e["code"]) for e in sorted(answer.json()["errors"], key=lambda e: e["index"])] == [
        (3, "conflict"), (5, "invalid_json")]
    assert sorted(stored(stack, tenant)) == sorted([a, b])


@pytest.mark.parametrize("careful", [False, True])
def test_of_two_events_of_a_request_the_first_counts(stack, tenant, careful):
    """However many there are and however they land: it is never the other that is stored."""
    pairs = [[text_of(booking(tenant, n, quoteId=f"qte_{k}")) for k in range(2)] for n in range(60)]
    filling = [text_of(booking(tenant, n)) for n in range(100, 160)]
    with Instance(stack, "ingestd") as stranger:  # one that has not met any of them
        if careful:
            assert counts(post(stack, filling[0])) == [1, 0, 0, 0]
        for n in range(0, len(pairs), 5):  # a repetition makes the batch of the first ones a careful one, too
            firsts, seconds = zip(*pairs[n:n + 5])
            repeated = filling[:1] if careful else []
            answer = stranger.post(b"\n".join([*repeated, *firsts, filling[n + 1], *seconds]))
            assert counts(answer) == [6, int(careful), 5, 0]
            after = len(repeated) + 6
            assert sorted((e["index"], e["code"]) for e in answer.json()["errors"]) == [
                (after + k, "conflict") for k in range(5)]
    assert set(stored(stack, tenant)) >= {first for first, _ in pairs}
    assert not set(stored(stack, tenant)) & {second for _, second in pairs}


def test_the_same_events_through_two_instances_at_once(stack, tenant):
    """Nobody's memory decides what is new: the index does."""
    lists = [[booking(tenant, n) for n in range(at, at + 50)] for at in range(0, 500, 50)]
    with Instance(stack, "ingestd") as second, concurrent.futures.ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(send, ev.ndjson(events)) for events in lists
                for send in (second.post, lambda body: post(stack, body, NDJSON))]
        told = [counts(one.result()) for one in sent]
    assert [sum(column) for column in zip(*told)] == [500, 500, 0, 0]
    assert len(stored(stack, tenant)) == 500


# ---- who may send

def forged(claims, header, sign=lambda signed: b""):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    signed = ".".join(part(json.dumps(p).encode()) for p in (header, claims))
    return f"{signed}.{part(sign(signed.encode()))}"


@pytest.fixture(scope="module")
def bad_tokens(stack, tmp_path_factory):
    """Tokens of the right claims that must not be believed, and those of the wrong claims."""
    strange = tmp_path_factory.mktemp("keys")
    (strange / "secrets").mkdir()
    home = strange.joinpath
    tokens.create_keys(home)
    good = tokens.service_claims("stranger")
    token = stack.env["INGESTD_TOKEN"]
    head, claims, signature = token.split(".")
    return {
        "none": None, "empty": "", "garbage": "a.b.c", "two parts": f"{head}.{claims}",
        "cut": token[:-4], "other claims": f"{head}.{forged(good, {}).split('.')[1]}.{signature}",
        "alg none": forged(good, {"alg": "none", "typ": "JWT"}),
        "alg None with kid": forged(good, {"alg": "None", "kid": "stack-eddsa"}),
        "HS256 with the public key": forged(
            good, {"alg": "HS256", "kid": "stack-rs256"},
            lambda signed: hashlib.sha256(signed).digest()),
        "alg of another key": forged(good, {"alg": "RS256", "kid": "stack-eddsa"}, lambda _: b"s" * 256),
        "unknown kid": forged(good, {"alg": "EdDSA", "kid": "nobody"}, lambda _: b"s" * 64),
        "other key EdDSA": tokens.sign(home, "EdDSA", good),
        "other key ES256": tokens.sign(home, "ES256", good),
        "other key RS256": tokens.sign(home, "RS256", good),
        "expired": stack.token(None, "--service", "late", "--ttl", "-120"),
        "audience": stack.token(None, "--service", "astray", "--aud", "analytics-service"),
        "a user's": stack.token(ev.tenant_id("a user")),
        "a push token": stack.token(None, "--oidc", tokens.PUSH_EMAIL),
    }


BAD_TOKENS = ("none", "empty", "garbage", "two parts", "cut", "other claims", "alg none", "alg None with kid",
              "HS256 with the public key", "alg of another key", "unknown kid", "other key EdDSA",
              "other key ES256", "other key RS256", "expired", "audience", "a user's", "a push token")


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_a_bad_token(stack, tenant, bad_tokens, case):
    for path, body in (("/v1/events", text_of(booking(tenant))), ("/pubsub/push", push(booking(tenant)))):
        if case == "a push token" and path == "/pubsub/push":
            continue
        answer = stack.http("POST", "ingestd", path, body, bad_tokens[case], {"Content-Type": JSON})
        assert_problem(answer, 401, "IAM.AUTH_INVALID")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored(stack, tenant) == []


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_good_tokens(stack, tenant, algorithm):
    token = stack.token(None, "--service", "a", "--alg", algorithm)
    assert counts(post(stack, text_of(booking(tenant)), token=token)) == [1, 0, 0, 0]


@pytest.mark.parametrize("shape", ["object", "array", "ndjson"])
def test_a_token_for_some_tenants_only(stack, tenant, shape):
    other = ev.tenant_id(tenant)
    token = stack.token(tenant, "--service", "limited")

    def send(*events):
        if shape == "object":
            return [post(stack, e, token=token) for e in events][-1]
        return post(stack, b"[%s]" % b",".join(events) if shape == "array" else b"\n".join(events),
                    JSON if shape == "array" else NDJSON, token)

    mine, theirs = text_of(booking(tenant)), text_of(booking(other))
    if shape != "object":
        assert_problem(send(mine, theirs), 403, "IAM.PERMISSION_DENIED")
        assert stored(stack, tenant) == []
    assert_problem(send(theirs), 403, "IAM.PERMISSION_DENIED")
    lower = text_of(booking(other), tenantId=other.replace("tnt_", "t_").lower())
    assert_problem(send(lower), 403, "IAM.PERMISSION_DENIED")
    assert counts(send(mine)) == [1, 0, 0, 0]
    assert stored(stack, other) == []


# ---- HTTP

@pytest.mark.parametrize("method, path, kind, body, status, code", [
    ("POST", "/v1/events", "text/plain", b"{}", 415, "GENERAL.UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/v1/events", "application/jsonx", b"{}", 415, "GENERAL.UNSUPPORTED_MEDIA_TYPE"),
    ("POST", "/v1/events", JSON, b"", 400, "GENERAL.VALIDATION_FAILED"),
    ("POST", "/v1/events", NDJSON, b"", 400, "GENERAL.VALIDATION_FAILED"),
    ("GET", "/v1/events", JSON, None, 405, "GENERAL.METHOD_NOT_ALLOWED"),
    ("PUT", "/v1/events", JSON, b"{}", 405, "GENERAL.METHOD_NOT_ALLOWED"),
    ("GET", "/pubsub/push", JSON, None, 405, "GENERAL.METHOD_NOT_ALLOWED"),
    ("POST", "/v1/event", JSON, b"{}", 404, "GENERAL.RESOURCE_NOT_FOUND"),
    ("POST", "/v1/events/", JSON, b"{}", 404, "GENERAL.RESOURCE_NOT_FOUND"),
    ("GET", "/", JSON, None, 404, "GENERAL.RESOURCE_NOT_FOUND")])
def test_requests_that_are_none(stack, method, path, kind, body, status, code):
    answer = stack.http(method, "ingestd", path, body, stack.env["INGESTD_TOKEN"], {"Content-Type": kind})
    assert_problem(answer, status, code)
    assert (answer.headers["Allow"] == "POST") == (status == 405)


def test_correlation_id(stack, tenant):
    assert post(stack, text_of(booking(tenant)), **{"X-Correlation-Id": "cor_mine-1"}).headers[
        "X-Correlation-Id"] == "cor_mine-1"
    made = [post(stack, b"", **{"X-Correlation-Id": bad}).headers["X-Correlation-Id"]
            for bad in ("", "a b", "x" * 500, "ü".encode("latin-1").decode("latin-1"))]
    assert len(set(made)) == 4 and all(one.startswith("cor_") for one in made)


def talk(url, *parts):
    """Sends raw bytes and returns all that comes back until the server closes."""
    where = urllib.parse.urlsplit(url)
    with socket.create_connection((where.hostname, where.port), PATIENCE) as client:
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for part in parts:
                client.sendall(part)
        with contextlib.suppress(ConnectionResetError):
            while data := client.recv(65536):
                answer += data
        return answer


def head(path, length, token):
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: ingestd", f"Content-Type: {NDJSON}",
                        f"Content-Length: {length}", f"Authorization: Bearer {token}",
                        "Connection: close", "", ""]).encode()


@pytest.mark.parametrize("path, limit", [("/v1/events", 32 * MIB), ("/pubsub/push", 16 * MIB)])
def test_a_body_that_is_too_large(stack, path, limit):
    said = talk(stack.url("ingestd"), head(path, limit + 1, stack.env["INGESTD_TOKEN"]), b"\n" * (limit + 1))
    assert said.startswith(b"HTTP/1.1 413 ") and b"application/problem+json" in said
    assert b'"code":"MELMASTOON.GENERAL.PAYLOAD_TOO_LARGE"' in said


def test_the_largest_body(stack, tenant):
    event = text_of(booking(tenant))
    assert counts(post(stack, event.rjust(32 * MIB, b"\n"), NDJSON)) == [1, 0, 0, 0]


def test_the_largest_event(stack, tenant):
    event = text_of(booking(tenant), x=b'""')
    event = event.replace(b'""', b'"' + b"x" * (MIB - len(event)) + b'"')
    assert len(event) == MIB
    assert counts(post(stack, event)) == [1, 0, 0, 0]
    assert stored(stack, tenant) == [event]


@pytest.mark.parametrize("sent", [b"POST /v1/ev", head("/v1/events", 1000, "t"), head("/v1/events", 1000, "t") + b"{"])
def test_a_slow_client_is_closed_and_holds_up_nobody(stack, tenant, sent):
    with Instance(stack, "ingestd", read_timeout="2s") as ingestd:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(talk, ingestd.url, sent)
            assert counts(ingestd.post(text_of(booking(tenant)))) == [1, 0, 0, 0]
            said = slow.result()
    assert said.startswith(b"HTTP/1.1 408 ") and b"MELMASTOON.GENERAL.REQUEST_TIMEOUT" in said


# ---- POST /pubsub/push

def push(event, message_id="1", **message):
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    return json.dumps({"subscription": "projects/p/subscriptions/s", "deliveryAttempt": 1, "message": {
        "messageId": message_id, "publishTime": "2024-03-01T10:00:01.5Z",
        "data": base64.b64encode(data).decode(), **message}}).encode()


@pytest.fixture(scope="module")
def push_token(stack):
    return stack.token(None, "--oidc", tokens.PUSH_EMAIL)


def deliver(stack, token, body):
    return stack.http("POST", "ingestd", "/pubsub/push", body, token, {"Content-Type": JSON})


def test_push_and_redelivery(stack, tenant, push_token):
    event = text_of(booking(tenant))
    for attempt in range(3):
        answer = deliver(stack, push_token, push(event, attributes={"a": "b"}))
        assert (answer.status, answer.body) == (204, b"")
    assert stored(stack, tenant) == [event]


def test_attributes_say_what_the_event_does_not(stack, tenant, push_token):
    bare = {"occurredAt": ev.wire_time(WHEN), "payload": {"x": 1}}
    body = push(bare, message_id="9001", orderingKey="key-1", attributes={
        "eventType": "melmastoon.maintenance.order.opened.v2", "tenantId": tenant})
    for _ in range(2):
        assert deliver(stack, push_token, body).status == 204
    rows = stack.query("select event_id, subject, domain, ordering_key, published_at, schema_version, attributes "
                       "from events_raw.event where tenant_id = $1", tenant)
    assert [row[:6] for row in rows] == [["9001", "melmastoon.maintenance.order.opened.v2", "maintenance", "key-1",
                                          "2024-03-01 10:00:01.5+00", "2"]]
    assert json.loads(rows[0][6])["tenantId"] == tenant
    assert deliver(stack, push_token, push(bare, "9002", attributes={
        "eventType": "melmastoon.maintenance.order.opened.v2", "tenantId": tenant,
        "idempotencyKey": "evt_" + ev.ulid(WHEN, "key")})).status == 204
    assert len(stored(stack, tenant)) == 2


@pytest.mark.parametrize("case", ["another account", "unverified", "another audience", "a service token"])
def test_push_by_somebody_else(stack, tenant, case):
    home, audience = stack.path, stack.url("ingestd", "/pubsub/push")
    claims = tokens.oidc_claims(tokens.PUSH_EMAIL, audience)
    token = {
        "another account": lambda: stack.token(None, "--oidc", "other@stack.iam.gserviceaccount.com"),
        "unverified": lambda: tokens.sign(home, "RS256", {**claims, "email_verified": False}),
        "another audience": lambda: tokens.sign(home, "RS256", {**claims, "aud": "https://example.com"}),
        "a service token": lambda: stack.env["INGESTD_TOKEN"],
    }[case]()
    assert_problem(deliver(stack, token, push(booking(tenant))), 401, "IAM.AUTH_INVALID")
    assert stored(stack, tenant) == []


@pytest.mark.parametrize("body, code, place", [
    (b"", "invalid_json", "byte 0"), (b"{", "invalid_json", "byte 1"), (b"[]", "bad_message", "message"),
    (b'{"n":1}', "bad_message", "$.message"), (b'{"message":[],"n":2}', "bad_message", "$.message"),
    (b'{"message":{"data":7}}', "bad_message", "$.message.data"),
    (b'{"message":{"data":"*"}}', "bad_message", "$.message.data"),
    (b'{"message":{"attributes":7}}', "bad_message", "$.message.attributes")])
def test_a_broken_wrapper_is_kept_and_acknowledged(stack, push_token, body, code, place):
    forget(stack, body)
    for times in ("1", "2"):
        assert deliver(stack, push_token, body).status == 204
        [kept] = dead_letters(stack, body)
        assert kept[0] == code and kept[3:] == ("pubsub_push", times) and place in kept[1]


def test_a_bad_event_in_a_good_wrapper(stack, tenant, push_token):
    event = text_of(booking(tenant), subject="nothing")
    assert deliver(stack, push_token, push(event)).status == 204
    assert [row[0] for row in dead_letters(stack, event)] == ["missing_subject"]
    assert stored(stack, tenant) == []


# ---- pressure, loss, the end

@contextlib.contextmanager
def landing_held(stack):
    """While it lasts, landing transactions wait for a lock."""
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as conn:
        conn.query("begin")
        conn.query("lock table analytics_run.batch in exclusive mode")
        yield conn
        with contextlib.suppress(pgcluster.PgError):
            conn.query("rollback")


def waiting(stack):
    return int(stack.query("select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
                           "and usename = 'analytics_ingestd'")[0][0])


def test_a_full_queue_refuses_and_loses_nothing(stack, tenant):
    bodies = [text_of(booking(tenant, n), x=b'"' + b"x" * 400000 + b'"') for n in range(6)]
    with (Instance(stack, "ingestd", queue_bytes="1MiB", landing_connections=1) as ingestd,
          concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool):
        with landing_held(stack):
            sent = [pool.submit(ingestd.post, body) for body in bodies]
            wait_until(lambda: sum(one.done() for one in sent) == 4)
            refused = [one.result() for one in sent if one.done()]
            for answer in refused:
                assert_problem(answer, 429, "GENERAL.RATE_LIMITED")
                assert int(answer.headers["Retry-After"]) >= 1
        answers = [one.result() for one in sent]
    assert sorted(a.status for a in answers) == [200, 200, 429, 429, 429, 429]
    assert sorted(stored(stack, tenant)) == sorted(b for b, a in zip(bodies, answers) if a.status == 200)


def test_without_postgres(stack, tenant):
    """Nothing is accepted while it is away; what was in flight is refused; then it goes on by itself."""
    pid, events = stack.pid("ingestd"), [text_of(booking(tenant, n)) for n in range(3)]
    with concurrent.futures.ThreadPoolExecutor(1) as pool, landing_held(stack):
        in_flight = pool.submit(post, stack, events[0])
        wait_until(lambda: waiting(stack) == 1)
        stack.kill("postgres", signal.SIGQUIT)  # pg_ctl stop -m immediate
        answer = in_flight.result()
    assert_problem(answer, 503, "GENERAL.UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1

    ready = wait_until(lambda: (a := stack.http("GET", "ingestd", "/ready")).status == 503 and a)
    assert "warehouse connection" in [r["condition"] for r in ready.json()["reasons"]]
    assert stack.http("GET", "ingestd", "/health").status == 200
    answer = post(stack, events[1])
    assert_problem(answer, 503, "GENERAL.UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1

    stack.up()
    wait_until(lambda: stack.http("GET", "ingestd", "/ready").status == 200)
    assert stored(stack, tenant) == []
    assert counts(post(stack, b"\n".join(events), NDJSON)) == [3, 0, 0, 0]
    assert stack.pid("ingestd") == pid


def test_sigterm_answers_what_is_in_flight(stack, tenant):
    with Instance(stack, "ingestd") as ingestd, concurrent.futures.ThreadPoolExecutor(1) as pool:
        with landing_held(stack):
            in_flight = pool.submit(ingestd.post, text_of(booking(tenant)))
            wait_until(lambda: waiting(stack) == 1)
            ingestd.process.send_signal(signal.SIGTERM)
            wait_until(lambda: any("drain" in line["message"] for line in ingestd.lines()))
            with pytest.raises(OSError):
                ingestd.post(text_of(booking(tenant, 1)))
            assert ingestd.process.poll() is None
        assert counts(in_flight.result()) == [1, 0, 0, 0]
        assert ingestd.process.wait(PATIENCE) == 0
    assert len(stored(stack, tenant)) == 1


# ---- settings

def ingestd(*args, env=None, check=78):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ANALYTICS_")}
    return run([os.path.join(BIN, "ingestd"), *args], check, env={**clean, **(env or {})})


@pytest.mark.parametrize("line, key", [
    ("no_such_thing = 1", "no_such_thing"), ("queue_bytes = lots", "queue_bytes"),
    ("queue_bytes = 1", "queue_bytes"), ("read_timeout = -1s", "read_timeout"),
    ("listen = nowhere", "listen"), ("log_level = loud", "log_level"), ("nonsense", "key = value")])
def test_a_bad_setting_names_key_and_place(tmp_path, line, key):
    path = tmp_path / "ingestd.conf"
    path.write_text(f"# settings\n\n{line}\n")
    said = ingestd("-c", str(path)).stderr
    assert key in said and f"{path}:3" in said
    if " = " in line:
        name, value = line.split(" = ")
        said = ingestd("-o", f"{name}={value}").stderr
        assert key in said and "-o" in said
    if " = " in line and name != "no_such_thing":
        said = ingestd(env={f"ANALYTICS_{name.upper()}": value}).stderr
        assert key in said and f"ANALYTICS_{name.upper()}" in said


def test_print_config_masks_secrets(tmp_path):
    path = tmp_path / "ingestd.conf"
    path.write_text("database_url = postgresql://u:hunter2@db/analytics\nqueue_bytes = 16MiB\n")
    shown = ingestd("-c", str(path), "--print-config", check=0, env={
        "ANALYTICS_REDIS_URL": "redis://:hunter3@cache/0", "ANALYTICS_BATCH_EVENTS": "77"}).stdout
    assert "hunter" not in shown
    for expected in ("database_url", "queue_bytes = 16", "batch_events = 77", "redis_url"):
        assert expected in shown
