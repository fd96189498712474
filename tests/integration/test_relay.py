"""The outbox relay: at least once, in the order of the commits, a key stopped by its own failure only."""

import concurrent.futures
import json
import signal
import threading

import pytest
import zmq

import pgcluster
import platform_events as ev
from harness import BIN, PATIENCE, run, wait_until
from instance import Instance
from pubsub_topic import TOPIC, Topic

SUBJECT = "melmastoon.analytics.dashboard.updated.v1"
APPEND = "warehouse/postgres/outbox/append.sql"


@pytest.fixture(scope="module")
def quiet():
    """A stack whose own etld, which publishes to the bus, is stopped."""
    from harness import Stack
    stack = Stack()
    try:
        stack.up()
        stack.kill("etld", signal.SIGTERM)
        yield stack
    finally:
        stack.close()


def relay(stack, topic, **settings):
    return Instance(stack, "etld", publish_topic=TOPIC, pubsub_emulator_host=topic.address, job_lease="2s", poll_interval="50ms",
                    **settings)


def append(conn, key, n, tenant=None):
    conn.statement(APPEND, key, SUBJECT, tenant, json.dumps({"key": key, "n": n}), None)


def etld(stack, *words, check=0):
    return run([BIN + "/etld", "-c", stack.path("etc", "etld.conf"), *words], check)


def unpublished(stack):
    return int(stack.query("select count(*) from analytics_run.outbox where published_at is null")[0][0])


def test_two_writers_of_one_key_and_a_relay_that_is_killed(quiet):
    """What a reader has seen of a key never changes but at its end, and that is the order it is published in."""
    key, writers, each, seen, done = "key_two_writers", 2, 150, [], threading.Event()

    def write(writer):
        with pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
            for n in range(each):
                conn.query("begin")
                append(conn, key, [writer, n])
                conn.query("select pg_sleep(0.002)")  # the other one appends meanwhile, or would
                conn.query("commit")

    def watch():
        with pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
            while not done.is_set():
                seen.append([row[0] for row in conn.query(
                    "select outbox_id from analytics_run.outbox where ordering_key = $1 order by outbox_id", key)])

    with Topic() as topic, concurrent.futures.ThreadPoolExecutor(writers + 1) as pool:
        watching = pool.submit(watch)
        writing = [pool.submit(write, writer) for writer in range(writers)]
        for _ in range(2):
            before = len(topic.messages)
            with relay(quiet, topic) as one:
                wait_until(lambda: len(topic.messages) > before, 60)
                one.process.kill()
        with relay(quiet, topic) as last:
            for writer in writing:
                writer.result(PATIENCE)
            done.set()
            watching.result(PATIENCE)
            wait_until(lambda: unpublished(quiet) == 0, 60)
            metrics = last.http("GET", "/metrics").body.decode()
            assert 'outbox_published_total{transport="pubsub"}' in metrics and "outbox_oldest_unpublished_seconds" in metrics
        rows = quiet.query("select outbox_id, envelope from analytics_run.outbox where ordering_key = $1 order by outbox_id", key)
        assert topic.of(key) == [json.loads(envelope) for _, envelope in rows]
        final = [row[0] for row in rows]
        assert len(final) == writers * each and len(seen) > 10
        assert all(ids == final[:len(ids)] for ids in seen), "a row appeared before one that was seen"


def test_a_failure_stops_its_key_and_no_other(quiet):
    tenant = ev.tenant_id("relay")
    with Topic() as topic:
        refused = []
        topic.refuse = lambda key: 503 if key == "key_bad" and len(refused) < 2 and not refused.append(key) else None
        for n in range(3):
            for key in ("key_bad", tenant):
                with pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
                    append(conn, key, n, tenant)
        with relay(quiet, topic):
            wait_until(lambda: len(topic.of(tenant)) == 3, 60)
            wait_until(lambda: len(topic.of("key_bad")) == 3, 60)
        assert [e["n"] for e in topic.of("key_bad")] == [e["n"] for e in topic.of(tenant)] == [0, 1, 2]
        assert [n for key, _, n in topic.requests if key == "key_bad"][1:3] == [1, 1]  # one at a time after a failure
        assert {json.dumps(attributes) for key, _, attributes in topic.messages if key == tenant} == \
            {json.dumps({"eventType": SUBJECT, "tenantId": tenant})}


