"""HTTP's other ways in: CloudEvents in binary mode, unwrapped pushes, tokens that the platform verified, new keys."""

import contextlib
import http.client
import http.server
import json
import threading
import urllib.parse

import pytest

import platform_events as ev
from harness import PATIENCE, Answer, wait_until
from instance import Instance
from test_ingest import (JSON, WHEN, assert_problem, booking, counts, dead_letters, deliver, landing_held, push,
                         push_token, stored, text_of, tokens, waiting)

assert push_token  # a fixture

SUBJECT = "melmastoon.payment.transaction.captured.v1"


@pytest.fixture
def tenant(request):
    return ev.tenant_id(request.node.nodeid)


def send(url, path, body, headers):
    """POST with header fields as a list, so that one can be there twice."""
    where = urllib.parse.urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(where.hostname, where.port, timeout=PATIENCE)) as client:
        client.putrequest("POST", path)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            client.putheader(name, value)
        client.endheaders(body)
        return Answer(client.getresponse())


# ---- CloudEvents, binary mode

def cloud_event(tenant, n=0, **changes):
    """Its attributes; a change to None leaves one out."""
    attributes = {"specversion": "1.0", "id": ev.ulid(WHEN, tenant, n), "type": SUBJECT, "time": "2024-03-01T10:00:00Z",
                  "source": "//melmastoon/payment-gateway-service", "tenantid": tenant,
                  "subject": f"{tenant}/payments/{ev.ident('pay', tenant)}", "correlationid": "rsv_1", **changes}
    return {name: value for name, value in attributes.items() if value is not None}


def captured(tenant):
    return json.dumps({"transactionId": ev.ident("cap", tenant), "amount": ev.money(12), "method": "card",
                       "vendor": "stripe", "id": "evt_other", "tenantId": ev.tenant_id("other"),
                       "time": "not a time"}, indent=1).encode()


def post_binary(stack, attributes, data, kind=JSON, token=None, more=()):
    return send(stack.url("ingestd"), "/v1/events", data, [
        ("Authorization", "Bearer " + (token or stack.env["INGESTD_TOKEN"])), ("Content-Type", kind),
        *(("ce-" + name, urllib.parse.quote(value)) for name, value in attributes.items()), *more])


def test_binary_mode(stack, tenant, push_token):
    """The data is kept byte for byte, the attributes beside it; the same event in structured mode, in a batch
    or as a message with attributes is a duplicate; and the data reaches its fact."""
    attributes, data = cloud_event(tenant), captured(tenant)
    assert counts(post_binary(stack, attributes, data)) == [1, 0, 0, 0]
    assert stored(stack, tenant) == [data]
    [[beside, key, subject, aggregate, producer, correlation]] = stack.query(
        "select attributes, payload_key, subject, aggregate_id, producer, correlation_id from events_raw.event "
        "where tenant_id = $1", tenant)
    assert json.loads(beside) == {"ce-" + name: value for name, value in attributes.items()}
    assert (key, subject, aggregate, producer, correlation) == (
        ".", SUBJECT, ev.ident("pay", tenant), attributes["source"], "rsv_1")
    assert counts(post_binary(stack, attributes, data)) == [0, 1, 0, 0]
    whole = json.dumps({**attributes, "data": json.loads(data)})
    for kind, body in (("application/cloudevents+json", whole), ("application/cloudevents-batch+json", f"[{whole}]")):
        answer = stack.http("POST", "ingestd", "/v1/events", body, stack.env["INGESTD_TOKEN"], {"Content-Type": kind})
        assert counts(answer) == [0, 1, 0, 0]
    beside = {"ce-" + name: value for name, value in attributes.items()}
    assert deliver(stack, push_token, push(data, attributes=beside)).status == 204
    assert counts(post_binary(stack, attributes, data.replace(b"card", b"cash"))) == [0, 0, 1, 0]
    assert stored(stack, tenant) == [data]
    stack.wait()
    assert stack.query("select amount_micro, method from analytics_curated.fact_payment where tenant_id = $1",
                       tenant) == [["12000000", "card"]]


@pytest.mark.parametrize("data", [b"", b"  \n", b"null", b"[1]", b'"text"'])
def test_binary_mode_takes_any_json(stack, tenant, data):
    assert counts(post_binary(stack, cloud_event(tenant, source="/über/€"), data)) == [1, 0, 0, 0]
    assert stored(stack, tenant) == [data]
    assert stack.query("select producer from events_raw.event where tenant_id = $1", tenant) == [["/über/€"]]


@pytest.mark.parametrize("changes, data, code, place", [
    ({"id": None}, b"{}", "missing_event_id", "attributes.ce-id: missing"),
    ({"type": "order.created"}, b"{}", "missing_subject", "attributes.ce-type"),
    ({"tenantid": None}, b"{}", "missing_tenant", "attributes.ce-tenantid: missing"),
    ({"time": None}, b"{}", "missing_time", "attributes.ce-time: missing"),
    ({}, b'\n{"a":tru}', "invalid_json", "byte 43: expected a value")])
