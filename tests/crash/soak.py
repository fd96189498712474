#!/usr/bin/python3
"""make soak: a steady load for minutes through the real front door of a durable stack.

A simulated platform's events at a steady rate, 1 % of them repeated and 0.1 % broken lines added, all
daemons at work. Sampled meanwhile: each daemon's resident memory, and the acknowledgement of single
events from a client of its own. Afterwards nothing may be lost or doubled (counts against the
simulator's plan, raw's ids against the acknowledged ones), the curated tables must catch up, and no
daemon may have grown from the third quarter to the fourth by more than the queue's ups and downs.

queryd is asked all the time, about every tenant: structured queries, a dashboard's data, ad-hoc SQL and
the pull of a desktop, which keeps what it was told. Every answer must be 200. Once all is applied, what it
says from its caches must be what a queryd without any computes, and what the desktops hold what a whole
pull gives.

The table goes to standard output and build/soak.md. Exit: 0 as it should be, 1 not so.
"""

import argparse
import collections
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True
CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(CHECKOUT, "tests", "integration"))

import pgcluster  # noqa: E402
import platform_events as ev  # noqa: E402
from boards import User  # noqa: E402
from harness import BIN, DAEMONS, Stack, another_queryd, http_request, wait_until  # noqa: E402
from services import sync_token  # noqa: E402

REPEATED, BROKEN = "1", "0.1"  # per cent
PROBE_EVERY = 0.05             # seconds between single events
ASK_EVERY = 0.02               # seconds between questions to queryd
TOKEN_S = 300                  # a user's token is good for 15 minutes
GROWTH_MAX = 8                 # MB of resident memory from the third quarter to the fourth: one batch
PROBER = ev.tenant_id("soak prober")


class Sampler(threading.Thread):
    """Resident memory of the daemons, once a second, in MB."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.pids = {name: stack.pid(name) for name in DAEMONS}
        self.samples, self.ended = collections.defaultdict(list), threading.Event()

    def run(self):
        while not self.ended.wait(1):
            for name, pid in self.pids.items():
                with open(f"/proc/{pid}/status", encoding="ascii") as status:
                    fields = dict(line.split(":", 1) for line in status)
                self.samples[name].append(int(fields["VmRSS"].split()[0]) / 1024)

    def quarters(self, name):
        """The mean of each quarter of the run."""
        samples = self.samples[name]
        cuts = [len(samples) * n // 4 for n in range(5)]
        return [statistics.mean(samples[low:high] or [0]) for low, high in zip(cuts, cuts[1:])]


class Prober(threading.Thread):
    """Sends one event every 50 ms on a connection of its own; how long each acknowledgement took, in ms."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        where = urllib.parse.urlsplit(stack.env["INGESTD_URL"])
        self.connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        self.headers = {"Authorization": "Bearer " + stack.env["INGESTD_TOKEN"], "Content-Type": "application/json"}
        self.took, self.refused, self.ended = [], 0, threading.Event()

    def run(self):
        while not self.ended.wait(PROBE_EVERY):
            event = ev.reservation(PROBER, "held", "2024-03-01T10:00", ev.ident("rsv", len(self.took) + self.refused))
            began = time.monotonic()
            self.connection.request("POST", "/v1/events", json.dumps(event), self.headers)
            answer = self.connection.getresponse()
            told = answer.read()
            if answer.status == 200 and json.loads(told)["accepted"] == 1:
                self.took.append((time.monotonic() - began) * 1000)
            else:
                self.refused += 1


class Reader:
    """Who asks for a tenant's figures, and the desktop that pulls for it."""

    API = "/api/v1/analytics"
    YEARS = {"from": "2024-01-01", "to": "2025-12-31"}
    METRICS = ("rooms_sold", "adr", "occupancy_pct")
    SQL = ("select property_id, count(*) as n, sum(rate_micro) as rate from fact_room_night group by property_id",
           "select status, count(*) as n from fact_reservation group by status")

    def __init__(self, stack, tenant):
        self.stack, self.tenant, self.signed = stack, tenant, None
        self.held, self.cursor = {}, None  # of the desktop: {(kind, id): data}
        user = self.user()
        self.board = user.board()["id"]
        for n, metric in enumerate(self.METRICS):
            tile = {"kind": "breakdown", "title": metric, "layout": {"x": 8 * n, "y": 0, "w": 8, "h": 4},
                    "query": {"metrics": [metric], "dateRange": self.YEARS, "dimensions": ["property_id"]}}
            assert user.post(f"/dashboards/{self.board}/widgets", tile).status == 201

    def user(self):
        if self.signed is None or time.monotonic() - self.signed > TOKEN_S:
            self.signed, self.who = time.monotonic(), User(self.stack, self.tenant, "reader")
            self.desktop = sync_token(self.stack, self.tenant)
        return self.who

    def questions(self):
        """(method, path, body); the same ones each time, so that what queryd remembers is bounded."""
        for metric in self.METRICS:
            for granularity in ("month", "week"):
                yield "POST", self.API + "/queries:run", {"query": {"metrics": [metric], "dateRange": self.YEARS,
                                                                    "granularity": granularity}}
            yield "POST", f"{self.API}/metrics/{metric}:compute", {"dateRange": self.YEARS, "dimensions": ["property_id"]}
        yield "GET", f"{self.API}/dashboards/{self.board}/data", None
        for sql in self.SQL:
            yield "POST", self.API + "/queries:run", {"sql": sql}

    def ask(self, url, method, path, body):
        return http_request(method, url + path, body, {"Authorization": "Bearer " + self.user().token})

    def pull(self, url, since):
        """A page: (status, items, where the next one begins, whether there is more)."""
        self.user()
        answer = http_request("GET", f"{url}/internal/sync/pull?limit=100" + (f"&since={since}" if since else ""), None,
                              {"Authorization": "Bearer " + self.desktop})
        page = answer.json()
        return answer.status, page.get("items"), page.get("cursor"), page.get("more")

    def sync(self, url):
        """The desktop's next page; the status."""
        status, items, cursor, more = self.pull(url, self.cursor)
        if status == 200:
            keep(self.held, items)
            self.cursor = cursor
        return status, more

    def whole(self, url):
        """What a desktop that begins now would hold."""
        held, cursor, more = {}, None, True
        while more:
            status, items, cursor, more = self.pull(url, cursor)
            assert status == 200, items
            keep(held, items)
        return held

    def desktop_is_right(self, url):
        more = True
        while more:
            status, more = self.sync(url)
            assert status == 200
        return self.held == self.whole(url)


