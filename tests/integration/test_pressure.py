"""ingestd under pressure: shares of the queue, turns, rates, a full disk; nothing acknowledged is lost."""

import concurrent.futures
import contextlib
import json
import os
import re
import subprocess

import pytest

import pgcluster
import platform_events as ev
from harness import wait_until
from instance import Instance

KIB = 1 << 10
WHEN = "2024-03-01T10:00"


@pytest.fixture
def tenants(request):
    """The ids of three tenants that only this test uses."""
    return [ev.tenant_id(f"{request.node.nodeid}/{n}") for n in range(3)]


def lines(tenant, numbers, size=0, when=WHEN):
    """Events as NDJSON, each with a payload of `size` bytes that do not compress."""
    return b"".join(
        json.dumps(ev.reservation(tenant, "held", when, ev.ident("rsv", tenant, n),
                                  note=os.urandom(size // 2).hex())).encode() + b"\n" for n in numbers)


def stored(stack, tenant):
    rows = stack.query("select body from events_raw.event where tenant_id = $1", tenant)
    return sorted(row[0].encode() for row in rows)


def refused(answer, policy):
    """A 429 that says when to come back and which limit it was."""
    assert answer.status == 429, answer
    assert answer.json()["code"] == "MELMASTOON.GENERAL.RATE_LIMITED"
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["RateLimit-Policy"] == policy
    name = policy.split(";")[0]
    assert re.fullmatch(re.escape(name) + r";r=0;t=[1-9][0-9]*", answer.headers["RateLimit"])
    return True


@contextlib.contextmanager
def landing_held(stack):
    """While it lasts, landing transactions wait for a lock."""
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as conn:
        conn.query("begin")
        conn.query("lock table analytics_run.batch in exclusive mode")
        yield
        conn.query("rollback")


def waits(stack):
    return stack.query("select from pg_stat_activity where wait_event_type = 'Lock' "
                       "and usename = 'analytics_ingestd'") != []


def metric(ingestd, name):
    text = ingestd.http("GET", "/metrics").body.decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def test_a_full_queue_refuses_the_one_who_fills_it(stack, tenants):
    flood, quiet, other = tenants
    with (Instance(stack, "ingestd", queue_bytes="1MiB", landing_connections=1) as ingestd,
          concurrent.futures.ThreadPoolExecutor(16) as pool):
        with landing_held(stack):
            sent = [pool.submit(ingestd.post, lines(flood, [n], 80 * KIB)) for n in range(12)]
            wait_until(lambda: any(one.done() for one in sent))
            assert refused(next(one for one in sent if one.done()).result(),
                           '"queue";q=1048576;qu="content-bytes"')
            wait_until(lambda: metric(ingestd, "ingest_queue_events") + sum(one.done() for one in sent) == 12)
            let_in = [pool.submit(ingestd.post, lines(tenant, [1], 2 * KIB)) for tenant in (quiet, other)]
            wait_until(lambda: metric(ingestd, "ingest_queue_events") + sum(one.done() for one in sent) == 14)
            assert not any(one.done() for one in let_in)
            assert ingestd.post(lines(flood, [99], 80 * KIB)).status == 429
            # of a request that names both nothing is kept
            assert ingestd.post(lines(quiet, [2], 2 * KIB) + lines(flood, [99], 80 * KIB)).status == 429
        answers = [one.result() for one in sent]
        assert [one.result().json()["accepted"] for one in let_in] == [1, 1]
        assert metric(ingestd, "ingest_queue_bytes") == metric(ingestd, "ingest_queue_events") == 0
    assert {a.status for a in answers} == {200, 429}
    assert len(stored(stack, flood)) == sum(a.status == 200 for a in answers)
    assert [len(stored(stack, tenant)) for tenant in (quiet, other)] == [1, 1]


def test_the_queue_is_bounded_by_events_too(stack, tenants):
    with (Instance(stack, "ingestd", queue_events=1000, landing_connections=1) as ingestd,
          concurrent.futures.ThreadPoolExecutor(2) as pool):
        with landing_held(stack):
            first = pool.submit(ingestd.post, lines(tenants[0], range(600)))
            wait_until(lambda: metric(ingestd, "ingest_queue_events") == 600)
            assert ingestd.post(lines(tenants[0], range(600, 1000))).status == 429
        assert first.result().json()["accepted"] == 600
        # what was refused comes as new, not as something seen before
        assert ingestd.post(lines(tenants[0], range(600, 1000))).json()["accepted"] == 400
        assert metric(ingestd, "ingest_recent_hits_total") == 0


def test_nobody_waits_for_the_backlog_of_another(stack, tenants):
    """However much one tenant has in the queue, the next batch has a turn of each, and while both are
    about it is closed at 1 MiB: 2 MiB are never one batch."""
    flood, quiet, _ = tenants
    with (Instance(stack, "ingestd", landing_connections=1) as ingestd,
          concurrent.futures.ThreadPoolExecutor(24) as pool):
        with landing_held(stack):
            sent = [pool.submit(ingestd.post, lines(flood, [0]))]
            wait_until(lambda: waits(stack))
            sent += [pool.submit(ingestd.post, lines(flood, range(100 * n, 100 * n + 50), 2 * KIB))
                     for n in range(1, 21)]
            wait_until(lambda: metric(ingestd, "ingest_queue_events") == 1001)
            sent.append(pool.submit(ingestd.post, lines(quiet, [1])))
            wait_until(lambda: metric(ingestd, "ingest_queue_events") == 1002)
        assert [one.result().json()["accepted"] for one in sent] == [1] + [50] * 20 + [1]
    batches = stack.query(
        "select count(*) filter (where tenant_id = $1), count(*) filter (where tenant_id = $2)"
        " from events_raw.event join analytics_run.batch using (batch_id) where tenant_id in ($1, $2)"
        " group by batch_id, landed_at order by landed_at", flood, quiet)
    batches = [(int(f), int(q)) for f, q in batches]
    assert batches[0] == (1, 0)
    assert batches[1][1] == 1, batches
    assert max(f for f, _ in batches) < 500 and len(batches) > 3, batches


def test_a_tenant_has_a_rate(stack, tenants):
    fast, slow, mixed = tenants
    policy = '"tenant";q=20;w=1;qu="events"'
    with Instance(stack, "ingestd", tenant_rate=20, tenant_burst=40) as ingestd:
        assert ingestd.post(lines(fast, range(100))).json()["accepted"] == 100  # whole, and paid afterwards
        answer = ingestd.post(lines(fast, [100]))
        assert refused(answer, policy)
        assert 2 <= int(answer.headers["Retry-After"]) <= 4
        assert ingestd.post(lines(slow, [1])).json()["accepted"] == 1
        assert refused(ingestd.post(lines(mixed, [1]) + lines(fast, [100])), policy)
        assert stored(stack, mixed) == []
        assert ingestd.post(lines(mixed, [1])).json()["accepted"] == 1
        wait_until(lambda: ingestd.post(lines(fast, [100])).status == 200)
        text = ingestd.http("GET", "/metrics").body.decode()
        assert re.search(r'^ingest_refused_total\{door="events",reason="rate"\} [1-9]', text, re.M)
    assert [len(stored(stack, tenant)) for tenant in tenants] == [101, 1, 1]


def test_metrics_name_domains_and_reasons_but_no_tenant(stack, tenants):
    tenant = tenants[0]
    known = lines(tenant, [1])
    strange = json.dumps(json.loads(known) | {"eventType": "melmastoon.zither.tuned.v1",
                                              "eventId": "evt_" + ev.ident("x", tenant)[-26:]}).encode()
    with Instance(stack, "ingestd") as ingestd:
        ingestd.post(known + strange + b'\n{"' + tenant.encode() + b"\n")
        ingestd.post(known)
        text = ingestd.http("GET", "/metrics").body.decode()
    for row in ('ingest_events_total{domain="reservation",outcome="accepted"} 1',
                'ingest_events_total{domain="reservation",outcome="duplicate"} 1',
                'ingest_events_total{domain="other",outcome="accepted"} 1',
                'ingest_events_total{domain="other",outcome="dead_letter"} 1',
                'ingest_dead_letters_total{reason="invalid_json"} 1', "ingest_recent_hits_total 1",
                "ingest_lag_seconds_count 3", "ingest_careful_batches_total 1", "ingest_batch_events_count 2",
                "ingest_commit_seconds_count 2", "ingest_queue_events 0"):
        assert row in text.splitlines(), text
    assert tenant not in text and "zither" not in text


# ---- a full disk

@contextlib.contextmanager
def small_disk(stack, partition):
    """A partition of raw on a file system of 1 MiB; gives what makes it larger."""
    path = stack.path("small")
    os.mkdir(path)
    owner = os.stat(stack.path("data"))
    options = f"size=1m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True,
                             text=True, check=False)
    if mounted.returncode != 0:
        os.rmdir(path)
        pytest.skip("a small file system needs the right to mount: " + mounted.stderr.strip())
    try:
        stack.query(f"create tablespace small location '{path}'")
        stack.query(f"alter table events_raw.{partition} set tablespace small")
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", path], check=True)
        stack.query(f"alter table events_raw.{partition} set tablespace pg_default")
        stack.query("drop tablespace small")
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def test_a_full_disk_stops_everything_and_loses_nothing(stack, tenants):
    """No space left for raw: not ready, 503, nothing accepted; with space again it goes on by itself."""
    tenant, other, _ = tenants
    with small_disk(stack, "event_201105") as enlarge, Instance(stack, "ingestd") as ingestd:
        acknowledged, failed = [], None
        for n in range(100):
            body = lines(tenant, range(20 * n, 20 * n + 20), 3 * KIB, "2011-05-10T10:00")
            answer = ingestd.post(body)
            if answer.status != 200:
                failed = body
                break
            acknowledged += body.splitlines()
        assert failed is not None and acknowledged
        assert answer.status == 503 and answer.json()["code"] == "MELMASTOON.GENERAL.UNAVAILABLE"
        assert int(answer.headers["Retry-After"]) >= 1
        wait_until(lambda: "No space left on device" in ingestd.log())  # the answer may be first

        def not_ready():
            ingestd.post(failed)
            ready = ingestd.http("GET", "/ready")
            return ready.status == 503 and ready.json()["reasons"]
        assert [reason["condition"] for reason in wait_until(not_ready)] == ["warehouse resources"]
        assert ingestd.post(lines(other, [1])).status in (200, 503)  # shut, or tried again after a while
        assert stored(stack, tenant) == sorted(acknowledged)

        enlarge()
        assert wait_until(lambda: (a := ingestd.post(failed)).status == 200 and a).json()["accepted"] == 20
        wait_until(lambda: ingestd.http("GET", "/ready").status == 200)
        assert stored(stack, tenant) == sorted(acknowledged + failed.splitlines())
