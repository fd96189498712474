"""Many clients of queryd: lanes, connections that do nothing or read slowly."""

import contextlib
import datetime as dt
import re
import resource
import socket

from harness import MODE, http_request, wait_until
from hotel import API, WINDOW
from instance import Instance
from test_single_flight import Asker, computing, hotel_of, locked

MOST = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, MOST))
IDLE, HALF, SLOW = (9000, 1000, 200) if not 0 <= MOST < 12000 else (MOST // 2, MOST // 8, 200)
MIB = (1 << 20) * (8 if MODE == "asan" else 1)


def test_slow_ad_hoc_sql_does_not_delay_a_dashboard(stack):
    """Two connections of a tenant are enough: its ad-hoc statements never have more than one of them."""
    hotel, other = hotel_of(stack, "lanes"), hotel_of(stack, "lanes of another")
    sql = {"sql": "select count(*) as n from fact_payment"}
    with (Instance(stack, "queryd", tenant_share=2, tenant_connections=4, query_timeout="60s") as queryd,
          Asker(stack, hotel) as asker, Asker(stack, other) as neighbour):
        def adhoc(who):
            return who.pool.submit(http_request, "POST", f"{queryd.url}{API}/queries:run", sql, who.headers, 90)

        with locked(stack, "analytics_curated.fact_payment_v1"):
            slow = [adhoc(who) for who in (asker, neighbour) for _ in range(6)]
            wait_until(lambda: computing(stack, hotel) == computing(stack, other) == 1)
            for k in range(10):
                body = {"dateRange": {**WINDOW, "to": str(dt.date(2024, 5, 2) + dt.timedelta(k))}}
                for who in (asker, neighbour):
                    answer = queryd.http("POST", f"{API}/metrics/rooms_sold:compute", body, who.headers)
                    assert answer.status == 200 and answer.headers["X-Cache"] == "MISS"
            assert computing(stack, hotel) == computing(stack, other) == 1
            assert not any(answer.done() for answer in slow)
        assert [answer.result().json()["rows"] for answer in slow] == [[{"n": 0}]] * 12


def memory(queryd):
    with open(f"/proc/{queryd.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


@contextlib.contextmanager
def connections(queryd, count, say):
    """Sockets that have sent this and read nothing."""
    host, port = queryd.url[len("http://"):].split(":")
    sockets = []
    try:
        for _ in range(count):
            s = socket.socket()
            sockets.append(s)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect((host, int(port)))
            if say:
                s.sendall(say)
        yield sockets
    finally:
        for s in sockets:
            s.close()


def open_connections(queryd):
    return int(float(re.search(r"^http_server_connections (\S+)$", queryd.http("GET", "/metrics").body.decode(), re.M)[1]))


def test_thousands_of_connections_that_do_nothing(stack):
    hotel = hotel_of(stack, "patient")
    with Instance(stack, "queryd") as queryd, Asker(stack, hotel) as asker:
        path = f"{API}/metrics/rooms_sold:compute"
        ask = lambda: queryd.http("POST", path, {"dateRange": WINDOW}, asker.headers)
        assert ask().json()["rows"] == [{"rooms_sold": 2}]
        before = memory(queryd)
        half = b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"{" * 1000
        with connections(queryd, IDLE, b""), connections(queryd, HALF, half):
            wait_until(lambda: open_connections(queryd) >= IDLE + HALF)
            assert ask().json()["rows"] == [{"rooms_sold": 2}]
            # an idle connection costs a few buffers, one that sends slowly what it has sent
            assert memory(queryd) - before < 96 * MIB
        wait_until(lambda: open_connections(queryd) <= 2)
        assert ask().headers["X-Cache"] == "HIT"


def test_readers_that_do_not_read(stack):
    """Pipelined requests of one who takes no answer: one answer waits, the rest is not even read."""
    hotel = hotel_of(stack, "slow reader")
    with Instance(stack, "queryd") as queryd, Asker(stack, hotel) as asker:
        say = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 400
        size = len(queryd.http("GET", "/openapi.json").body)
        before = memory(queryd)
        with connections(queryd, SLOW, say):
            wait_until(lambda: open_connections(queryd) >= SLOW)
            assert queryd.http("POST", f"{API}/metrics/rooms_sold:compute", {"dateRange": WINDOW},
                               asker.headers).json()["rows"] == [{"rooms_sold": 2}]
            assert memory(queryd) - before < SLOW * 3 * size + 32 * MIB
        wait_until(lambda: open_connections(queryd) <= 2)

