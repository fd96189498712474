"""Many clients of queryd: lanes, connections that do nothing, read slowly or late; what each hears is its own."""

import contextlib
import datetime as dt
import json
import re
import resource
import socket

from harness import MODE, http_request, wait_until
from hotel import API, STAYED, WINDOW
from instance import Instance
from test_single_flight import Asker, computing, hotel_of, locked

MOST = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, MOST))
IDLE, HALF, SLOW = (9000, 1000, 200) if not 0 <= MOST < 12000 else (MOST // 2, MOST // 8, 200)
TIMES = 6  # the same questions, one after the other
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


COMPUTE = f"{API}/metrics/rooms_sold:compute"


def request(asker, body):
    """As it is on the wire, of an asker's tenant."""
    text = json.dumps(body)
    return (f"POST {COMPUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: {asker.headers['Authorization']}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}").encode()


class Answers:
    """What comes on a socket: (status, document) of each answer."""

    def __init__(self, sock):
        self.socket, self.data, self.found = sock, b"", []

    def read(self, at_most):
        """One recv, which waits; how many are whole by now."""
        more = self.socket.recv(at_most)
        assert more, "closed"
        self.data += more
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            size = int(re.search(rb"\r\nContent-Length: (\d+)", self.data[:end])[1])
            if len(self.data) < end + 4 + size:
                break
            self.found.append((int(self.data[9:12]), json.loads(self.data[end + 4:end + 4 + size])))
            self.data = self.data[end + 4 + size:]
        return len(self.found)


def test_thousands_of_connections_that_do_nothing(stack):
    """And then each of them asks, of its own tenant."""
    hotel, other = hotel_of(stack, "patient"), hotel_of(stack, "patient too")
    other.stay("p", 1, "2024-03-09", 3, then=STAYED)
    other.send(stack)
    with Instance(stack, "queryd") as queryd, Asker(stack, hotel) as asker, Asker(stack, other) as neighbour:
        path = COMPUTE
        ask = lambda who=asker: queryd.http("POST", path, {"dateRange": WINDOW}, who.headers)
        assert ask().json()["rows"] == [{"rooms_sold": 2}] and ask(neighbour).json()["rows"] == [{"rooms_sold": 5}]
        before = memory(queryd)
        half = b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + b"{" * 1000
        with connections(queryd, IDLE, b"") as idle, connections(queryd, HALF, half):
            wait_until(lambda: open_connections(queryd) >= IDLE + HALF)
            assert ask().json()["rows"] == [{"rooms_sold": 2}]
            # an idle connection costs a few buffers, one that sends slowly what it has sent
            assert memory(queryd) - before < 96 * MIB
            said = [request(who, {"dateRange": WINDOW}) for who in (asker, neighbour)]
            for n, s in enumerate(idle):
                s.sendall(said[n % 2])
            for n, s in enumerate(idle):
                answers = Answers(s)
                while answers.read(4096) == 0:
                    pass
                (status, document), = answers.found
                assert status == 200 and document["rows"] == [{"rooms_sold": (2, 5)[n % 2]}], (n, document)
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



def test_readers_that_read_late(stack):
    """More than the kernel keeps for a socket, of two tenants' different questions, which nobody reads for a while, and
    then in small pieces: every answer comes, in order, and is the asker's. A second time costs no more memory."""
    hotel, other = hotel_of(stack, "late reader"), hotel_of(stack, "late reader too")
    other.stay("p", 1, "2024-03-09", 3, then=STAYED)
    other.send(stack)
    days = [str(dt.date(2024, 12, 1) + dt.timedelta(n)) for n in range(5)]
    with Instance(stack, "queryd") as queryd, Asker(stack, hotel) as asker, Asker(stack, other) as neighbour:
        held = []
        for _ in range(2):
            asked = {who: [{"dateRange": {"from": "2015-06-01", "to": day}, "granularity": "day"} for day in days]
                     for who in (asker, neighbour)}
            right = {who: [queryd.http("POST", COMPUTE, body, who.headers).json()["rows"] for body in bodies]
                     for who, bodies in asked.items()}
            assert [sum(row["rooms_sold"] for row in right[who][0]) for who in (asker, neighbour)] == [2, 5]
            before = memory(queryd)
            with contextlib.ExitStack() as all_of_them:
                readers = [(who, Answers(s)) for who in (asker, neighbour) for s in all_of_them.enter_context(
                    connections(queryd, 5, b"".join(request(who, body) for body in asked[who]) * TIMES))]
                wait_until(lambda: open_connections(queryd) >= len(readers))
                assert queryd.http("POST", COMPUTE, {"dateRange": WINDOW}, neighbour.headers).json()["rows"] == [{"rooms_sold": 5}]
                size = len(json.dumps(right[asker][-1]))
                assert TIMES * len(days) * size > 4 << 20
                assert memory(queryd) - before < len(readers) * 3 * size + 32 * MIB
                while unread := [reader for _, reader in readers if len(reader.found) < TIMES * len(days)]:
                    for reader in unread:
                        reader.read(65536)
                for who, reader in readers:
                    assert [status for status, _ in reader.found] == [200] * TIMES * len(days)
                    assert [document["rows"] for _, document in reader.found] == right[who] * TIMES
            wait_until(lambda: open_connections(queryd) <= 2)
            held.append(memory(queryd))
        assert held[1] - held[0] < 8 * MIB, held
