"""queryd: cached and computed answers against hello."""

import datetime
import json
import os
import re
import uuid

import context as cx
from harness import run
from load import Hello, Load
from stacklib.home import Home
from table import Wrong

CONNECTIONS = [int(n) for n in os.environ.get("BENCH_CONNECTIONS", "32 128").split()]
METRIC = "occupancy_pct"
API = "/api/v1/analytics"


def cache_counts(stack):
    text = stack.http("GET", "queryd", "/metrics").body.decode()
    return {name: int(float(value)) for name, value in
            re.findall(r'^query_results_total\{cache="(\w+)"\} (\S+)$', text, re.M)}


def redis_gets(stack, connections, size):
    """GETs a second of a value of this size, as redis-benchmark does them over queryd's socket."""
    done = run(["redis-benchmark", "-s", Home(stack.dir)("run", "redis.sock"), "-n", str(20000 * cx.SECONDS),
                "-c", str(connections), "-d", str(size), "-t", "set,get", "-r", "100", "--csv"], timeout=cx.WAIT)
    return float(re.search(r'^"GET","([\d.]+)"', done.stdout, re.M)[1])


def largest_tenant(stack):
    return stack.psql(
        "select tenant_id, min(stay_date), max(stay_date) from analytics_curated.fact_room_night"
        " group by tenant_id order by count(*) desc limit 1")[0]


def make_board(stack, tenant, query):
    """A dashboard of four widgets, and one of these."""
    token = stack.token(tenant, "--role", "tenant.admin")

    def make(path, body):
        answer = stack.http("POST", "queryd", API + path, body, token, {
            "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())})
        return answer.json()["id"]

    board = make("/dashboards", {"name": "bench", "scope": "tenant"})
    for n in range(4):
        widget = make(f"/dashboards/{board}/widgets", {
            "kind": "time_series", "title": f"bench {n}", "query": query, "layout": {"x": 0, "y": 4 * n, "w": 4, "h": 4}})
    return board, widget


TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def processor_seconds(stack):
    """Of each server so far. Postgres is its children: each of them is a connection or one of its own workers."""
    used, postgres = dict.fromkeys(("queryd", "redis", "postgres"), 0.0), stack.pid("postgres")
    named = {stack.pid("queryd"): "queryd", stack.pid("redis"): "redis", postgres: "postgres"}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        name = named.get(int(pid), "postgres" if int(fields[1]) == postgres else None)
        if name is not None:
            used[name] += (int(fields[11]) + int(fields[12])) * TICK_S
    return used


def add_processor(table, what, load, spent, goal):
    """Where the time of an answer goes; `spent` are (before, after) of each round."""
    answers = sum(load.all("answered"))
    of = {name: sum(after[name] - before[name] for before, after in spent) / answers for name in spent[0][0]}
    table.add(f"{what}: processor time of an answer, of queryd, Redis and Postgres",
              " + ".join(f"{1e6 * seconds:.1f}" for seconds in of.values()) + " us", "", None, "", None)
    table.add(f"{what}: answers per second of processor time, all three", f"{1 / sum(of.values()):,.0f} /s", "", None,
              f"≥ {goal:,} /s" if goal else "", sum(of.values()) <= 1 / goal if goal else None)


def bench_forms(table, stack, tenant, query):
    """The same figures as a query, a widget and a dashboard; all of them from the cache."""
    query = {"metrics": [METRIC], **{name: query[name] for name in ("dateRange", "granularity")}}
    board, widget = make_board(stack, tenant, query)
    asked = {"token": stack.token(tenant, "--role", "tenant.admin", "--ttl", "86400")}
    forms = {"queries:run": {"kind": "fixed", "path": f"{API}/queries:run", "body": json.dumps({"query": query})},
             "widgets/{id}/data": {"kind": "get", "path": f"{API}/widgets/{widget}/data"},
             "dashboards/{id}/data of four": {"kind": "get", "path": f"{API}/dashboards/{board}/data"}}
    with Hello() as server:
        for name, form in forms.items():
            hello = server.load(CONNECTIONS[0])
            load, spent = Load(stack.env["QUERYD_URL"], CONNECTIONS[0], **form, **asked), []
            for _ in range(cx.ROUNDS):
                hello.run()
                before = processor_seconds(stack)
                load.run()
                spent.append((before, processor_seconds(stack)))
            load.report(table, f"{name} cached, {CONNECTIONS[0]} connections, against hello", hello, None)
            add_processor(table, f"{name} cached", load, spent, 30000 if name.startswith("widgets") else None)


def bench_compute(table, stack):
    tenant, first, last = largest_tenant(stack)
    first, last = (datetime.date.fromisoformat(day) for day in (first, last))
    middle = first + (last - first) // 2
    body = json.dumps({"dateRange": {"from": "@FROM@", "to": "@TO@"}, "granularity": "day",
                       "dimensions": ["property_id"]})
    fixed = body.replace("@FROM@", str(middle)).replace("@TO@", str(middle + datetime.timedelta(89)))
    asked = {"token": stack.token(tenant, "--ttl", "86400"),
             "path": f"{API}/metrics/{METRIC}:compute"}
    ranges = {**asked, "kind": "ranges", "body": body, "days": (last - first).days - 29,
              "day": (first - datetime.date(1970, 1, 1)).days}
    size = len(stack.http("POST", "queryd", asked["path"], fixed, asked["token"],
                          {"Content-Type": "application/json"}).body)
    url, sent, misses_due = stack.env["QUERYD_URL"], 0, 0
    before = cache_counts(stack)
    table.part("metrics:compute")
    with Hello() as server, Hello(size) as as_large:
        for connections in CONNECTIONS:
            hello, large, redis = server.load(connections), as_large.load(connections), []
            cached = Load(url, connections, kind="fixed", body=fixed, **asked)
            computed = Load(url, connections, 0.5, **ranges)  # who waits 500 ms is refused; the table says so
            for _ in range(cx.ROUNDS):
                hello.run()
                cached.run()
                large.run()
                redis.append(redis_gets(stack, connections, size))
                computed.run(first=sent)
                sent += computed.results[-1]["requests"] + connections
                misses_due += computed.results[-1]["answered"]
            cached.report(table, f"Q2 {METRIC}:compute cached, {connections} connections, against hello",
                          hello, 0.65)
            cached.report(table, f"the same, {connections} connections, against hello of {size:,} bytes", large, None)
            table.compare(f"Q3 the same, {connections} connections, against Redis' GET of {size:,} bytes",
                          cached.rates, redis, "/s", least=0.45)
            computed.report(table, f"{METRIC}:compute uncached, {connections} connections, against hello",
                            hello, None)
    bench_forms(table, stack, tenant, json.loads(fixed))
    after = cache_counts(stack)
    misses = after.get("MISS", 0) - before.get("MISS", 0)
    if misses < misses_due:  # a date range came again
        raise Wrong(f"of {misses_due} answers that should be computed only {misses} were: {after}")
