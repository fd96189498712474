"""tools/replay against a front door that the test controls: refuses, loses answers, lies, is slow."""

import http.server
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness import CHECKOUT, MODE, PATIENCE, on_a_terminal, run, wait_until

REPLAY = os.path.join(CHECKOUT, "tools", "replay")
LOST = "lost"  # an answer that never comes: the connection closes instead


class Door:
    """POST /v1/events; `behave(number, lines)` says what to answer: None is the truth."""

    def __init__(self, behave=None):
        self.behave = behave or (lambda number, lines: None)
        self.requests, self.seen, self.lock = [], set(), threading.Lock()
        door = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                door.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        lines = body.decode().split("\n")[:-1]
        with self.lock:
            number = len(self.requests)
            self.requests.append((request.path, dict(request.headers), lines))
        told = self.behave(number, lines)
        if told is None:
            told = (200, {}, self.counts(lines))
        if told == LOST:
            request.close_connection = True
            return
        status, headers, body = told
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def counts(self, lines):
        with self.lock:
            new = set(lines) - self.seen
            self.seen |= new
        return {"accepted": len(new), "duplicates": len(lines) - len(new), "conflicts": 0,
                "deadLettered": 0, "errors": []}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def door():
    made = []

    def make(behave=None):
        made.append(Door(behave))
        return made[-1]

    yield make
    for one in made:
        one.close()


def events(n, first=0):
    return [json.dumps({"id": f"evt_{i:026d}", "n": i}) for i in range(first, first + n)]


def ids(lines):
    return [json.loads(line)["id"] for line in lines]


@pytest.fixture
def write(tmp_path):
    def to_file(lines, name="events.ndjson"):
        path = tmp_path / name
        path.write_text("".join(line + "\n" for line in lines))
        return str(path)

    return to_file


def command(door, *args):
    return [REPLAY, *args, "--url", door.url]


def environment():
    env = {name: value for name, value in os.environ.items() if name != "INGESTD_URL"}
    return {**env, "INGESTD_TOKEN": "a.b.c", "MODE": MODE, "http_proxy": "http://127.0.0.1:9"}


def replay(door, *args, check=0, **options):
    """The counts of the final line, and stderr."""
    done = run(command(door, *args), check, env=environment(), **options)
    last = done.stdout.splitlines()[-1]
    return {k: float(v) for k, v in (word.split("=") for word in last.split())}, done.stderr


def read(path):
    return path.read_text().splitlines() if path.exists() else []


def test_every_line_is_sent_once(door, write, tmp_path):
    one, lines, acked = door(), events(1234), tmp_path / "acked"
    counts, _ = replay(one, write(lines + ["", "  "]), "--acked", str(acked), "--batch", "100")
    assert {k: counts[k] for k in list(counts)[:5]} == {
        "accepted": 1234, "duplicates": 0, "conflicts": 0, "deadLettered": 0, "unacknowledged": 0}
    assert counts["events/s"] > 0
    assert sorted(sum((r[2] for r in one.requests), [])) == sorted(lines)
    assert sorted(read(acked)) == sorted(ids(lines))
    assert len(one.requests) == 13
    path, headers, _ = one.requests[0]
    assert path == "/v1/events" and headers["Authorization"] == "Bearer a.b.c"
    assert headers["Content-Type"] == "application/x-ndjson" and "Expect" not in headers

    counts, _ = replay(one, write(lines))
    assert counts["duplicates"] == 1234


def test_progress_is_for_terminals(door, write):
    """How far it is, at a door that takes its time; nothing of it in a file."""
    def slow(number, lines):
        time.sleep(0.15)

    path = write(events(12))
    seen = on_a_terminal(command(door(slow), path, "--batch", "1"), env=environment())
    assert re.search(r"\[#+\.*\] +[0-9]+ %", seen), seen
    assert "[#" not in run(command(door(), path), env=environment()).stderr


def test_conflicts_and_dead_letters(door, write, tmp_path):
    told = {"accepted": 1, "duplicates": 1, "conflicts": 1, "deadLettered": 1,
            "errors": [{"index": 2, "code": "conflict", "detail": "another hash"},
                       {"index": 3, "code": "no_tenant", "detail": "tenantId is missing"}]}
    one, acked = door(lambda *_: (200, {}, told)), tmp_path / "acked"
    lines = events(4)
    counts, said = replay(one, write(["", *lines]), "--acked", str(acked), check=65)
    assert counts["conflicts"] == counts["deadLettered"] == 1
    assert "line 4: conflict: another hash" in said and "line 5: no_tenant" in said
    assert read(acked) == ids(lines)


@pytest.mark.parametrize("fault", [
    (503, {"Retry-After": "0"}, "busy"), (429, {"Retry-After": "1"}, ""), (500, {}, "oops"), LOST,
    (200, {}, "not json"), (200, {}, {"accepted": 1}),
    (200, {}, {"accepted": 99, "duplicates": 0, "conflicts": 0, "deadLettered": 0})])
def test_a_failed_batch_is_sent_again(door, write, fault):
    one = door(lambda number, lines: fault if number in (1, 3) else None)
    counts, _ = replay(one, write(events(100)), "--batch", "10")
    assert counts["accepted"] == 100 and counts["unacknowledged"] == 0
    assert len(one.requests) == 12