def test_a_key_is_parked_until_an_operator_retries(quiet):
    with Topic() as topic, pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
        topic.refuse = lambda key: 404 if key == "key_parked" else None
        append(conn, "key_parked", 0)
        append(conn, "key_parked", 1)
        with relay(quiet, topic) as one:
            def attempts():
                return int(conn.query("select max(attempts) from analytics_run.outbox where ordering_key = 'key_parked'")[0][0])

            for n in range(1, 10):  # each after a wait that doubles, to minutes: here the time is up at once
                wait_until(lambda n=n: attempts() >= n, 60)
                conn.query("update analytics_run.outbox set next_attempt_at = now() where ordering_key = 'key_parked' and attempts > 0")

            def alerts():
                return [e["payload"]["state"] for e in topic.of("_platform") if e["payload"].get("orderingKey") == "key_parked"]

            wait_until(lambda: alerts() == ["raised"], 60)
            status = json.loads(etld(quiet, "status", "--json").stdout)
            assert (status["outboxParkedKeys"], status["outboxUnpublished"]) == (1, 2)
            wait_until(lambda: "outbox_parked_keys 1" in one.http("GET", "/metrics").body.decode(), 60)
            [key] = map(json.loads, etld(quiet, "outbox", "list").stdout.splitlines())
            assert (key["orderingKey"], key["rows"], key["attempts"], key["lastError"]) == ("key_parked", 2, 10, "HTTP 404: not now")
            assert topic.of("key_parked") == []
            topic.refuse = lambda key: None
            assert etld(quiet, "outbox", "retry", "key_parked", 'no "such" key').stdout == "key_parked\n"
            wait_until(lambda: len(topic.of("key_parked")) == 2 and alerts() == ["raised", "resolved"], 60)
    for words in (["outbox"], ["outbox", "retry"], ["outbox", "list", "x"], ["outbox", "retry", "--al"]):
        assert "retry --all" in etld(quiet, *words, check=64).stderr


def test_tokens(quiet, tmp_path, monkeypatch):
    """From the metadata server, and from a file that comes later."""
    token_file = tmp_path / "token"
    with Topic() as topic, pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
        settings = {"pubsub_emulator_host": "", "pubsub_endpoint": f"http://{topic.address}",
                    "publish_topic": TOPIC, "poll_interval": "50ms"}
        monkeypatch.setenv("GCE_METADATA_HOST", topic.address)
        append(conn, "key_meta", 0)
        with Instance(quiet, "etld", **settings):
            wait_until(lambda: topic.of("key_meta"), 60)
        with Instance(quiet, "etld", **settings, publish_token_file=str(token_file)):
            append(conn, "key_file", 0)
            token_file.write_text("ya29.file\n", encoding="ascii")
            wait_until(lambda: topic.of("key_file"), 60)
        assert {key: token for key, token, _ in topic.requests if key in ("key_meta", "key_file")} == \
            {"key_meta": "Bearer ya29.meta", "key_file": "Bearer ya29.file"}


def test_the_bus_gets_subject_and_envelope(quiet):
    endpoint = "ipc://" + quiet.path("run", "relay-test.sock")
    context = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    subscriber.subscribe(b"melmastoon.analytics.dashboard.")
    subscriber.connect(endpoint)
    with Instance(quiet, "etld", bus_listen=endpoint, poll_interval="50ms"), \
            pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
        sent = []

        def heard():
            """A subscriber that joins late misses what was sent before: append until one arrives."""
            append(conn, "key_bus", len(sent))
            sent.append(len(sent))
            return subscriber.poll(200)

        wait_until(heard, 60)
        subject, envelope = subscriber.recv_multipart()
        assert subject.decode() == SUBJECT and json.loads(envelope)["key"] == "key_bus"
        wait_until(lambda: unpublished(quiet) == 0, 60)
    context.destroy(linger=0)


def test_pruning(quiet):
    with pgcluster.Conn(quiet.env["WAREHOUSE_URL"]) as conn:
        append(conn, "key_old", 0)
        append(conn, "key_old", 1)
        conn.query("update analytics_run.outbox set published_at = now() - interval '8 days' where ordering_key = 'key_old'"
                   " and outbox_id = (select min(outbox_id) from analytics_run.outbox where ordering_key = 'key_old')")
        conn.statement("warehouse/postgres/relay/prune.sql", "7 days", 100)
        assert conn.query("select count(*) from analytics_run.outbox where ordering_key = 'key_old'") == [["1"]]
        conn.query("update analytics_run.outbox set published_at = now() where published_at is null")
