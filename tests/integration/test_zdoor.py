"""The ZeroMQ door: events and batches, answers after the commit, what cannot be read, CURVE, pressure."""

import contextlib
import json
import os
import signal
import stat

import pytest
import zmq

import platform_events as ev
from harness import PATIENCE, wait_until
from instance import Instance
from test_ingest import booking, dead_letters, landing_held, stored, text_of, waiting

MIB = 1 << 20


@pytest.fixture
def tenant(request):
    return ev.tenant_id(request.node.nodeid)


@pytest.fixture
def context():
    with zmq.Context() as made:
        yield made


@contextlib.contextmanager
def client(context, endpoint, kind=zmq.REQ, **options):
    with context.socket(kind) as made:
        made.setsockopt(zmq.LINGER, 0)
        made.setsockopt(zmq.RCVTIMEO, 30000)
        made.setsockopt(zmq.SNDTIMEO, 30000)
        for name, value in options.items():
            made.setsockopt(getattr(zmq, name), value)
        made.connect(endpoint)
        yield made


def ask(socket, body):
    socket.send(body)
    return json.loads(socket.recv())


def counts(told):
    return [told[k] for k in ("accepted", "duplicates", "conflicts", "deadLettered")]


@pytest.mark.parametrize("shape", ["one", "indented", "array", "ndjson", "ndjson, the first line bad"])
def test_what_a_message_may_be(stack, tenant, context, shape):
    texts = [text_of(booking(tenant, n)) for n in range(3)]
    body = {"one": texts[0], "indented": json.dumps(booking(tenant), indent=1).encode() + b"\n",
            "array": b"[\n" + b",\n".join(texts) + b"\n]", "ndjson": b"\r\n".join([b"", *texts, b""]),
            "ndjson, the first line bad": b"\n".join([b"{", *texts])}[shape]
    landed = 1 if shape in ("one", "indented") else 3
    with client(context, stack.env["EVENTS_ENDPOINT"]) as req:
        told = ask(req, body)
        assert counts(told) == [landed, 0, 0, 1 if "bad" in shape else 0]
        assert [e["index"] for e in told["errors"]] == ([0] if "bad" in shape else [])
        assert counts(ask(req, body))[1] == landed
    assert len(stored(stack, tenant)) == landed


def test_conflicts_and_dead_letters(stack, tenant, context):
    first, other = (text_of(booking(tenant, quoteId=f"qte_{n}")) for n in range(2))
    broken = text_of(booking(tenant, 1), tenantId=None)
    with client(context, stack.env["EVENTS_ENDPOINT"]) as req:
        assert counts(ask(req, first)) == [1, 0, 0, 0]
        told = ask(req, b"\n".join([first, other, broken, b"nonsense"]))
    assert counts(told) == [0, 1, 1, 2]
    assert sorted((e["index"], e["code"]) for e in told["errors"]) == [
        (1, "conflict"), (2, "missing_tenant"), (3, "invalid_json")]
    assert [row[0] for row in dead_letters(stack, broken)] == ["missing_tenant"]
    assert stored(stack, tenant) == [first]


def test_the_answer_comes_after_the_commit(stack, tenant, context):
    """DEALERs pipeline: nothing is answered while the transaction is held, all is answered after it."""
    with client(context, stack.env["EVENTS_ENDPOINT"], zmq.DEALER) as dealer:
        with landing_held(stack):
            for n in range(5):
                dealer.send_multipart([b"request %d" % n, b"", text_of(booking(tenant, n))])
            dealer.send(text_of(booking(tenant, 5)))  # without an empty frame
            wait_until(lambda: waiting(stack) >= 1)
            assert not dealer.poll(100)
            assert stored(stack, tenant) == []
        told = [dealer.recv_multipart() for _ in range(6)]
    assert sorted(frames[:-1] for frames in told) == [[], *([b"request %d" % n, b""] for n in range(5))]
    assert all(counts(json.loads(frames[-1])) == [1, 0, 0, 0] for frames in told)
    assert len(stored(stack, tenant)) == 6


@pytest.mark.parametrize("frames", [
    [b""], [b"", b""], [b"", b"{}", b"{}"], [b"", b"", b"{}"], [b"a", b"b", b"c"],
    [b"%d" % n for n in range(9)] + [b"", b"{}"], [b"", b"[{}"]])