def keep(held, items):
    for item in items:
        held.pop((item["kind"], item["id"]), None)
        if not item["deleted"]:
            held[item["kind"], item["id"]] = item["data"]


def figures(answer):
    """What must be equal, of the same data."""
    said = answer.json()
    if "widgets" in said:
        return [widget["result"] and widget["result"]["data"] for widget in said["widgets"]]
    return said["rows"], said["totals"]


class Readers(threading.Thread):
    """Asks queryd about every tenant that has come, one question after the other."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack, self.url, self.readers = stack, stack.env["QUERYD_URL"], {}
        self.took, self.wrong, self.pulled, self.ended = [], collections.Counter(), 0, threading.Event()
        self.failed = None

    def run(self):
        try:
            with pgcluster.Conn(self.stack.env["DATABASE_URL"]) as admin:
                while not self.ended.is_set():
                    for tenant, in admin.query("select distinct tenant_id from analytics_curated.dim_property_v1"):
                        if tenant not in self.readers:
                            self.readers[tenant] = Reader(self.stack, tenant)
                    self.round()
                    self.ended.wait(ASK_EVERY)
        except Exception as failed:  # told at the end: a thread that dies says nothing
            self.failed = failed

    def round(self):
        for reader in self.readers.values():
            for question in reader.questions():
                if self.ended.wait(ASK_EVERY):
                    return
                began = time.monotonic()
                answer = reader.ask(self.url, *question)
                self.took.append((time.monotonic() - began) * 1000)
                parts = [part["status"] for part in answer.json().get("widgets", ())] or [answer.status]
                for status in parts:
                    self.wrong[status, question[1].rpartition("/")[2]] += status != 200
            status, _ = reader.sync(self.url)
            self.pulled += 1
            self.wrong[status, "pull"] += status != 200

    def compare(self):
        """Rows of the report, once all is applied."""
        assert self.failed is None, self.failed
        different, asked = [], 0
        with another_queryd(self.stack, redis_url="", cache_memory="0B") as bare:
            for reader in self.readers.values():
                for question in reader.questions():
                    computed, first, again = (reader.ask(url, *question) for url in (bare, self.url, self.url))
                    asked += 1
                    if not figures(computed) == figures(first) == figures(again):
                        different.append((reader.tenant, question))
            for reader in self.readers.values():  # a snapshot may be made just now
                wait_until(lambda reader=reader: reader.desktop_is_right(self.url), timeout=60, interval=1)
        print(*different[:5], sep="\n")
        yield "questions to queryd, and pulls, beside them", f"{len(self.took):,}, {self.pulled:,}", len(self.took) > 0 < self.pulled
        wrong = +self.wrong
        yield "not answered 200", f"{sum(wrong.values()):,} {dict(wrong) or ''}", not wrong
        yield ("answers of queryd, p50 / p99 / max", " / ".join(f"{value:.1f}" for value in (
            quantile(self.took, 0.5), quantile(self.took, 0.99), max(self.took))) + " ms", None)
        yield "figures other than without a cache, at the end", f"{len(different):,} of {asked:,}", not different and asked > 0
        held = sum(len(reader.held) for reader in self.readers.values())
        yield "what desktops hold is what a whole pull gives", f"{held:,} items of {len(self.readers)} tenants", held > 0


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Soak:
    def __init__(self, arguments, stack):
        self.arguments, self.stack = arguments, stack
        self.acked, self.plan_file = stack.path("acked"), stack.path("plan.json")

    def load(self):
        """The simulator into tools/replay at the rate; replay's counts."""
        sim = subprocess.Popen(
            [os.path.join(BIN, "hotelsim"), "--seed", str(self.arguments.seed), "--tenants", "8", "--properties", "32",
             "--from", "2024-01-01", "--to", "2025-12-31", "--repeat", REPEATED, "--broken", BROKEN,
             "--events", str(self.arguments.seconds * self.arguments.rate), "--plan", self.plan_file],
            stdout=subprocess.PIPE)
        replay = subprocess.Popen(
            [os.path.join(CHECKOUT, "tools", "replay"), "-", "--rate", str(self.arguments.rate), "--batch", "50",
             "--connections", "16", "--acked", self.acked, "--retry-for", "60s"],
            stdin=sim.stdout, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, **self.stack.env})
        sim.stdout.close()
        said, _ = replay.communicate()
        assert sim.wait() == 0, "hotelsim failed"
        return {key: float(value) for key, value in (word.split("=") for word in said.split())}

    def run(self):
        """Rows of (what, figure, whether it is as it should be or None)."""
        sampler, prober, readers = Sampler(self.stack), Prober(self.stack), Readers(self.stack)
        for one in (sampler, prober, readers):
            one.start()
        counts = self.load()
        for one in (prober, sampler, readers):
            one.ended.set()
            one.join()
        began = time.monotonic()
        self.stack.wait(timeout=1800)
        caught_up = time.monotonic() - began
        rate = self.arguments.rate
        return [
            ("events acknowledged a second", f"{counts['events/s']:,.0f} of {rate:,}", counts["events/s"] >= 0.98 * rate),
            *self.count_rows(counts, prober),
            ("acknowledgement of batches of 50, p50 / p99 / max",
             " / ".join(f"{counts[key]:.1f}" for key in ("p50_ms", "p99_ms", "max_ms")) + " ms", None),
            ("acknowledgement of single events beside them, p50 / p99 / max",
             " / ".join(f"{value:.1f}" for value in (quantile(prober.took, 0.5), quantile(prober.took, 0.99),
                                                     max(prober.took))) + f" ms, of {len(prober.took):,}", None),
            ("from the last acknowledgement until all is applied", f"{caught_up:.1f} s", None),
            *readers.compare(),
            ("keys that failed in etld", *zero(self.number("select count(*) from analytics_run.failed_keys"))),
            *(memory_row(name, sampler.quarters(name)) for name in DAEMONS),
        ]

    def count_rows(self, counts, prober):
        with open(self.plan_file, encoding="utf-8") as plan:
            sent = json.load(plan)["events"]
        raw = self.number("select count(*) from events_raw.event where tenant_id <> $1", PROBER)
        for key, planned in (("accepted", "good"), ("duplicates", "repeats"), ("deadLettered", "broken"),
                             ("conflicts", "conflicts")):
            yield f"{key}, of those sent as {planned}", f"{counts[key]:,.0f} of {sent[planned]:,}", counts[key] == sent[planned]
        yield "not acknowledged", *zero(int(counts["unacknowledged"]))
        yield "in raw", f"{raw:,}", raw == sent["good"]
        probed = self.number("select count(*) from events_raw.event where tenant_id = $1", PROBER)
        yield "single events in raw", f"{probed:,}", probed == len(prober.took) and prober.refused == 0
        yield "in raw, but never acknowledged", *zero(self.strangers())
        kept = self.number("select coalesce(sum(times), 0) from analytics_run.dead_letter")
        yield "dead letters kept", f"{kept:,}", kept == sent["broken"]

    def number(self, sql, *params):
        return int(self.stack.query(sql, *params)[0][0])

    def strangers(self):
        with open(self.acked, encoding="utf-8") as ids:
            acknowledged = {line.rstrip("\n").removeprefix("evt_") for line in ids}
        rows = self.stack.query("select event_id from events_raw.event where tenant_id <> $1", PROBER)
        return sum(row[0].removeprefix("evt_") not in acknowledged for row in rows)


