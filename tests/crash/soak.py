#!/usr/bin/python3
"""make soak: a steady load for minutes through the real front door of a durable stack.

A simulated platform's events at a steady rate, 1 % of them repeated and 0.1 % broken lines added, all
daemons at work. Sampled meanwhile: each daemon's resident memory, and the acknowledgement of single
events from a client of its own. Afterwards nothing may be lost or doubled (counts against the
simulator's plan, raw's ids against the acknowledged ones), the curated tables must catch up, and no
daemon may have grown from the third quarter to the fourth by more than the queue's ups and downs.

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

import platform_events as ev  # noqa: E402
from harness import BIN, DAEMONS, Stack  # noqa: E402

REPEATED, BROKEN = "1", "0.1"  # per cent
PROBE_EVERY = 0.05             # seconds between single events
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
        sampler, prober = Sampler(self.stack), Prober(self.stack)
        sampler.start()
        prober.start()
        counts = self.load()
        for one in (prober, sampler):
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