def test_messages_that_are_none(stack, tenant, context, frames):
    with client(context, stack.env["EVENTS_ENDPOINT"], zmq.DEALER) as dealer:
        dealer.send_multipart(frames)
        told = json.loads(dealer.recv_multipart()[-1])
        assert (told["status"], told["code"]) == (400, "MELMASTOON.GENERAL.VALIDATION_FAILED")
        assert told["detail"]
        dealer.send_multipart([b"", text_of(booking(tenant))])  # and it goes on
        assert counts(json.loads(dealer.recv_multipart()[-1])) == [1, 0, 0, 0]


def test_what_no_answer_fits(stack, tenant, context):
    """An oversized message ends its connection, one of too many frames is dropped; nobody else notices."""
    with (client(context, stack.env["EVENTS_ENDPOINT"], zmq.DEALER) as bad,
          client(context, stack.env["EVENTS_ENDPOINT"]) as good):
        bad.send_multipart([b"x"] * 100)
        bad.send(b" " * (32 * MIB + 1))
        assert counts(ask(good, text_of(booking(tenant)))) == [1, 0, 0, 0]
        body = b"[" + text_of(booking(tenant, 1)).rjust(32 * MIB - 2) + b"]"
        assert counts(ask(good, body)) == [1, 0, 0, 0]
        assert not bad.poll(0)


def test_a_client_that_left(stack, tenant, context):
    endpoint = stack.env["EVENTS_ENDPOINT"]
    with landing_held(stack):
        with client(context, endpoint) as leaver:
            leaver.send(text_of(booking(tenant)))
            wait_until(lambda: waiting(stack) >= 1)
    wait_until(lambda: len(stored(stack, tenant)) == 1)
    with client(context, endpoint) as req:
        assert counts(ask(req, text_of(booking(tenant)))) == [0, 1, 0, 0]


def test_the_file_is_for_owner_and_group(stack):
    path = stack.env["EVENTS_ENDPOINT"].removeprefix("ipc://")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660


def test_a_full_queue(stack, tenant, context):
    """What does not fit waits outside, or is told that its tenant's share is full and sent again;
    nothing is lost."""
    bodies = [text_of(booking(tenant, n), x=b'"' + b"x" * 400000 + b'"') for n in range(12)]
    endpoint = "ipc://" + stack.path("run", "full.zmq")
    with (Instance(stack, "ingestd", queue_bytes="1MiB", landing_connections=1, events_listen=endpoint) as ingestd,
          client(context, endpoint, zmq.DEALER) as dealer):
        with landing_held(stack):
            for n, body in enumerate(bodies):
                dealer.send_multipart([b"%d" % n, b"", body])
            wait_until(lambda: waiting(stack) >= 1)
            refused = wait_until(lambda: (a := ingestd.post(text_of(booking(tenant, 99)))).status == 429 and a)
            assert refused.json()["code"] == "MELMASTOON.GENERAL.RATE_LIMITED"
            queue = [line for line in ingestd.http("GET", "/metrics").body.decode().splitlines()
                     if line.startswith("ingest_queue_bytes ")]
            assert float(queue[0].split()[1]) < 2 * MIB
        open_ones = len(bodies)
        while open_ones > 0:
            assert dealer.poll(20000)
            number, _, told = dealer.recv_multipart()
            told = json.loads(told)
            if told.get("code") == "MELMASTOON.GENERAL.RATE_LIMITED":
                dealer.send_multipart([number, b"", bodies[int(number)]])
            else:
                assert counts(told) == [1, 0, 0, 0]
                open_ones -= 1
    assert sorted(stored(stack, tenant)) == sorted(bodies)


def test_without_postgres(stack, tenant, context):
    """What was read is answered 503, what was not waits; the client sends again and all is there once."""
    bodies = [text_of(booking(tenant, n)) for n in range(3)]
    with client(context, stack.env["EVENTS_ENDPOINT"], zmq.DEALER) as dealer:
        with landing_held(stack):
            dealer.send_multipart([b"", bodies[0]])
            wait_until(lambda: waiting(stack) == 1)
            stack.kill("postgres", signal.SIGQUIT)
            told = json.loads(dealer.recv_multipart()[-1])
            assert (told["status"], told["code"]) == (503, "MELMASTOON.GENERAL.UNAVAILABLE")
        wait_until(lambda: stack.http("GET", "ingestd", "/ready").status == 503)  # from then on it reads nothing
        for body in bodies:
            dealer.send_multipart([b"", body])
        stack.up()
        assert all(counts(json.loads(dealer.recv_multipart()[-1])) == [1, 0, 0, 0] for _ in bodies)
    assert sorted(stored(stack, tenant)) == sorted(bodies)


