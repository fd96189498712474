"""From an event to its answer while all daemons work (F1), and how fast a queue is served (J1, J2)."""

import datetime
import http.client
import json
import multiprocessing
import os
import signal
import statistics
import threading
import time
import urllib.parse

import context as cx
import pgcluster
import zmq
from events import confirmed, ident, item
from harness import BIN, run
from load import pgbench
from stacklib.daemons import endpoints
from stacklib.home import Home
from table import Wrong

RATES = ((200, 1), (2000, 20), (10000, 100))  # events a second, events of a request
SENDERS = 8
PACE = 0.005  # seconds from an answer to the next question
TENANTS = 50
HISTORY = 20000  # reservations before the first is measured
PROBE = ident("tnt", "visible")
WAKES = 300
DRAINED = 2000


def night(number):
    """The date that the probes of a rate book: nothing else is there."""
    return datetime.date(2026, 3, 1) + datetime.timedelta(number)


def booking(tenant, stay, *key):
    stay = (str(stay), str(stay + datetime.timedelta(1)))
    when = datetime.datetime.now(datetime.timezone.utc)
    return confirmed(when, ident("rsv", tenant, *key), [item(*stay)]) | {"tenantId": tenant}


def batches(number, size, count):
    """Bodies of NDJSON: the first event of each is the probe's, the others belong to other tenants."""
    bodies = []
    for n in range(count):
        made = [booking(PROBE, night(number), number, n)]
        made += [booking(ident("tnt", "busy", i % TENANTS), night(10), number, n, i) for i in range(1, size)]
        bodies.append("\n".join(map(json.dumps, made)).encode())
    return bodies


def client_of(url):
    parts = urllib.parse.urlsplit(url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)


def send(url, token, bodies, interval, begin, results):
    """In a process of its own: body n leaves at begin + n * interval; when each really did, and the
    answers that were not 200."""
    sent, bad = [None] * len(bodies), []
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/x-ndjson"}

    def lane(first):
        client = client_of(url)
        for n in range(first, len(bodies), SENDERS):
            time.sleep(max(0.0, begin + n * interval - time.monotonic()))
            sent[n] = time.monotonic()
            client.request("POST", "/v1/events", bodies[n], headers)
            answer = client.getresponse()
            answer.read()
            if answer.status != 200:
                bad.append(answer.status)

    lanes = [threading.Thread(target=lane, args=(first,)) for first in range(SENDERS)]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    results.put((sent, bad))


class Asker:
    """rooms_sold of one date, every few milliseconds: as fast as queryd answers would take the machine from those who
    make the answer."""

    def __init__(self, stack):
        self.client = client_of(stack.env["QUERYD_URL"])
        self.headers = {"Authorization": "Bearer " + stack.token(PROBE, "--ttl", "86400"),
                        "Content-Type": "application/json"}

    def sold(self, stay):
        body = json.dumps({"dateRange": {"from": str(stay), "to": str(stay)}})
        self.client.request("POST", "/api/v1/analytics/metrics/rooms_sold:compute", body, self.headers)
        answer = self.client.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Wrong(f"rooms_sold:compute: {answer.status} {text[:300]}")
        return sum(row["rooms_sold"] for row in json.loads(text)["rows"])

    def watch(self, stay, wanted):
        """When the n-th night was there to see, for each n."""
        seen, limit = [], time.monotonic() + cx.SECONDS + 120
        while len(seen) < wanted:
            count = self.sold(stay)
            seen += [time.monotonic()] * (count - len(seen))
            time.sleep(PACE)
            if time.monotonic() > limit:
                raise Wrong(f"of {wanted} events {count} became visible")
        return seen


