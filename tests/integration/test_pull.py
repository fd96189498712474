"""Pub/Sub by pull: acknowledged after the commit, extended while it takes long, handed back when it fails."""

import signal

import pytest

import platform_events as ev
from harness import wait_until
from instance import Instance
from pubsub_pull_server import PullServer
from test_ingest import WHEN, booking, dead_letters, landing_held, stored, text_of, waiting


@pytest.fixture
def tenant(request):
    return ev.tenant_id(request.node.nodeid)


@pytest.fixture
def emulator(monkeypatch):
    """emulator(server): an ingestd started now asks it."""
    return lambda server: monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.host)


def puller(stack, server, **settings):
    return Instance(stack, "ingestd", pull_subscriptions=server.subscription, **settings)


def metric(ingestd, name):
    text = ingestd.http("GET", "/metrics").body.decode()
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def test_pulled_landed_acknowledged(stack, tenant, emulator):
    """All that happens to events on other doors happens here: attributes, conflicts, dead letters, order."""
    good = [text_of(booking(tenant, n)) for n in range(20)]
    conflict, bad = text_of(booking(tenant, 0, quoteId="qte_1")), text_of(booking(tenant, 50), tenantId=None)
    bare = text_of({"occurredAt": ev.wire_time(WHEN), "payload": {"tenant": tenant}})
    with PullServer() as server:
        emulator(server)
        for n, body in enumerate(good):
            server.publish(body, key=f"key-{n % 3}")
        server.publish(bare, {"eventType": "melmastoon.maintenance.order.opened.v2", "tenantId": tenant})
        server.publish(bad)
        server.publish(good[3])
        with puller(stack, server, pull_messages=7) as ingestd:
            wait_until(server.all_acknowledged)
            server.publish(conflict)
            wait_until(server.all_acknowledged)
            assert metric(ingestd, "ingest_pulled_messages_total") == len(server.messages)
            assert metric(ingestd, 'ingest_events_total{domain="reservation",outcome="duplicate"}') == 1
        assert set(server.deliveries()) == {1}
        assert max(len(b["ackIds"]) for b in server.bodies("acknowledge")) <= 7
    assert sorted(stored(stack, tenant)) == sorted([*good, bare])
    assert [row[0] for row in dead_letters(stack, bad)] == ["missing_tenant"]
    assert [row[0] for row in dead_letters(stack, conflict)] == ["conflict"]
    assert stack.query("select event_id, ordering_key from events_raw.event where tenant_id = $1 and subject like "
                       "'%maintenance%'", tenant) == [["21", None]]


def test_not_before_the_commit_and_extended_meanwhile(stack, tenant, emulator):
    with PullServer(deadline=1.5) as server:
        emulator(server)
        with puller(stack, server, pull_lease="2s"), landing_held(stack):
            server.publish(text_of(booking(tenant)))
            wait_until(lambda: waiting(stack) == 1)
            wait_until(lambda: len(server.bodies("modifyAckDeadline")) >= 3)  # longer than its own deadline
            assert server.bodies("acknowledge") == [] and stored(stack, tenant) == []
        assert all(b == {"ackIds": ["1-1"], "ackDeadlineSeconds": 2} for b in server.bodies("modifyAckDeadline"))
        assert server.all_acknowledged() and server.deliveries() == [1]
    assert len(stored(stack, tenant)) == 1


def test_handed_back_when_the_landing_fails(stack, tenant, emulator):
    events = [text_of(booking(tenant, n)) for n in range(3)]
    with PullServer(deadline=600) as server:
        emulator(server)
        with puller(stack, server) as ingestd:
            with landing_held(stack):
                server.publish_all(events)
                wait_until(lambda: waiting(stack) == 1)
                stack.kill("postgres", signal.SIGQUIT)
                wait_until(lambda: any(b["ackDeadlineSeconds"] == 0 for b in server.bodies("modifyAckDeadline")))
            wait_until(lambda: ingestd.http("GET", "/ready").status == 503)
            asked = len(server.bodies("pull"))
            wait_until(lambda: ingestd.http("GET", "/health").status == 200)
            assert len(server.bodies("pull")) <= asked + 1  # one may have been under way
            stack.up()
            wait_until(server.all_acknowledged)
        assert all(n >= 2 for n in server.deliveries())
    assert sorted(stored(stack, tenant)) == sorted(events)


