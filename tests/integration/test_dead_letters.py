"""What an operator does about events that could not land: `ingestd dead-letter`, and the alerts about them."""

import base64
import hashlib
import json
import os
import subprocess
import sys

import pytest

import platform_events as ev
from harness import BIN, CHECKOUT, run, wait_until

sys.path.append(os.path.join(CHECKOUT, "tools"))
from stacklib import tokens

WHEN = "2024-03-01T10:00"
ALERT = "melmastoon.analytics.data_quality.alert.v1"


@pytest.fixture
def tenant(request):
    """The id of a tenant that only this test uses."""
    return ev.tenant_id(request.node.nodeid)


def command(stack, *words):
    return [BIN + "/ingestd", "-c", stack.path("etc", "ingestd.conf"), "dead-letter", *words]


def dead_letter(stack, *words, check=0):
    """Its lines of JSON."""
    return [json.loads(line) for line in run(command(stack, *words), check).stdout.splitlines()]


def keep(stack, body, reason, source="events", attributes=None, transport=None, tenant=None, subject=None, n=0):
    """A dead letter as a reader of long ago left it behind; its id."""
    letter = "dlq_" + ev.ulid("2024-05-01T00:00", body, reason, n)
    stack.query(
        "insert into analytics_run.dead_letter (dead_letter_id, fingerprint, reason, severity, body, source, attributes,"
        " transport, tenant_id, subject) values ($1, decode($9, 'hex'), $2, 'warning', decode($3, 'hex'), $4, $5, $6, $7, $8)",
        letter, reason, body.hex(), source, attributes, transport, tenant, subject,
        hashlib.sha256(reason.encode() + b"\0" + body).hexdigest())
    return letter


def text(event):
    return json.dumps(event).encode()


def booking(tenant, n=0, **more):
    return ev.reservation(tenant, "held", WHEN, ev.ident("rsv", tenant, n), **more)


def stored(stack, tenant):
    return [row[0].encode() for row in stack.query(
        "select body from events_raw.event where tenant_id = $1 order by dedupe_key", tenant)]


def state(stack, letter):
    """(reason, times, outcome) of a letter; no outcome: it is open."""
    return tuple(stack.query("select reason, times, case when replayed_at is not null then replay_outcome end"
                             " from analytics_run.dead_letter where dead_letter_id = $1", letter)[0])


def test_list_and_show(stack, tenant):
    subject = "melmastoon.dead_letters.shown.v1"
    body = b'{"id": "evt_1", "subject": "%s", "tenantId": "%s", "note": "\xc2\xb6"}' % (subject.encode(), tenant.encode())
    for _ in range(2):
        assert stack.send_events(body)["deadLettered"] == 1
    [letter] = dead_letter(stack, "list", "--subject", "melmastoon.dead_letters.*", "--tenant", tenant)
    assert (letter["reason"], letter["times"], letter["bytes"], letter["state"]) == ("missing_time", 2, len(body), "open")
    assert letter["firstSeen"] <= letter["lastSeen"] and letter["subject"] == subject and letter["source"] == "events"
    assert dead_letter(stack, "list", "--tenant", tenant, "--reason", "bad_time") == []
    assert dead_letter(stack, "list", "--tenant", tenant, "--until", "1h") == []
    assert len(dead_letter(stack, "list", "--tenant", tenant, "--since", "1h")) == 1

    [whole] = dead_letter(stack, "show", letter["id"])
    assert whole["body"] == body.decode() and whole["place"] == letter["place"] and whole["acknowledgedAt"] is None
    binary = keep(stack, b"\xff\x00{", "invalid_utf8", tenant=tenant)
    assert dead_letter(stack, "show", binary)[0]["bodyBase64"] == base64.b64encode(b"\xff\x00{").decode()
    raw = subprocess.run(command(stack, "show", "--raw", binary), capture_output=True, check=True)
    assert raw.stdout == b"\xff\x00{"


@pytest.mark.parametrize("words, why", [
    ([], "list, show, replay or acknowledge"), (["drop"], "not drop"), (["show"], "one id"),
    (["show", "dlq_1"], "dlq_<ULID>"), (["list", "--reason", "typo"], "no reason 'typo'"),
    (["list", "--since", "yesterday"], "is no time"), (["list", "--limit", "0"], "1 to"),
    (["list", "--dry-run"], "no option"), (["replay"], "or say --all"), (["replay", "--reason"], "needs a value")])
def test_a_wrong_command_line(stack, words, why):
    done = run(command(stack, *words), 64)
    assert why in done.stderr and done.stdout == ""