def visible(stack, number, rate, size):
    """Milliseconds from the first byte of a request until its event is in an answer."""
    asker, results = Asker(stack), multiprocessing.Queue()
    bodies = batches(number, size, cx.SECONDS * rate // size)
    sender = multiprocessing.Process(target=send, args=(
        stack.env["INGESTD_URL"], stack.env["INGESTD_TOKEN"], bodies, size / rate, time.monotonic() + 0.2, results))
    sender.start()
    seen = asker.watch(night(number), len(bodies))
    sent, bad = results.get()
    sender.join()
    if bad:
        raise Wrong(f"at {rate} events/s {len(bad)} requests were refused: {sorted(set(bad))}")
    # the n-th to be seen is taken for the n-th to be sent: they are one tenant's
    return [(there - gone) * 1000 for gone, there in zip(sorted(sent), seen)]


def warm_up(stack):
    """A history of some weeks and its statistics, as autovacuum keeps them."""
    stack.send_events([booking(PROBE, night(20), "warm")])
    for n in range(HISTORY // 1000):
        stack.send_events([booking(ident("tnt", "busy", i % TENANTS), night(40 + n), "warm", n, i) for i in range(1000)])
    stack.wait(cx.WAIT)
    stack.psql("vacuum analyze")


def bench_visible(table, stack):
    table.part("from event to answer")
    stack.psql("create table if not exists public.bench_one (n integer)")
    warm_up(stack)
    commit = pgbench(stack, "insert into public.bench_one values (1);", cx.WORK)[94]
    for number, (rate, size) in enumerate(RATES):
        cuts = statistics.quantiles(visible(stack, number, rate, size), n=100)
        limit = 20 * commit if rate == 2000 else None
        table.add(f"F1 event until it is in an answer, {rate:,} events/s, p95 against one commit's",
                  f"{cuts[94]:.1f} ms (p50 {cuts[49]:.1f}, p99 {cuts[98]:.1f})", f"{commit:.2f} ms",
                  cuts[94] / commit, "≤ 20, < 50 ms" if limit else "",
                  cuts[94] <= limit and cuts[94] < 50 if limit else None)
        stack.wait(cx.WAIT)


# ---- the queue

def touch(conn, consumer, key):
    conn.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) values ($1, $2, 'key', $3)",
               consumer, PROBE, key)


def wakes(stack, consumer, key):
    """Percentiles in milliseconds: a key is touched and the hint sent, until the unit that took it has committed."""
    took = []
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as conn, zmq.Context() as context:
        with context.socket(zmq.PUSH) as hints:
            hints.connect(endpoints(Home(stack.dir))["hint"])
            for _ in range(WAKES):
                began = time.monotonic()
                touch(conn, consumer, key)
                hints.send(b"landed")
                while conn.query("select from analytics_run.touched limit 1"):
                    pass
                took.append((time.monotonic() - began) * 1000)
    return statistics.quantiles(took, n=100)


def bench_wake(table, stack):
    """Of a consumer that rebuilds nothing, which is the wake-up alone, and of one that rebuilds a stay."""
    table.part("wake-up")
    key = stack.query("select min(reservation_id) from analytics_curated.fact_reservation where tenant_id = $1", PROBE)[0][0]
    cuts = pgbench(stack, "insert into public.bench_one values (1);", cx.WORK)
    woken, rebuilt = wakes(stack, "none", key), wakes(stack, "reservation", key)
    for name, at, most in (("p50", 49, 3.5), ("p99", 98, 5)):
        table.add(f"J1 a key touched until it is taken, {name} against one commit's", f"{woken[at]:.2f} ms",
                  f"{cuts[at]:.2f} ms", woken[at] / cuts[at], f"≤ {most}", woken[at] <= most * cuts[at])
        table.add(f"until its reservation is rebuilt, {name}", f"{rebuilt[at]:.2f} ms", f"{cuts[at]:.2f} ms",
                  rebuilt[at] / cuts[at])


def bench_drain(table, stack):
    """Single deltas, drained by a one-shot etld in units of 1 and of 100."""
    table.part("drain")
    stack.kill("etld", signal.SIGTERM)

    def drain(events):
        began = time.monotonic()
        run([os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), "-o", "hint_listen=", "-o", "bus_listen=",
             "-o", "workers=1", "-o", f"unit_events={events}", "run"], timeout=cx.WAIT)
        return time.monotonic() - began

    empty = min(drain(1) for _ in range(3))
    rates = {}
    for size in (1, 100):
        for n in range(DRAINED):
            stack.send_events([booking(PROBE, night(30), "drain", size, n)])
        rates[size] = DRAINED / max(drain(size) - empty, 0.001)
    table.add("J2 drain in units of 100 events, against units of one", f"{rates[100]:,.0f} events/s",
              f"{rates[1]:,.0f} events/s", rates[100] / rates[1], "≥ 20", rates[100] >= 20 * rates[1])


def bench_flow(table, _):
    stack = cx.new_stack()
    try:
        bench_visible(table, stack)
        bench_wake(table, stack)
        bench_drain(table, stack)
    finally:
        cx.close(stack)
