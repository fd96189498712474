"""Requests by wrk, and the evhttp server that says hello."""

import json
import os
import re
import statistics
import subprocess

from context import CHECKOUT, SECONDS, program
from harness import run
from table import BUSY_SPREAD, Wrong, spread

LUA = os.path.join(CHECKOUT, "tests", "bench", "bench.lua")


def start_wrk(url, connections, **environment):
    env = {**os.environ, **{f"BENCH_{key.upper()}": str(value) for key, value in environment.items()}}
    return subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", LUA,
                             url], env=env, stdout=subprocess.PIPE, text=True)


def end_wrk(process, refusals=0.0):
    """What bench.lua reports, of which this share may be refused."""
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    result = json.loads(re.search(r"^result (.*)$", text, re.M)[1])
    result["answered"] = result["requests"] - result["refused"]
    result["cpu"] = (used.ru_utime + used.ru_stime) / result["seconds"]
    if result["broken"] or result["refused"] > result["requests"] * refusals:
        raise Wrong(f"wrk {process.args[-1]}: {result}")
    return result


class Load:
    """One kind of request and what its rounds gave."""

    def __init__(self, url, connections, refusals=0.0, **environment):
        self.url, self.connections, self.refusals = url, connections, refusals
        self.environment, self.results, self.running = environment, [], None

    def start(self, **more):
        self.running = start_wrk(self.url, self.connections, **self.environment, **more)

    def end(self):
        self.results.append(end_wrk(self.running, self.refusals))

    def run(self, **more):
        self.start(**more)
        self.end()

    def all(self, name):
        return [result[name] for result in self.results]

    @property
    def rates(self):
        return [result["answered"] / result["seconds"] for result in self.results]

    @property
    def latency(self):
        refused = sum(self.all("refused"))
        return ", p50/p95/p99 " + " / ".join(
            f"{statistics.median(self.all(name)):.2f}" for name in ("p50", "p95", "p99")) + " ms, wrk on " + (
                f"{statistics.median(self.all('cpu')):.2f} CPU") + (f", {refused} refused" if refused else "")

    def report(self, table, goal, hello, target):
        ratio = statistics.median(self.rates) / statistics.median(hello.rates)
        table.add(goal, spread(self.rates, "/s") + self.latency, spread(hello.rates, "/s") + hello.latency,
                  ratio, "" if target is None else f"≥ {target}",
                  None if target is None else ratio >= target,
                  max(hello.rates) <= BUSY_SPREAD * min(hello.rates))


class Hello:
    """The evhttp baseline: a few bytes, or `size`."""

    def __init__(self, size=None):
        self.arguments = [] if size is None else [str(size)]

    def __enter__(self):
        self.process = subprocess.Popen([program("hello"), *self.arguments], stdout=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/"
        return self

    def load(self, connections):
        return Load(self.url, connections, kind="hello")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def pgbench(stack, statement, work):
    """The percentiles 1 to 99, in ms, of a loop of one statement on one connection."""
    script, log = os.path.join(work, "pgbench.sql"), os.path.join(work, "pgbench.log")
    with open(script, "w", encoding="utf-8") as out:
        out.write(statement)
    done = run(["/usr/lib/postgresql/15/bin/pgbench", stack.env["DATABASE_URL"], "-n", "-c1",
                f"-T{SECONDS}", "-f", script, "-l", "--log-prefix", log], timeout=SECONDS + 60)
    files = [os.path.join(work, name) for name in os.listdir(work) if name.startswith("pgbench.log")]
    took = []
    for name in files:
        with open(name, encoding="ascii") as lines:
            took += [int(line.split()[2]) / 1000 for line in lines]
        os.unlink(name)
    if not took:
        raise Wrong(f"pgbench: {done.stdout}")
    return statistics.quantiles(took, n=100)
