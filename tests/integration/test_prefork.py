"""queryd with workers: several processes behind one address, and a supervisor that keeps them."""

import json
import os
import re
import signal

from harness import BIN, PATIENCE, run, wait_until
from hotel import API, WINDOW
from instance import Instance
from test_single_flight import Asker, hotel_of

WORKERS = 3


def workers(queryd):
    """The processes that serve now, by the supervisor's own list of children."""
    with open(f"/proc/{queryd.process.pid}/task/{queryd.process.pid}/children", encoding="ascii") as children:
        return set(map(int, children.read().split()))


def lines(queryd, message):
    return [line for line in queryd.lines() if line["message"] == message]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_ready(queryd):
    """Each answer comes from whichever worker the kernel chose."""
    return all(queryd.http("GET", "/ready").status == 200 for _ in range(12))


def metric(queryd, pattern):
    found = re.findall(rf"^{pattern} (\S+)$", queryd.http("GET", "/metrics").body.decode(), re.M)
    return sum(float(value) for value in found)


class Workers(Instance):
    def __init__(self, stack, **settings):
        super().__init__(stack, "queryd", **{"workers": WORKERS, **settings})
        wait_until(lambda: len(lines(self, "all workers serve")) == 1 and all_ready(self))


def test_workers_serve_as_one(stack):
    hotel = hotel_of(stack, "many hands")
    with Workers(stack) as queryd, Asker(stack, hotel) as asker:
        assert len(workers(queryd)) == WORKERS
        answers = [queryd.http("POST", f"{API}/metrics/rooms_sold:compute", {"dateRange": WINDOW}, asker.headers)
                   for _ in range(30)]
        assert {answer.status for answer in answers} == {200}
        assert {json.dumps(answer.json()["rows"]) for answer in answers} == {'[{"rooms_sold": 2}]'}
        # one of them computed it, and /metrics is that of all
        assert [answer.headers["X-Cache"] for answer in answers].count("MISS") == 1
        assert metric(queryd, r'query_results_total\{cache="MISS"\}') == 1
        assert metric(queryd, r'query_results_total\{cache="HIT"\}') == 29
        text = queryd.http("GET", "/metrics").body.decode()
        assert len(re.findall("^# TYPE query_results_total", text, re.M)) == 1
        # what a tenant may send is shared out
        assert int(answers[0].headers["X-RateLimit-Remaining"]) < 100000 // WORKERS


def test_a_worker_that_dies_is_replaced(stack):
    with Workers(stack) as queryd:
        before = workers(queryd)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        # the others are told, and say so until it is replaced
        wait_until(lambda: len(workers(queryd) - {victim}) == WORKERS and all_ready(queryd))
        assert len(workers(queryd) & before) == WORKERS - 1
        assert [line["signal"] for line in lines(queryd, "a worker ended, another takes its place")] == [9]


def test_signals_reach_all(stack):
    with Workers(stack) as queryd:
        os.kill(queryd.process.pid, signal.SIGHUP)
        wait_until(lambda: len(lines(queryd, "settings reloaded")) == WORKERS + 1)
        served = workers(queryd)
        os.kill(queryd.process.pid, signal.SIGTERM)
        assert queryd.process.wait(PATIENCE) == 0
        assert len(lines(queryd, "drained")) == WORKERS
        assert not any(map(alive, served))


def test_no_worker_outlives_the_supervisor(stack):
    with Workers(stack) as queryd:
        orphans = workers(queryd)
        os.kill(queryd.process.pid, signal.SIGKILL)
        queryd.process.wait(PATIENCE)
        wait_until(lambda: not any(map(alive, orphans)))


def test_a_start_that_fails_ends_all(stack):
    """Settings that cannot work end it as they end a queryd alone, and leave nobody behind."""
    options = [word for setting in ("workers=2", "listen=127.0.0.1:0", "scope_key_file=") for word in ("-o", setting)]
    done = run([os.path.join(BIN, "queryd"), "-c", stack.path("etc", "queryd.conf"), *options], 78)
    assert "scope_key_file must be set" in done.stderr and "a worker could not start" in done.stderr
