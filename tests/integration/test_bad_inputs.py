"""Every input of bad_inputs.py to one ingestd, which answers each as the table says, stays well, and
lands exactly what should have landed."""

import os
import re
import socket
import sys
import urllib.parse

import pytest

import bad_inputs as table
from bad_inputs import JSON, LANDS, NDJSON, TENANT, own
from harness import CHECKOUT, wait_until
from instance import Instance
from test_ingest import counts, dead_letters, stored, talk

sys.path.append(os.path.join(CHECKOUT, "tools"))
from stacklib import tokens


@pytest.fixture(scope="module")
def door(stack):
    """An ingestd of its own that must be as well after all of it as before, and what should have landed."""
    before = last_batch(stack)
    landed = []
    with Instance(stack, "ingestd", read_timeout="3s") as ingestd:
        yield ingestd, landed
        assert ingestd.http("GET", "/ready").status == 200
        last = own("the last", table.event())
        assert counts(ingestd.post(last)) == [1, 0, 0, 0]
    assert sorted(body.strip() for body in stored(stack, TENANT)) == sorted(body.strip() for body in [*landed, last])
    assert landed_after(stack, before) == len(landed) + 1


def last_batch(stack):
    return stack.query("select coalesce(max(batch_id), 0) from events_raw.event")[0][0]


def landed_after(stack, batch):
    """Events of whomever; what landed before may be purged meanwhile, by a job of another file's tenant."""
    return int(stack.query("select count(*) from events_raw.event where batch_id > $1", batch)[0][0])


def check_all(cases, check):
    """Runs check(name, …) for every case and shows all that differ at once."""
    wrong = []
    for case in cases:
        try:
            check(*case)
        except AssertionError as fault:
            wrong.append(f"{case[0]}: {fault}")
    assert not wrong, f"{len(wrong)} of {len(cases)} cases:\n" + "\n".join(wrong)


def test_there_are_enough():
    cases = [case for cases in (table.EVENTS, table.BODIES, table.ENCODINGS, table.PUSHES, table.REQUESTS, table.CLAIMS,
                                table.HEADERS) for case in cases]
    assert len(cases) >= 400
    for cases in (table.EVENTS, table.BODIES, table.PUSHES, table.REQUESTS):
        assert len({case[0] for case in cases}) == len(cases), "names are ids"


def send(ingestd, body, kind, token=None, **headers):
    token = token or ingestd.stack.env["INGESTD_TOKEN"]
    return ingestd.http("POST", "/v1/events", body,
                        {"Content-Type": kind, "Authorization": "Bearer " + token, **headers})


def test_single_events(stack, door):
    """Alone, and then all of them as the lines of one body."""
    ingestd, landed = door

    def check(name, event, reason, place):
        event = own(name, event)
        answer = send(ingestd, event, JSON)
        assert counts(answer) == ([1, 0, 0, 0] if reason is LANDS else [0, 0, 0, 1]), answer
        if reason is LANDS:
            landed.append(event)
            return
        [error] = answer.json()["errors"]
        assert (error["index"], error["code"]) == (0, reason) and error["detail"].startswith(place), error
        [kept] = dead_letters(stack, event)
        assert kept[0] == reason and kept[1] == error["detail"], kept

    check_all(table.EVENTS, check)
    lines = [(own(name, event), reason) for name, event, reason, _ in table.EVENTS]
    answer = send(ingestd, b"\n".join(line for line, _ in lines), NDJSON)
    bad = [(n, reason) for n, (_, reason) in enumerate(lines) if reason is not LANDS]
    assert counts(answer) == [0, len(lines) - len(bad), 0, len(bad)]
    assert sorted((e["index"], e["code"]) for e in answer.json()["errors"]) == bad


def test_whole_bodies(door):
    ingestd, landed = door

    def check(name, kind, body, expected):
        body = own(name, body)
        answer = send(ingestd, body, kind)
        if isinstance(expected, int):
            assert answer.status == expected, answer
            assert answer.headers["Content-Type"] == "application/problem+json"
            return
        assert counts(answer) == expected[:4], answer
        assert sorted((e["index"], e["code"]) for e in answer.json()["errors"]) == expected[4:], answer
        landed.extend([own(name, table.A), own(name, table.B)][:expected[0]])

    check_all(table.BODIES, check)