def test_redelivery_is_a_duplicate(stack, tenant, emulator):
    """An acknowledgement that got lost: the message comes again, and is acknowledged then."""
    with PullServer(deadline=0.5) as server:
        emulator(server)
        server.fail("acknowledge", 503)
        server.publish(text_of(booking(tenant)))
        with puller(stack, server) as ingestd:
            wait_until(server.all_acknowledged)
            assert metric(ingestd, 'ingest_events_total{domain="reservation",outcome="duplicate"}') >= 1
            assert metric(ingestd, "ingest_pull_failures_total") == 1
        assert server.deliveries()[0] >= 2
    assert len(stored(stack, tenant)) == 1


def test_outstanding_is_bounded(stack, tenant, emulator):
    with PullServer() as server:
        emulator(server)
        with puller(stack, server, pull_messages=4, pull_outstanding=10):
            with landing_held(stack):
                server.publish_all([text_of(booking(tenant, n)) for n in range(30)])
                wait_until(lambda: sum(server.deliveries()) == 10)
                wait_until(lambda: waiting(stack) >= 1)
                assert [b["maxMessages"] for b in server.bodies("pull")][-3:] == [4, 4, 2]
            wait_until(server.all_acknowledged)
    assert len(stored(stack, tenant)) == 30


@pytest.mark.parametrize("failure", [
    503, 429, 404, (200, b"no JSON"), (200, b"[]"), (200, b'{"receivedMessages":7}'), (200, b""),
    (200, b'{"receivedMessages":[{}]'), (200, b'{"receivedMessages":null}')])
def test_answers_that_are_none(stack, tenant, emulator, failure):
    """Each is tried again a little later; the messages come all the same."""
    with PullServer() as server:
        emulator(server)
        server.fail("pull", failure)
        server.publish(text_of(booking(tenant)))
        with puller(stack, server) as ingestd:
            wait_until(server.all_acknowledged)
            assert metric(ingestd, "ingest_pull_failures_total") == 1
    assert len(stored(stack, tenant)) == 1


def test_a_broken_message_spoils_no_other(stack, tenant, emulator):
    """What is no message is a dead letter, and acknowledged as far as it has an id."""
    broken = [b'{"ackId":"1-7","message":7}', b'{"ackId":"1-8","message":{"data":"*"},"marker":"%s"}' % tenant.encode(),
              b'{"message":{"attributes":{"x":"\\u0000"}},"ackId":"1-9"}', b"7"]
    with PullServer() as server:
        emulator(server)
        server.publish(text_of(booking(tenant)))
        server.fail("pull", (200, b'{"receivedMessages":[%s]}' % b",".join(broken)))
        with puller(stack, server):
            wait_until(server.all_acknowledged)
            wait_until(lambda: {"ackIds": ["1-7", "1-8"]} in server.bodies("acknowledge"))
    assert stored(stack, tenant) == [text_of(booking(tenant))]
    assert [row[0] for text in broken for row in dead_letters(stack, text)] == [
        "bad_message", "bad_message", "invalid_json", "bad_message"]


def test_a_token_of_the_metadata_server(stack, tenant, monkeypatch):
    with PullServer(token="ya29.a-token") as server:
        monkeypatch.setenv("GCE_METADATA_HOST", server.host)
        server.publish(text_of(booking(tenant)))
        with puller(stack, server, pull_url=server.url):
            wait_until(server.all_acknowledged)
        assert server.bodies("token") == ["Google"]


def test_a_token_of_a_file(stack, tenant, tmp_path):
    (tmp_path / "token").write_text("old\n")
    with PullServer(token="new") as server:
        server.publish(text_of(booking(tenant)))
        with puller(stack, server, pull_url=server.url, pull_token_file=tmp_path / "token") as ingestd:
            wait_until(lambda: metric(ingestd, "ingest_pull_failures_total") >= 1)
            (tmp_path / "token").write_text("new\n")
            wait_until(server.all_acknowledged)


@pytest.mark.parametrize("name", ["s", "projects/p/subscriptions/", "projects/p/topics/t", "projects//subscriptions/s",
                                  "projects/p/subscriptions/s?x", "projects/p/subscriptions/a/b"])
def test_a_name_that_is_none(stack, name):
    with pytest.raises(AssertionError, match="ended") as ended:
        Instance(stack, "ingestd", pull_subscriptions=name)
    assert "pull_subscriptions" in str(ended.value)