def test_replay(stack, tenant):
    """Letters of every kind: what can be read now lands, once; the others stay, under today's reason."""
    reason = "too_many_keys"
    stack.query("delete from analytics_run.dead_letter where reason = $1", reason)  # what other tests left
    good, pushed, twice = (booking(tenant, n) for n in range(3))
    del pushed["tenantId"], pushed["id"]
    wrapper = {"message": {"data": base64.b64encode(text(booking(tenant, 3))).decode(), "messageId": "4", "attributes": {"a": "1"}}}
    landed = booking(tenant, 4)
    assert stack.send_events([landed])["accepted"] == 1
    letters = {
        "lands": keep(stack, text(good), reason),
        "by its transport": keep(stack, text(pushed), reason, "pubsub_push", json.dumps({"tenantId": tenant, "eventType": "x"}),
                                 json.dumps({"messageId": "2070443601311540", "orderingKey": "k"})),
        "wrapped": keep(stack, text(wrapper), reason, "pubsub_push"),
        "twice": keep(stack, text(twice), reason, n=1), "and again": keep(stack, text(twice) + b" ", reason, n=2),
        "landed before": keep(stack, text(landed), reason),
        "in the way": keep(stack, text({**landed, "payload": {"quoteId": "qte_1"}}), reason),
        "still bad": keep(stack, text({**good, "occurredAt": "never"}), reason)}

    told = {line["id"]: line for line in dead_letter(stack, "replay", "--reason", reason, "--dry-run", check=65)}
    assert set(told) == set(letters.values()) and len(stored(stack, tenant)) == 1
    assert [told[letters[name]]["outcome"] for name in letters] == [
        "accepted", "accepted", "accepted", "accepted", "accepted", "duplicate", "conflict", "bad_time"]
    assert told[letters["still bad"]]["place"].startswith("$.occurredAt")
    assert state(stack, letters["lands"]) == (reason, "1", None)

    done = {line["id"]: line["outcome"] for line in dead_letter(stack, "replay", "--reason", reason, check=65)}
    assert done[letters["lands"]] == done[letters["by its transport"]] == done[letters["wrapped"]] == "accepted"
    assert sorted([done[letters["twice"]], done[letters["and again"]]]) == ["accepted", "duplicate"]
    assert state(stack, letters["landed before"]) == (reason, "1", "duplicate")
    assert state(stack, letters["in the way"]) == ("conflict", "1", None)
    assert state(stack, letters["still bad"]) == ("bad_time", "1", None)
    bodies = stored(stack, tenant)
    assert len(bodies) == 5 and {text(good), text(pushed), text(booking(tenant, 3)), text(landed)} <= set(bodies)
    assert stack.query("select event_id, ordering_key, attributes from events_raw.event where tenant_id = $1 and body = $2", tenant,
                       text(pushed).decode()) == [["2070443601311540", f"{tenant}:{ev.ident('rsv', tenant, 1)}",
                                                   json.dumps({"tenantId": tenant, "eventType": "x"})]]

    assert dead_letter(stack, "replay", "--reason", reason) == []  # nothing is left
    again = dead_letter(stack, "replay", letters["in the way"], letters["still bad"], letters["lands"], check=65)
    assert [line["outcome"] for line in again if line["id"] == letters["in the way"]] == ["conflict"] and len(again) == 2
    assert state(stack, letters["in the way"]) == ("conflict", "1", None) and len(stored(stack, tenant)) == 5
    # the same bytes under today's reason: one letter is enough
    assert stack.send_events(text({**good, "occurredAt": "today"}))["deadLettered"] == 1
    old = keep(stack, text({**good, "occurredAt": "today"}), "too_deep")
    assert [line["outcome"] for line in dead_letter(stack, "replay", old, check=65)] == ["superseded"]


def test_an_id_from_the_message_is_kept(stack, tenant):
    """A letter of an event that could be read has no message any more, but the id that came from it."""
    def push(n):
        event = {k: v for k, v in booking(tenant, n).items() if k != "id"}
        message = {"data": base64.b64encode(text(event)).decode(), "messageId": "2070443601311541"}
        return stack.http("POST", "ingestd", "/pubsub/push", {"message": message},
                          stack.token(None, "--oidc", tokens.PUSH_EMAIL)).status
    assert [push(0), push(1)] == [204, 204]
    [letter] = dead_letter(stack, "list", "--tenant", tenant)
    assert letter["reason"] == "conflict"
    told = dead_letter(stack, "replay", letter["id"], check=65)
    assert [line["outcome"] for line in told] == ["conflict"] and state(stack, letter["id"]) == ("conflict", "1", None)