def test_content_encodings(door):
    ingestd, landed = door

    def check(coding, body, status):
        answer = send(ingestd, own(coding, body), JSON, **{"Content-Encoding": coding})
        assert answer.status == status, answer
        if status == 200:
            landed.append(own(coding, body))

    check_all(table.ENCODINGS, check)


@pytest.fixture(scope="module")
def push(stack, door):
    """push(body): its answer"""
    ingestd, _ = door
    headers = {"Content-Type": JSON, "Authorization": "Bearer " + stack.token(None, "--oidc", tokens.PUSH_EMAIL)}
    return lambda body: ingestd.http("POST", "/pubsub/push", body, headers)


def with_event(body, event):
    """A body of the table with the event in its place."""
    return body.replace(b"=@=", table.b64(event).encode())


def test_the_largest_push(door, push):
    _, landed = door
    event = own("the largest push", table.A)
    body = with_event(table.push(table.message()), event).ljust(16 * table.MIB)
    assert push(body + b" ").status == 413
    assert push(body).status == 204
    landed.append(event)


def test_push_bodies(stack, door, push):
    _, landed = door

    def check(name, body, reason, place):
        event = own(name, table.A)
        answer = push(with_event(body, event))
        assert answer.status == 204 and answer.body == b"", answer
        if reason is LANDS:
            landed.append(event)
            return
        kept = stack.query("select reason, place from analytics_run.dead_letter order by last_seen desc limit 1")
        assert kept[0][0] == reason and kept[0][1].startswith(place), kept

    check_all(table.PUSHES, check)


# ---- HTTP

def statuses(said):
    """Those of all answers on a connection, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]


def test_requests(stack, door):
    ingestd, landed = door

    def check(name, request, expected, lands):
        request = own(name, request).replace(b"%TOKEN%", stack.env["INGESTD_TOKEN"].encode())
        said = talk(ingestd.url, request)
        assert statuses(said) == expected, said[:600]
        assert said.count(b"application/problem+json") == sum(status >= 400 for status in expected), said[:600]
        landed.extend([own(name, table.A), own(name, table.B)][:lands])

    check_all(table.REQUESTS, check)


def test_a_client_that_leaves_before_the_end(stack, door):
    """Half a request lands nothing, a whole one lands even if nobody waits for the answer."""
    ingestd, landed = door
    whole = own("leaves", table.request()).replace(b"%TOKEN%", stack.env["INGESTD_TOKEN"].encode())
    for length in range(0, len(whole) - 1, 97):
        leave(ingestd.url, whole[:length])
    leave(ingestd.url, whole)
    event = own("leaves", table.A)
    landed.append(event)
    wait_until(lambda: event in stored(stack, TENANT))


def leave(url, sent):
    where = urllib.parse.urlsplit(url)
    with socket.create_connection((where.hostname, where.port)) as client:
        client.sendall(sent)


# ---- tokens

def test_claims(stack, door):
    ingestd, landed = door

    def check(name, changes, status):
        claims = {key: value for key, value in {**tokens.service_claims("bad inputs"), **changes}.items()
                  if value is not None}
        answer = send(ingestd, own(name, table.event()), JSON, tokens.sign(stack.path, "EdDSA", claims))
        assert answer.status == status, answer
        if status == 200:
            landed.append(own(name, table.event()))

    check_all(table.CLAIMS, check)


def test_authorization(stack, door):
    ingestd, landed = door

    def check(name, header, status):
        header = header.replace("%TOKEN%", stack.env["INGESTD_TOKEN"])
        answer = ingestd.http("POST", "/v1/events", own(name, table.event()), {
            "Content-Type": JSON, "Authorization": header})
        assert answer.status == status, answer
        if status == 200:
            landed.append(own(name, table.event()))

    check_all(table.HEADERS, check)