def test_sigterm_answers_what_was_read(stack, tenant, context):
    endpoint = "ipc://" + stack.path("run", "term.zmq")
    with (Instance(stack, "ingestd", events_listen=endpoint) as ingestd,
          client(context, endpoint) as req):
        with landing_held(stack):
            req.send(text_of(booking(tenant)))
            wait_until(lambda: waiting(stack) == 1)
            ingestd.process.send_signal(signal.SIGTERM)
            wait_until(lambda: any("drain" in line["message"] for line in ingestd.lines()))
        assert counts(json.loads(req.recv())) == [1, 0, 0, 0]
        assert ingestd.process.wait(PATIENCE) == 0


# ---- CURVE

def test_tcp_needs_curve(stack, tenant, context, tmp_path):
    (server, server_secret), one, limited, stranger = (zmq.curve_keypair() for _ in range(4))
    (tmp_path / "secret").write_bytes(server_secret + b"\n")
    (tmp_path / "clients").write_text(
        f"# clients\n{one[0].decode()}\n\n{limited[0].decode()}\t{tenant}  # only for one tenant\n")
    with Instance(stack, "ingestd", events_listen="tcp://127.0.0.1:*", events_secret_key_file=tmp_path / "secret",
                  events_clients_file=tmp_path / "clients") as ingestd:
        endpoint = next(line["endpoint"] for line in ingestd.lines() if line["message"] == "events taken over zeromq")

        def known(pair):
            return {"CURVE_SERVERKEY": server, "CURVE_PUBLICKEY": pair[0], "CURVE_SECRETKEY": pair[1]}

        other = ev.tenant_id(tenant)
        with client(context, endpoint, **known(one)) as req:
            assert counts(ask(req, text_of(booking(other)))) == [1, 0, 0, 0]
        with client(context, endpoint, **known(limited)) as req:
            assert counts(ask(req, text_of(booking(tenant)))) == [1, 0, 0, 0]
            told = ask(req, b"\n".join([text_of(booking(tenant, 1)), text_of(booking(other, 1))]))
            assert (told["status"], told["code"]) == (403, "MELMASTOON.IAM.PERMISSION_DENIED")
        with (client(context, endpoint, zmq.DEALER, **known(stranger)) as curious,
              client(context, endpoint, zmq.DEALER) as plain):
            for n, refused in enumerate((curious, plain), 2):
                with contextlib.suppress(zmq.Again):  # the handshake may have failed by now: there is nowhere to send it
                    refused.send(text_of(booking(tenant, n)), zmq.NOBLOCK)
            wait_until(lambda: stranger[0].decode() in ingestd.log())
            with client(context, endpoint, **known(one)) as req:  # later than they
                assert counts(ask(req, text_of(booking(tenant, 4)))) == [1, 0, 0, 0]
            assert not curious.poll(0) and not plain.poll(0)
    assert len(stored(stack, tenant)) == 2 and len(stored(stack, other)) == 1


@pytest.mark.parametrize("settings, said", [
    ({"events_listen": "tcp://127.0.0.1:*"}, "CURVE"), ({"events_listen": "inproc://x"}, "ipc:// or tcp://"),
    ({"events_listen": "tcp://127.0.0.1:*", "events_secret_key_file": "bad", "events_clients_file": "good"}, "Z85"),
    ({"events_listen": "tcp://127.0.0.1:*", "events_secret_key_file": "good", "events_clients_file": "bad"}, "line 1"),
])
def test_settings_that_cannot_work(stack, tmp_path, settings, said):
    (tmp_path / "good").write_bytes(zmq.curve_keypair()[0])
    (tmp_path / "bad").write_text("no key")
    settings = {key: tmp_path / value if key.endswith("_file") else value for key, value in settings.items()}
    with pytest.raises(AssertionError, match="ended") as ended:
        Instance(stack, "ingestd", **settings)
    assert said in str(ended.value)