def test_a_bad_binary_event_is_a_dead_letter(stack, tenant, changes, data, code, place):
    data = data.replace(b"{", b'{"n":"%s",' % tenant.encode()) if code == "invalid_json" else (
        b'{"n":"%s"}' % tenant.encode())
    answer = post_binary(stack, cloud_event(tenant, **changes), data)
    assert counts(answer) == [0, 0, 0, 1]
    [kept] = dead_letters(stack, data)
    assert kept[0] == code and kept[1].startswith(place)
    assert answer.json()["errors"][0]["code"] == code


@pytest.mark.parametrize("more, kind", [
    ([("CE-Id", "evt_2")], JSON), ([("ce-x", "%zz")], JSON), ([("ce-x", "%ff")], JSON),
    ([("ce-x%d" % n, "1") for n in range(100)], JSON)])
def test_header_fields_that_are_no_cloud_event(stack, tenant, more, kind):
    assert_problem(post_binary(stack, cloud_event(tenant), b"{}", kind, more=more), 400, "GENERAL.VALIDATION_FAILED")
    assert stored(stack, tenant) == []


def test_binary_mode_of_another_type(stack, tenant):
    for kind in ("application/x-ndjson", "text/plain"):
        assert_problem(post_binary(stack, cloud_event(tenant), b"{}", kind), 415, "GENERAL.UNSUPPORTED_MEDIA_TYPE")


def test_binary_mode_of_another_tenant(stack, tenant):
    token, other = stack.token(tenant, "--service", "limited"), ev.tenant_id(tenant)
    assert_problem(post_binary(stack, cloud_event(other), b"{}", token=token), 403, "IAM.PERMISSION_DENIED")
    assert counts(post_binary(stack, cloud_event(tenant), b"{}", token=token)) == [1, 0, 0, 0]
    assert stored(stack, other) == []


# ---- unwrapped push

def push_unwrapped(stack, token, body, *headers):
    return send(stack.url("ingestd"), "/pubsub/push", body, [("Authorization", "Bearer " + token), *headers])


def metadata(message_id, key=None):
    return [("x-goog-pubsub-subscription-name", "projects/p/subscriptions/s"),
            ("X-Goog-Pubsub-Message-Id", message_id), ("x-goog-pubsub-publish-time", "2024-03-01T10:00:01.5Z"),
            *([("x-goog-pubsub-ordering-key", key)] if key else [])]


def test_unwrapped_push(stack, tenant, push_token):
    """Attributes come as headers, whose names have no case; what a proxy adds is not kept."""
    event = text_of(booking(tenant))
    bare = text_of({"occurredAt": ev.wire_time(WHEN), "payload": {"x": 1}})
    attributes = [("eventtype", "melmastoon.maintenance.order.opened.v2"), ("TENANTID", tenant),
                  ("X-Forwarded-For", "10.0.0.1"), ("Cookie", "secret")]
    for _ in range(2):
        assert push_unwrapped(stack, push_token, event, *metadata("1")).status == 204
        assert push_unwrapped(stack, push_token, bare, *metadata("9001", "key-1"), *attributes).status == 204
    assert sorted(stored(stack, tenant)) == sorted([event, bare])
    [[*said, beside]] = stack.query(
        "select event_id, subject, ordering_key, published_at, schema_version, attributes from events_raw.event "
        "where tenant_id = $1 and domain = 'maintenance'", tenant)
    assert said == ["9001", "melmastoon.maintenance.order.opened.v2", "key-1", "2024-03-01 10:00:01.5+00", "2"]
    assert json.loads(beside) == {"eventType": "melmastoon.maintenance.order.opened.v2", "tenantId": tenant}


def test_unwrapped_push_without_metadata(stack, tenant, push_token):
    event = text_of(booking(tenant))
    for _ in range(2):
        assert push_unwrapped(stack, push_token, event).status == 204
    assert stored(stack, tenant) == [event]


def test_unwrapped_push_with_metadata_twice(stack, tenant, push_token):
    """An attribute may not pass for Pub/Sub's own field."""
    event = text_of(booking(tenant))
    answer = push_unwrapped(stack, push_token, event, *metadata("1"), ("x-goog-pubsub-message-id", "2"))
    assert answer.status == 204 and stored(stack, tenant) == []
    assert [row[:2] for row in dead_letters(stack, event)] == [("bad_message", "message.messageId: there twice")]


def test_unwrapped_push_of_a_cloud_event(stack, tenant, push_token):
    data = captured(tenant)
    fields = [("ce-" + name, value) for name, value in cloud_event(tenant).items()]
    assert push_unwrapped(stack, push_token, data, *metadata("1"), *fields).status == 204
    assert counts(post_binary(stack, cloud_event(tenant), data)) == [0, 1, 0, 0]