def zero(count):
    return f"{count:,}", count == 0


def memory_row(name, quarters):
    growth = quarters[3] - quarters[2]
    return (f"RSS of {name} by quarter of the run",
            " / ".join(f"{mb:.1f}" for mb in quarters) + f" MB, {growth:+.1f} at the end", growth <= GROWTH_MAX)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=int, default=5000, help="events a second")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    about = (f"{arguments.seconds} s at {arguments.rate:,} events/s, {REPEATED} % repeated, {BROKEN} % broken; "
             f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f} before")
    print(about, flush=True)
    stack = Stack(profile="bench")
    try:
        stack.up()
        rows = Soak(arguments, stack).run()
    finally:
        stack.close()
    verdicts = {None: "", True: "as it should be", False: "**not so**"}
    table = "| what | figure | |\n| --- | --- | --- |\n" + "".join(
        f"| {what} | {figure} | {verdicts[verdict]} |\n" for what, figure, verdict in rows)
    with open(os.path.join(CHECKOUT, "build", "soak.md"), "w", encoding="utf-8") as out:
        out.write(f"{about}, {os.getloadavg()[0]:.1f} after.\n\n{table}")
    print(table)
    sys.exit(1 if any(verdict is False for _, _, verdict in rows) else 0)


if __name__ == "__main__":
    main()