def test_replay_survives_a_kill(stack, tenant):
    """Killed anywhere and run again: every letter lands once and is done."""
    reason, bodies = "wrong_region", [text(booking(tenant, n)) for n in range(300)]
    for body in bodies:
        keep(stack, body, reason)
    landed = 0
    while landed < len(bodies):
        with subprocess.Popen(command(stack, "replay", "--reason", reason), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as replay:
            wait_until(lambda: len(stored(stack, tenant)) > landed or replay.poll() is not None)
            replay.kill()
        assert len(stored(stack, tenant)) > landed, "it stands still"
        landed = len(stored(stack, tenant))
    run(command(stack, "replay", "--reason", reason), 0)
    assert sorted(stored(stack, tenant)) == sorted(bodies)
    assert stack.query("select count(*) from analytics_run.dead_letter where reason = $1 and replayed_at is null", reason) == [["0"]]


def alerts(stack, subject):
    """(tenant, key, severity, state, observed) of the alerts about dead letters of a subject."""
    rows = stack.query("select envelope, ordering_key from analytics_run.outbox where subject = $1 order by outbox_id", ALERT)
    told = [(json.loads(envelope), key) for envelope, key in rows]
    return [(e["tenantId"], key, e["payload"]["severity"], e["payload"]["state"], e["payload"]["observed"])
            for e, key in told if e["payload"].get("subject") == subject]


def alert_letters(stack, subject):
    return stack.query("select letters from analytics_run.dead_letter_alert where subject = $1", subject)


def test_a_flood_is_one_alert(stack):
    subject = "melmastoon.dead_letters.flood.v1"
    lines = "".join(json.dumps({"id": f"evt_{n}", "subject": subject, "occurredAt": "2024-03-01T10:00:00Z"}) + "\n"
                    for n in range(2500))
    assert stack.send_events(lines)["deadLettered"] == 2500
    wait_until(lambda: alert_letters(stack, subject) == [["2500"]], 60)
    [(tenant, key, severity, raised, observed)] = alerts(stack, subject)
    assert (tenant, key, severity, raised) == (None, "_platform", "critical", "raised") and 0 < observed <= 2500
    assert "2500 acknowledged" in run(command(stack, "acknowledge", "--subject", subject)).stderr
    wait_until(lambda: alert_letters(stack, subject) == [], 60)
    assert [alert[3] for alert in alerts(stack, subject)] == ["raised", "resolved"]
    assert dead_letter(stack, "list", "--subject", subject) == []


def test_an_alert_ends_with_the_replay(stack, tenant):
    event = booking(tenant)
    subject = event["subject"] = "melmastoon.dead_letters.mended.v1"
    letter = keep(stack, text(event), "missing_time", tenant=tenant, subject=subject)
    wait_until(lambda: alerts(stack, subject) == [(tenant, tenant, "warning", "raised", 1)], 60)
    run(command(stack, "replay", letter), 0)
    wait_until(lambda: [alert[3] for alert in alerts(stack, subject)] == ["raised", "resolved"], 60)


def test_our_own_events_come_back(stack, tenant):
    """By the wildcard: they land, touch no projection, and raise no alert, not even when they are broken."""
    subject = "melmastoon.dead_letters.echo.v1"
    for body in ({"id": "evt_1", "subject": subject, "occurredAt": "2024-03-01T10:00:00Z"},
                 {"id": "evt_2", "subject": subject, "tenantId": tenant}):
        assert stack.send_events([body])["deadLettered"] == 1
    wait_until(lambda: len(alerts(stack, subject)) == 2, 60)
    ours = [row[0] for row in stack.query("select envelope from analytics_run.outbox where subject = $1 and envelope like $2",
                                          ALERT, f"%{subject}%")]
    touched = stack.query("select count(*), sum(data_version) from analytics_run.table_state where tenant_id in ($1, '_platform')", tenant)
    assert stack.send_events("".join(envelope + "\n" for envelope in ours))["accepted"] == 2
    rows = stack.query("select tenant_id, domain from events_raw.event where subject = $1 and body like $2 order by 1",
                       ALERT, f"%{subject}%")
    assert rows == [["_platform", "analytics"], [tenant, "analytics"]]
    broken = {**json.loads(ours[0]), "id": "evt_echo", "occurredAt": "never"}
    assert stack.send_events([broken])["deadLettered"] == 1
    stack.wait()
    wait_until(lambda: stack.query("select count(*) from analytics_run.dead_letter where event_id = 'evt_echo' and alerted") == [["1"]], 60)
    assert len(alerts(stack, subject)) == 2 and alerts(stack, ALERT) == []
    assert stack.query("select count(*), sum(data_version) from analytics_run.table_state where tenant_id in ($1, '_platform')",
                       tenant) == touched