def test_a_lost_answer_is_no_acknowledgement(door, write, tmp_path):
    """The event is stored but nobody said so: it is sent again next time, and is a duplicate."""
    acked, lines, lost = tmp_path / "acked", events(100), []

    def lose_one(number, batch):
        """That batch, however often: curl itself sends again on a connection that it had used."""
        if number == 4:
            lost.append(batch)
        if batch in lost:
            one.counts(batch)
            return LOST
        return None

    one = door(lose_one)
    args = [write(lines), "--batch", "10", "--retry-for", "0", "--acked", str(acked),
            "--skip-acked", str(acked)]
    counts, _ = replay(one, *args, check=75)
    assert (counts["accepted"], counts["unacknowledged"], counts["skipped"]) == (90, 10, 0)
    assert len(read(acked)) == 90

    lost.clear()
    counts, _ = replay(one, *args)
    assert (counts["duplicates"], counts["skipped"]) == (10, 90)
    assert sorted(read(acked)) == sorted(ids(lines))


def test_a_dead_server_costs_the_retry_time_once(door, write):
    one = door(lambda *_: LOST)
    began = time.monotonic()
    counts, said = replay(one, write(events(200)), "--batch", "10", "--retry-for", "1s", check=75)
    assert counts["unacknowledged"] == 200 and "not acknowledged" in said
    assert 1 <= time.monotonic() - began < 15  # of 20 batches, each of which would have had its second


def test_a_bad_token_ends_it(door, write):
    one = door(lambda *_: (401, {}, "no"))
    counts, said = replay(one, write(events(5000)), "--batch", "10", check=75)
    assert counts["unacknowledged"] == 5000 and "401" in said
    assert len(one.requests) <= 8


def test_event_ids_are_read_as_ingestd_reads_them(door, write, tmp_path):
    cases = {
        '{"eventId":"a1","id":"no"}': "a1",
        '{"id":"no","payload":{"eventId":"no"},"eventId":"a2"}': "a2",
        '{"payload":{"id":"no","s":"}\\"{"},"id":"a3"}': "a3",
        '{"envelope":{"id":"no","eventId":"a4"},"x":[{"id":"no"}]}': "a4",
        '{"envelope":{"eventId":"no"},"id":"a5"}': "a5",
        '{"eventId":7,"id":"a6"}': "a6",
        '{"eventId":"","id":"a7"}': "a7",
        '{"\\u0069d":"a8"}': "a8",
        '{"id":"a\\u0039"}': "a9",
        '{"note":"\\\\","id":"a10"}': "a10",
        ' { "id" : "a11" , "n" : -1.5e3 } ': "a11",
        '{"id":null}': None,
        '{"payload":{"id":"no"}}': None,
        '["id","no"]': None,
        '{"id":"no': None,
        'nonsense': None,
        '{"id":"no\\nway"}': None,
        '{}': None,
    }
    acked = tmp_path / "acked"
    replay(door(), write(cases), "--acked", str(acked))
    assert sorted(read(acked)) == sorted(filter(None, cases.values()))


def test_a_slow_producer_does_not_wait_for_a_full_batch(door):
    one = door()
    with subprocess.Popen(command(one, "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, env=environment()) as process:
        for n, line in enumerate(events(3), 1):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            wait_until(lambda: len(one.seen) == n)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        assert "accepted=3 " in process.stdout.read()


def test_rate(door, write):
    counts, _ = replay(door(), write(events(300)), "--rate", "200")
    assert counts["accepted"] == 300 and 1.2 < counts["seconds"]


def test_latency(door, write):
    """A stall counts for the batch that met it; under --rate for all that were due meanwhile."""
    def stall(number, lines):
        if number == 0:
            time.sleep(1)

    path = write(events(200))
    options = "--batch", "5", "--connections", "1"
    counts, _ = replay(door(stall), path, *options)
    assert 1000 <= counts["max_ms"] < 10000 and counts["p50_ms"] < counts["p99_ms"] <= counts["max_ms"]
    assert counts["p50_ms"] < 500
    counts, _ = replay(door(stall), path, *options, "--rate", "200")
    assert 1000 <= counts["max_ms"] < 10000 and counts["p50_ms"] > 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(door, write, tmp_path, number):
    """What is in flight is waited for; the rest is not sent."""
    release, acked = threading.Event(), tmp_path / "acked"
    one = door(lambda *_: release.wait(PATIENCE) and None)
    with subprocess.Popen(command(one, write(events(1000)), "--batch", "10", "--acked", str(acked)),
                          stdout=subprocess.PIPE, text=True, env=environment()) as process:
        wait_until(lambda: len(one.requests) == 4)
        process.send_signal(number)
        release.set()
        assert process.wait(PATIENCE) == 75
        assert len(read(acked)) == 10 * len(one.requests) < 1000


@pytest.mark.skipif(MODE == "asan", reason="the sanitizer's own memory")
def test_memory_does_not_grow_with_the_file(door, tmp_path):
    """60 MB more of events cost no memory. Compared with a small file: what the kernel reports of a
    child includes the test's own size at the fork."""
    def peak_kb(n):
        path = tmp_path / f"{n}.ndjson"
        with path.open("w") as out:
            for i in range(n):
                out.write(f'{{"id":"evt_{i:026d}","payload":"{"x" * 1000}"}}\n')
        process = subprocess.Popen(command(door(), str(path), "--acked", str(tmp_path / f"{n}.acked")),
                                   stdout=subprocess.DEVNULL, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0
        return usage.ru_maxrss

    small = peak_kb(5000)
    assert peak_kb(60000) < small + 20000


def test_usage(door, write):
    one, path = door(), write(events(1))
    for wrong in (["--batch", "0"], ["--rate", "fast"], ["--retry-for", "10"], ["--nonsense"], ["b"]):
        assert run(command(one, path, *wrong), 64, env=environment()).stderr
    assert run(command(one, "/nonexistent"), 66, env=environment()).stderr
    assert "--acked" in run([REPLAY, "--help"], env=environment()).stdout
