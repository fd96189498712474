"""Shapes of events: each set of members and types is recorded once, by whichever process meets it."""

import threading

import platform_events as ev
from harness import wait_until
from instance import Instance
from test_ingest import WHEN, counts, post, text_of


def shapes(stack, subject):
    return stack.query("select schema_version, paths from analytics_run.event_shape where subject = $1 "
                       "order by schema_version, paths", subject)


def event(tenant, subject, n, version=1, **payload):
    return text_of({"id": "evt_" + ev.ulid(WHEN, subject, n), "subject": subject, "tenantId": tenant,
                    "occurredAt": ev.wire_time(WHEN), "schemaVersion": version, "payload": payload})


def test_each_shape_once(stack, request):
    tenant, subject = ev.tenant_id(request.node.nodeid), "melmastoon.some_day.shape.changed.v1"
    sent = [event(tenant, subject, n, **payload) for n, payload in enumerate([
        {"rooms": 1}, {"rooms": 7}, {"rooms": 1, "note": None}, {"rooms": "1"}, {"rooms": 1, "note": "x"}])]
    sent += [event(tenant, subject, 9, version=2, rooms=1), event(tenant, subject, 10, rates={"USD": 1, "EUR": 2}),
             event(tenant, subject, 11, rates={"AFN": 1})]
    with Instance(stack, "ingestd") as other:
        posts = [threading.Thread(target=lambda: counts(other.post(b"\n".join(sent)))),
                 threading.Thread(target=lambda: counts(post(stack, b"[" + b",".join(sent) + b"]")))]
        for one in posts:
            one.start()
        for one in posts:
            one.join()
        wait_until(lambda: len(shapes(stack, subject)) == 5)
        head = "id string\noccurredAt string\npayload object\n"
        tail = "schemaVersion number\nsubject string\ntenantId string\n"
        assert shapes(stack, subject) == [
            ["1", head + "payload.note string\npayload.rooms number\n" + tail],
            ["1", head + "payload.rates object\npayload.rates.* number\n" + tail],
            ["1", head + "payload.rooms number\n" + tail], ["1", head + "payload.rooms string\n" + tail],
            ["2", head + "payload.rooms number\n" + tail]]
        known = stack.query("select * from analytics_run.event_shape order by subject, fingerprint")
        assert counts(other.post(b"\n".join(sent))) == [0, len(sent), 0, 0]
        assert stack.query("select * from analytics_run.event_shape order by subject, fingerprint") == known


def test_a_sender_of_ever_new_shapes(stack, request):
    """Bounded for its subject, told nothing, and its events land like any other."""
    tenant, subject = ev.tenant_id(request.node.nodeid), "melmastoon.some_day.shape.flooded.v1"
    events = [event(tenant, subject, n, **{"key_" + "".join(chr(97 + n // 26 ** k % 26) for k in range(3)): n})
              for n in range(600)]
    assert counts(post(stack, b"[" + b",".join(events) + b"]")) == [600, 0, 0, 0]
    wait_until(lambda: len(shapes(stack, subject)) == 64)
    other = subject.replace("flooded", "quiet")
    assert counts(post(stack, event(tenant, other, 0))) == [1, 0, 0, 0]
    wait_until(lambda: len(shapes(stack, other)) == 1 or counts(post(stack, event(tenant, other, 0))) and False)
    assert len(shapes(stack, subject)) == 64
