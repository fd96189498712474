#!/usr/bin/python3
"""make bench: what the daemons do, each figure beside a baseline of the same run.

A machine's absolute figures say little, and less when others use it too. So each candidate takes
turns with a baseline that does the least anybody could do for the same answer: a raw binary COPY of
the same rows, an evhttp server that says hello, cJSON over the same events. Medians of all rounds
count, least and greatest are shown, and the load average at each part. The stack is private, new
for each ingest, and durable (profile bench: fsync, full_page_writes and synchronous_commit are on).

The table goes to standard output and to build/bench.md. Environment:
  BENCH_EVENTS=FILE   NDJSON events instead of simulated ones
  BENCH_COUNT=150000  how many to simulate
  BENCH_ROUNDS=3, BENCH_SECONDS=5 (of each wrk)
Exit: 0 measured, whatever came out; 1 an answer was wrong, so that no figure would mean anything.
"""

import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True
CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "tests", "integration"), os.path.join(CHECKOUT, "tools")]

from harness import DAEMONS, Stack, run  # noqa: E402
from stacklib.daemons import Daemon, find_binaries  # noqa: E402
from stacklib.home import Home  # noqa: E402

BUILD = os.path.join(CHECKOUT, "build")
PROGRAMS = os.path.join(BUILD, os.environ.get("MODE", "release"), "tests", "bench")
WORK = os.path.join(BUILD, "bench")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
COUNT = int(os.environ.get("BENCH_COUNT", "150000"))
WAIT = 600
CONNECTIONS = (16, 64)
COUNT_RAW = "select count(*) from events_raw.event"
ID_MARK = "@ID@".ljust(26, "@")
METRIC = "occupancy_pct"
RSS_GOAL_MB = {"ingestd": 40}  # the others: 30
ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}\Z")
ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Wrong(Exception):
    """A candidate did not do its work."""


class Table:
    """Rows as they come; `missed` are those beyond their target."""

    HEAD = ("goal", "ours", "baseline", "ratio", "target", "")

    def __init__(self):
        self.rows = []

    def add(self, goal, ours, baseline="", ratio=None, target="", met=None):
        verdict = {None: "", True: "met", False: "**missed**"}[met]
        self.rows.append((goal, ours, baseline, "" if ratio is None else f"{ratio:.2f}", target,
                          verdict))
        print("  " + " · ".join(cell for cell in self.rows[-1] if cell), flush=True)

    def compare(self, goal, ours, baseline, unit, target=None):
        """Two lists of rates: the ratio of their medians, which should be `target` at least."""
        ratio = statistics.median(ours) / statistics.median(baseline)
        self.add(goal, spread(ours, unit), spread(baseline, unit), ratio,
                 "" if target is None else f"≥ {target}", None if target is None else ratio >= target)

    def at_most(self, goal, value, limit, unit):
        self.add(goal, f"{value:.1f} {unit}", "", None, f"≤ {limit} {unit}", value <= limit)

    def markdown(self):
        rows = [self.HEAD, ("---",) * len(self.HEAD), *self.rows]
        return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def spread(values, unit):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.0f} {unit} ({low:,.0f} to {high:,.0f})"


def load():
    return f"load average {os.getloadavg()[0]:.1f}"


def part(name):
    print(f"\n{name} ({load()})", flush=True)


def new_stack():
    stack = Stack("bench", directory=os.path.join(WORK, "stack"))
    stack.tool("down", "--wipe", check=None)
    return stack.up()


def close(stack):
    try:
        os.kill(stack.pid("etld"), signal.SIGCONT)
    except OSError:
        pass
    stack.tool("down", "--wipe")


# --- the events

def the_events():
    """(file, number of lines)"""
    path = os.environ.get("BENCH_EVENTS")
    if path is None:
        path = os.path.join(WORK, "events.ndjson")
        with open(path, "wb") as out:
            subprocess.run([os.path.join(CHECKOUT, "tools", "hotelsim"), "--tenants", "1",
                            "--events", str(COUNT), "--from", "2024-01-01", "--to", "2025-12-31"],
                           stdout=out, check=True)
    with open(path, "rb") as lines:
        return path, sum(1 for _ in lines)


