"""POST /internal/scheduler/etl: who may ask, what is asked for, and that it is done once."""

import http.server
import json
import threading
import time
import uuid

import pytest

from boards import User, code, fields
from events import ident
from harness import another_queryd, http_request, wait_until
from hotels import hotel_group
from instance import Instance
from services import SCHEDULER, scheduler_token

INVALID = (400, "GENERAL.VALIDATION_FAILED")
REFUSED = (401, "IAM.AUTH_INVALID")
DENIED = (403, "IAM.PERMISSION_DENIED")
REUSED = (409, "SYNC.IDEMPOTENCY_KEY_REUSED")


@pytest.fixture(name="tenant", scope="module")
def a_tenant_with_data(stack):
    tenant = ident("tnt", "scheduled")
    stack.send_events(hotel_group(tenant))
    stack.wait()
    return tenant


def ask(stack, body, token=None, url=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers["Authorization"] = "Bearer " + (token or scheduler_token(stack))
    return http_request("POST", (url or stack.url("queryd", "")).rstrip("/") + SCHEDULER, body, headers)


def jobs(answer):
    assert answer.status == 202, answer
    return answer.json()["jobIds"]


def count(stack, tenant):
    return int(stack.query("select count(*) from analytics.etl_jobs where tenant_id = $1", tenant)[0][0])


def test_who_may_ask(stack, tenant):
    body, now = {"tenantId": tenant, "projections": ["dim_room"]}, int(time.time())
    user = User(stack, tenant, "u", "tenant.owner").token
    refused = {
        "no bearer": "", "a user": user, "expired": scheduler_token(stack, exp=now - 120),
        "another audience": scheduler_token(stack, aud="https://example.com"),
        "several audiences, none ours": scheduler_token(stack, aud=["a", "b"]),
        "another issuer": scheduler_token(stack, iss="https://example.com"),
        "not verified": scheduler_token(stack, email_verified=False), "no address": scheduler_token(stack, email=None),
        "hidden signature": scheduler_token(stack).rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE",
        "changed": scheduler_token(stack)[:-6] + "AAAAAA"}
    for name, token in refused.items():
        answer = http_request("POST", stack.url("queryd", SCHEDULER), body, {"Authorization": "Bearer " + token})
        assert code(answer) == REFUSED, name
    assert code(http_request("POST", stack.url("queryd", SCHEDULER), body)) == REFUSED
    assert code(ask(stack, body, scheduler_token(stack, "someone@stack.iam.gserviceaccount.com"))) == DENIED
    # the scheduler's headers prove nothing
    assert code(ask(stack, body, user, X_CloudScheduler="true")) == REFUSED
    assert count(stack, tenant) == 0
    assert len(jobs(ask(stack, body, scheduler_token(stack, iss="accounts.google.com")))) == 1
    with another_queryd(stack, scheduler_audience="") as url:
        assert code(ask(stack, body, url=url)) == REFUSED


def test_keys_are_fetched(stack, tenant):
    """From a key server of its own; the users' keys do not open this door then."""
    with open(stack.path("secrets", "jwks.json"), encoding="utf-8") as text:
        keys = [key for key in json.load(text)["keys"] if key["kid"] == "stack-rs256"]

    class Keys(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"keys": keys}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            body = {"tenantId": tenant, "projections": ["dim_room"]}
            with another_queryd(stack, scheduler_jwks=f"http://127.0.0.1:{server.server_port}/certs") as url:
                wait_until(lambda: ask(stack, body, url=url).status == 202)  # 503 until the keys are there
                assert code(ask(stack, body, scheduler_token(stack, algorithm="EdDSA"), url)) == REFUSED
        finally:
            server.shutdown()


def test_the_platform_verifies(stack, tenant, monkeypatch):
    body = {"tenantId": tenant, "projections": ["dim_room"]}
    hidden = scheduler_token(stack).rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE"
    monkeypatch.delenv("K_SERVICE", raising=False)
    with pytest.raises(AssertionError, match="K_SERVICE"):
        Instance(stack, "queryd", oidc="platform")
    monkeypatch.setenv("K_SERVICE", "queryd")
    with another_queryd(stack, oidc="platform") as url:
        assert len(jobs(ask(stack, body, hidden, url))) == 1
        assert code(ask(stack, body, url=url)) == REFUSED


def test_what_is_asked_for(stack, tenant):
    """Projections that are built together are one job, and it is done."""
    before = count(stack, tenant)
    made = jobs(ask(stack, {"tenantId": tenant, "reason": "nightly", "projections": [
        "fact_reservation", "fact_room_night", "fact_payment"]}))
    assert len(made) == 2 and count(stack, tenant) == before + 2
    admin = User(stack, tenant, "admin")
    for job in made:
        assert wait_until(lambda j=job: admin.get(f"/etl/jobs/{j}").json()["state"] == "succeeded")
    rows = stack.query("select distinct trigger, params ->> 'reason' from analytics.etl_jobs where job_id = any"
                       " (string_to_array($1, ','))", ",".join(made))
    assert [tuple(row) for row in rows] == [("scheduler", "nightly")]
    # all tenants: the job is nobody's
    job, = jobs(ask(stack, {"projections": ["dim_room"]}))
    assert admin.get(f"/etl/jobs/{job}").status == 404
    wait_until(lambda: stack.query("select state from analytics.etl_jobs where job_id = $1", job)[0][0] == "succeeded")
    # nothing waits for this tenant: nothing is due
    assert jobs(ask(stack, {"tenantId": tenant})) == [] == jobs(ask(stack, {"tenantId": tenant, "projections": []}))


def test_bad_requests(stack, tenant):
    for body, wrong in (({"projections": "x"}, {"projections"}), ({"tenantId": "x"}, {"tenantId"}), ({"plan": 1}, {"plan"}),
                        ({"reason": "x" * 201}, {"reason"}), (b"{", {"body"}), (b"", {"body"})):
        answer = ask(stack, body)
        assert code(answer) == INVALID and fields(answer) == wrong, (body, answer)
    assert code(ask(stack, {"projections": ["dim_room", "x"]})) == (404, "ANALYTICS.PROJECTION_NOT_FOUND")


def test_asked_again_it_is_the_same(stack, tenant):
    body = {"tenantId": tenant, "projections": ["fact_payment", "dim_room"]}
    names = [{"X_CloudScheduler_JobName": "hot", "X_CloudScheduler_ScheduleTime": f"2026-01-01T00:0{n}:00Z"} for n in (1, 2)]
    names.append({"Idempotency_Key": str(uuid.uuid4())})
    before, seen = count(stack, tenant), set()
    for name in names:
        made = jobs(ask(stack, body, **name))
        assert len(made) == 2 and not seen & set(made)
        seen |= set(made)
        assert jobs(ask(stack, body, **name)) == made
        assert code(ask(stack, {**body, "reason": "x"}, **name)) == REUSED
    assert count(stack, tenant) == before + 6
    assert len(jobs(ask(stack, body))) == 2 and count(stack, tenant) == before + 8  # without a name it is new


def test_at_the_same_moment_it_is_the_same(stack, tenant):
    body, key, answers = {"tenantId": tenant, "projections": ["fact_payment"]}, str(uuid.uuid4()), []
    threads = [threading.Thread(target=lambda: answers.append(ask(stack, body, Idempotency_Key=key))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tuple(jobs(answer)) for answer in answers}) == 1