def test_unwrapped_push_is_answered_after_the_commit(stack, tenant, push_token):
    answers = []
    with landing_held(stack):
        pushing = threading.Thread(target=lambda: answers.append(
            push_unwrapped(stack, push_token, text_of(booking(tenant)), *metadata("1"))))
        pushing.start()
        wait_until(lambda: waiting(stack) == 1)
        assert answers == []
    pushing.join()
    assert answers[0].status == 204 and len(stored(stack, tenant)) == 1


# ---- oidc = platform

def marked(token):
    """What Cloud Run's ingress makes of a token that it has verified."""
    return token.rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE"


def test_tokens_that_the_platform_verified(stack, tenant, push_token, monkeypatch):
    audience, event = stack.url("ingestd", "/pubsub/push"), push(booking(tenant))

    def token(**changes):
        return marked(tokens.sign(stack.path, "RS256", {**tokens.oidc_claims(tokens.PUSH_EMAIL, audience), **changes}))

    monkeypatch.setenv("K_SERVICE", "ingestd")
    with Instance(stack, "ingestd", oidc="platform") as ingestd:

        def ask(authorization, path="/pubsub/push", **more):
            return ingestd.http("POST", path, event, {"Authorization": "Bearer " + authorization, **more})

        assert ask(token()).status == 204
        assert ask(token(iss="accounts.google.com")).status == 204
        # a user's own token may be beside it
        assert ask("whatever", **{"X-Serverless-Authorization": "Bearer " + token()}).status == 204
        for bad in (push_token, token() + "x", token(exp=1), token(aud="https://example.com"), token(iss="somebody"),
                    token(email="other@stack.iam.gserviceaccount.com"), token(email_verified=False), "a.b.c", "",
                    marked("..")):
            assert_problem(ask(bad), 401, "IAM.AUTH_INVALID")
        # services are verified by their keys as ever
        assert_problem(ask(marked(stack.env["INGESTD_TOKEN"]), "/v1/events"), 401, "IAM.AUTH_INVALID")
        assert ask(stack.env["INGESTD_TOKEN"], "/v1/events").status == 200
    assert_problem(deliver(stack, token(), event), 401, "IAM.AUTH_INVALID")  # never where we verify


def test_the_platform_is_there(stack, monkeypatch):
    monkeypatch.delenv("K_SERVICE", raising=False)
    with pytest.raises(AssertionError, match="K_SERVICE"):
        Instance(stack, "ingestd", oidc="platform")


# ---- keys that change

class KeyServer(http.server.ThreadingHTTPServer):
    """Serves the keys of a stack, those whose kid is in `kids`."""

    def __init__(self, path, kids):
        with open(path, encoding="utf-8") as jwks:
            self.keys = json.load(jwks)["keys"]
        self.kids, self.fetched = kids, 0
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = "http://127.0.0.1:%d/jwks" % self.server_address[1]

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.server.fetched += 1
            body = json.dumps({"keys": [k for k in self.server.keys if k["kid"] in self.server.kids]}).encode()
            self.send_response(200)
            self.send_header("Cache-Control", "public, max-age=21600")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


def test_new_keys_are_fetched_once_and_old_ones_end(stack, tenant):
    """For services and for Pub/Sub: an unknown kid asks the source once, and the answer counts at once."""
    audience = stack.url("ingestd", "/pubsub/push")

    def push_by(algorithm):
        claims = tokens.oidc_claims(tokens.PUSH_EMAIL, audience)
        return "/pubsub/push", push(booking(tenant)), tokens.sign(stack.path, algorithm, claims), 204

    def service_by(algorithm):
        return "/v1/events", text_of(booking(tenant)), stack.token(None, "--service", "a", "--alg", algorithm), 200

    with (KeyServer(stack.path("secrets", "jwks.json"), ["stack-eddsa"]) as services,
          KeyServer(stack.path("secrets", "jwks.json"), ["stack-eddsa"]) as pushers,
          Instance(stack, "ingestd", token_jwks=services.url, push_jwks=pushers.url) as ingestd):

        def ask(path, body, token):
            return ingestd.http("POST", path, body, {"Authorization": "Bearer " + token})

        for source, by in ((services, service_by), (pushers, push_by)):
            *old, good = by("EdDSA")
            *new, _ = by("RS256")
            wait_until(lambda: ask(*old).status == good)  # 503 until the keys are there
            source.kids = ["stack-rs256"]
            assert ask(*old).status == good
            assert_problem(ask(*new), 401, "IAM.AUTH_INVALID")
            wait_until(lambda: ask(*new).status == good)
            assert_problem(ask(*old), 401, "IAM.AUTH_INVALID")
            for algorithm in ("ES256", "EdDSA", "ES256"):
                *unknown, _ = by(algorithm)
                assert_problem(ask(*unknown), 401, "IAM.AUTH_INVALID")
            assert ask(*new).status == good
            assert source.fetched == 2