def mark_ids(path, most=1000):
    """A file of up to `most` events of the kind, with a mark in place of each one's ULID."""
    marked = os.path.join(WORK, "marked.ndjson")
    taken = 0
    with open(path, encoding="utf-8") as lines, open(marked, "w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            event = json.loads(line)
            found = ULID.search(str(event.get("eventId") or event.get("id") or ""))
            if (number % 7 == 0 and found and line.count(found[0]) == 1
                    and ".pricing." not in line):  # told apart by content, not by their id
                out.write(line.replace(found[0], ID_MARK))
                taken += 1
            if taken == most:
                break
    if taken == 0:
        raise Wrong(f"{path} has no event whose id is a ULID")
    return marked


def ulid_time():
    """The first ten characters of a ULID of now."""
    milliseconds, text = time.time_ns() // 1_000_000, ""
    for _ in range(10):
        milliseconds, digit = divmod(milliseconds, 32)
        text = ULID_ALPHABET[digit] + text
    return text


# --- ingest

def raw_copy(stack, path, count):
    """Rows a second of the raw COPY."""
    done = run([os.path.join(PROGRAMS, "bench_copy"), path], timeout=WAIT,
               env={**os.environ, "DATABASE_URL": stack.env["DATABASE_URL"]})
    counts = dict(pair.split("=") for pair in done.stdout.split())
    if int(counts["rows"]) != count:
        raise Wrong(f"bench_copy: {done.stdout}")
    return count / float(counts["seconds"])


def replay(stack, path, count, batch, connections):
    """Events a second from the first request to the last acknowledgement."""
    stack.psql("checkpoint")
    done = run([os.path.join(CHECKOUT, "tools", "replay"), path, "--batch", str(batch),
                "--connections", str(connections)], None, WAIT, env={**os.environ, **stack.env})
    counts = dict(pair.split("=") for pair in done.stdout.split())
    if done.returncode != 0 or int(counts["accepted"]) != count:
        raise Wrong(f"replay: {done.stdout}{done.stderr}")
    return count / float(counts["seconds"])


def check_landed(stack, count):
    landed = int(stack.psql(COUNT_RAW)[0][0])
    if landed != count:
        raise Wrong(f"{count} events were acknowledged, {landed} landed")


def catch_up(stack):
    began = time.monotonic()
    stack.wait(WAIT)
    return time.monotonic() - began


def ingest_round(figures, number, events, batch, connections):
    """COPY and replay on one new stack, where etld stands still: ingest alone."""
    stack = new_stack()
    try:
        os.kill(stack.pid("etld"), signal.SIGSTOP)
        steps = [("copy", lambda: raw_copy(stack, *events)),
                 ("replay", lambda: replay(stack, *events, batch, connections))]
        for name, step in steps[::1 if number % 2 else -1]:
            figures.setdefault((name, batch), []).append(step())
            print(f"  {name} {batch}: {figures[name, batch][-1]:,.0f}/s", flush=True)
        check_landed(stack, events[1])
    finally:
        close(stack)


def bench_ingest(table, events):
    figures = {}
    for number in range(ROUNDS):
        part(f"ingest, round {number + 1} of {ROUNDS}")
        ingest_round(figures, number, events, 1000, 8)
        ingest_round(figures, number, events, 100, 16)
    for batch, target in ((1000, 0.75), (100, 0.6)):
        table.compare(f"durable ingest, batches of {batch}, against raw COPY",
                      figures["replay", batch], figures["copy", batch], "events/s", target)


def bench_together(table, stack, events):
    """The whole chain at once, and how far behind it is when the last event is acknowledged."""
    part("all daemons together")
    copied = raw_copy(stack, *events)
    rate = replay(stack, *events, 1000, 8)
    behind = catch_up(stack)
    check_landed(stack, events[1])
    table.compare("durable ingest while etld works, once, against raw COPY", [rate], [copied],
                  "events/s")
    table.add("last acknowledgement until all is applied, once", f"{behind:.1f} s")


# --- processes

def bench_memory(table, stack, when):
    for name in DAEMONS:
        with open(f"/proc/{stack.pid(name)}/status", encoding="ascii") as status:
            sizes = dict(line.split(":", 1) for line in status)
        now, most = (int(sizes[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        goal = RSS_GOAL_MB.get(name, 30)
        table.add(f"RSS of {name} {when}", f"{now:.1f} MB, at most {most:.1f}", "", None,
                  f"≤ {goal} MB", most <= goal)


def bench_start(table, stack):
    """From exec until it has said READY=1 and /ready answers 200."""
    home = Home(stack.dir)
    ports, binaries = home.load_state()["ports"], find_binaries(home, DAEMONS)
    for name in DAEMONS:
        took = []
        for _ in range(max(ROUNDS, 5)):
            daemon = Daemon(home, name, ports[name])
            daemon.stop()
            began = time.monotonic()
            daemon.launch(binaries[name])
            daemon.wait_ready()
            took.append((time.monotonic() - began) * 1000)
        table.at_most(f"start of {name} until it is ready", statistics.median(took), 100, "ms")


# --- HTTP

def wrk(url, connections, **environment):
    """What bench.lua reports. Only computing may be refused under pressure; the table says so."""
    env = {**os.environ, **{f"BENCH_{key.upper()}": str(value) for key, value in environment.items()}}
    done = run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s",
                os.path.join(CHECKOUT, "tests", "bench", "bench.lua"), url], timeout=SECONDS + 60,
               env=env)
    result = json.loads(re.search(r"^result (.*)$", done.stdout, re.M)[1])
    result["answered"] = result["requests"] - result["refused"]
    if result["broken"] or result["refused"] > (
            result["requests"] // 10 if environment["kind"] == "ranges" else 0):
        raise Wrong(f"wrk {url} {environment.get('kind')}: {result}")
    return result


class Load:
    """One kind of request and what its rounds gave."""

    def __init__(self, url, connections, **environment):
        self.url, self.connections, self.environment = url, connections, environment
        self.results = []

    def run(self, **more):
        self.results.append(wrk(self.url, self.connections, **self.environment, **more))

    @property
    def rates(self):
        return [result["answered"] / result["seconds"] for result in self.results]

    @property
    def refused(self):
        refused = sum(result["refused"] for result in self.results)
        return f", {refused} refused" if refused else ""

    @property
    def latency(self):
        return "p50/p95/p99 " + " / ".join(
            f"{statistics.median(result[name] for result in self.results):.2f}"
            for name in ("p50", "p95", "p99")) + " ms"

    def report(self, table, goal, hello, target):
        ratio = statistics.median(self.rates) / statistics.median(hello.rates)
        table.add(goal, f"{spread(self.rates, '/s')}, {self.latency}{self.refused}",
                  f"{spread(hello.rates, '/s')}, {hello.latency}", ratio,
                  "" if target is None else f"≥ {target}", None if target is None else ratio >= target)


class Hello:
    """The evhttp baseline."""

    def __enter__(self):
        self.process = subprocess.Popen([os.path.join(PROGRAMS, "hello")], stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def cache_counts(stack):
    text = stack.http("GET", "queryd", "/metrics").body.decode()
    return {name: int(float(value)) for name, value in
            re.findall(r'^query_results_total\{cache="(\w+)"\} (\S+)$', text, re.M)}


def bench_compute(table, stack, hello_url):
    tenant, first, last = stack.psql(
        "select tenant_id, min(stay_date), max(stay_date) from analytics_curated.fact_room_night"
        " group by tenant_id order by count(*) desc limit 1")[0]
    first, last = (datetime.date.fromisoformat(day) for day in (first, last))
    middle = first + (last - first) // 2
    body = {"dateRange": {"from": "@FROM@", "to": "@TO@"}, "granularity": "day",
            "dimensions": ["property_id"]}
    body = json.dumps(body)
    fixed = body.replace("@FROM@", str(middle)).replace("@TO@", str(middle + datetime.timedelta(89)))
    asked = {"token": stack.token(tenant, "--ttl", "86400"),
             "path": f"/api/v1/analytics/metrics/{METRIC}:compute"}
    ranges = {**asked, "kind": "ranges", "body": body, "days": (last - first).days - 29,
              "day": (first - datetime.date(1970, 1, 1)).days}
    url, sent, misses_due = stack.env["QUERYD_URL"], 0, 0
    before = cache_counts(stack)
    part("metrics:compute")
    for connections in CONNECTIONS:
        hello = Load(hello_url, connections, kind="hello")
        cached = Load(url, connections, kind="fixed", body=fixed, **asked)
        computed = Load(url, connections, **ranges)
        for _ in range(ROUNDS):
            hello.run()
            cached.run()
            computed.run(first=sent)
            sent += computed.results[-1]["requests"] + connections
            misses_due += computed.results[-1]["answered"]
        cached.report(table, f"{METRIC}:compute cached, {connections} connections, against hello",
                      hello, 0.65)
        computed.report(table, f"{METRIC}:compute uncached, {connections} connections, against hello",
                        hello, None)
    after = cache_counts(stack)
    misses = after.get("MISS", 0) - before.get("MISS", 0)
    if misses < misses_due:  # a date range came again
        raise Wrong(f"of {misses_due} answers that should be computed only {misses} were: {after}")


def bench_push(table, stack, events, hello_url):
    """Single events, etld standing still; each 2xx must be a row more in raw."""
    connections = 64
    part("single events")
    hello = Load(hello_url, connections, kind="hello")
    push = Load(stack.env["INGESTD_URL"], connections, kind="events", path="/v1/events",
                token=stack.env["INGESTD_TOKEN"], events=mark_ids(events[0]))
    os.kill(stack.pid("etld"), signal.SIGSTOP)
    try:
        before = int(stack.psql(COUNT_RAW)[0][0])
        for _ in range(ROUNDS):
            hello.run()
            push.run(ulid_time=ulid_time())
        landed = int(stack.psql(COUNT_RAW)[0][0]) - before
    finally:
        os.kill(stack.pid("etld"), signal.SIGCONT)
    acknowledged = sum(result["requests"] for result in push.results)
    # wrk leaves when its time is up: what it had in flight may have landed
    if not acknowledged <= landed <= acknowledged + ROUNDS * connections:
        raise Wrong(f"{acknowledged} events were acknowledged, {landed} landed")
    push.report(table, f"durable single events, {connections} connections, against hello", hello, 0.7)


# --- the parser

def bench_parser(table, events):
    part("parser")
    done = run([os.path.join(PROGRAMS, "bench_scan"), events[0]], timeout=WAIT)
    found = {name: (us, float(ratio)) for name, us, ratio in
             re.findall(r"^(.+?)\s+([\d.]+) us/event.*?([\d.]+)x$", done.stdout, re.M)}
    cjson = found["cJSON parse+delete"][0]
    for name, target in (("scan", 0.3), ("envelope (all)", None), ("content hash", None)):
        us, ratio = found[name]
        table.add(f"{name}, CPU against cJSON", f"{us} us/event", f"{cjson} us/event", ratio,
                  "" if target is None else f"≤ {target}", None if target is None else ratio <= target)


# --- all of it

def measure(table):
    events = the_events()
    about = (f"{events[1]:,} events of {os.path.getsize(events[0]) / events[1]:.0f} bytes, "
             f"{ROUNDS} rounds, wrk {SECONDS} s; {os.cpu_count()} CPUs, {platform.machine()}, "
             f"Linux {platform.release()}")
    began = load()
    print(about)
    bench_parser(table, events)
    bench_ingest(table, events)
    stack = new_stack()
    try:
        bench_together(table, stack, events)
        bench_memory(table, stack, "after the replay")
        with Hello() as hello:
            bench_compute(table, stack, hello.url)
            bench_push(table, stack, events, hello.url)
        bench_memory(table, stack, "after all")
        bench_start(table, stack)
    finally:
        close(stack)
    return f"{about}; {began} before, {load()} after"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the stack goes down, too
    os.makedirs(WORK, exist_ok=True)
    table = Table()
    try:
        about = measure(table)
    except Wrong as e:
        print(f"bench: {e}", file=sys.stderr)
        sys.exit(1)
    text = f"{about}.\nMedians (least to greatest).\n\n{table.markdown()}"
    with open(os.path.join(BUILD, "bench.md"), "w", encoding="utf-8") as out:
        out.write(text)
    print("\n" + text)


if __name__ == "__main__":
    main()
