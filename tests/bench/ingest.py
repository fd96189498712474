"""Ingest: rates, latency, what an event takes on disk and in WAL, and whether tenants get their share."""

import os
import re
import statistics
import time

import context as cx
from samples import mark_ids
from harness import run
from load import Hello, Load, pgbench
from table import Wrong

DISK = """select sum(pg_table_size(relid)), sum(pg_indexes_size(relid)) from pg_partition_tree('events_raw.event')
 where isleaf"""


def raw_copy(stack, path, count):
    """Rows a second of the raw COPY."""
    done = run([cx.program("bench_copy"), path], timeout=cx.WAIT, env=cx.database(stack))
    counts = dict(pair.split("=") for pair in done.stdout.split())
    if int(counts["rows"]) != count:
        raise Wrong(f"bench_copy: {done.stdout}")
    return count / float(counts["seconds"])


def replay(stack, path, count, batch, connections):
    """Events a second from the first request to the last acknowledgement."""
    stack.psql("checkpoint")
    done = run([os.path.join(cx.CHECKOUT, "tools", "replay"), path, "--batch", str(batch),
                "--connections", str(connections)], None, cx.WAIT, env={**os.environ, **stack.env})
    counts = dict(pair.split("=") for pair in done.stdout.split())
    if done.returncode != 0 or int(counts["accepted"]) != count:
        raise Wrong(f"replay: {done.stdout}{done.stderr}")
    return count / float(counts["seconds"])


def batches(stack):
    """Landed batches, those of them that went the careful way, ids taken for seen, seconds in commits."""
    text = stack.http("GET", "ingestd", "/metrics").body.decode()
    return [float(re.search(rf"^{name} (\S+)$", text, re.M)[1]) for name in
            ("ingest_batch_events_count", "ingest_careful_batches_total", "ingest_recent_hits_total",
             "ingest_commit_seconds_sum")]


def landed(stack):
    return int(stack.psql(cx.COUNT_RAW)[0][0])


def check_landed(stack, count):
    if landed(stack) != count:
        raise Wrong(f"{count} events were acknowledged, {landed(stack)} landed")


def wal(stack, step):
    """What the step gives, and the bytes of WAL that it wrote."""
    before = stack.psql("select pg_current_wal_insert_lsn()")[0][0]
    result = step()
    written = stack.psql(f"select pg_current_wal_insert_lsn() - '{before}'::pg_lsn")[0][0]
    return result, float(written)


def sizes(stack, count):
    """Bytes of an event in raw with its indexes, and of a row of the raw COPY."""
    heap, indexes = (float(n) for n in stack.psql(DISK)[0])
    plain = float(stack.psql("select pg_table_size('public.bench_copy')")[0][0])
    return (heap + indexes) / count, plain / count


def ingest_round(figures, number, events, batch, connections):
    """COPY and replay on one new stack, where etld stands still: ingest alone."""
    stack = cx.new_stack()
    try:
        cx.pause(stack)
        steps = [("copy", lambda: raw_copy(stack, *events)),
                 ("replay", lambda: replay(stack, *events, batch, connections))]
        for name, step in steps[::1 if number % 2 else -1]:
            rate, written = wal(stack, step)
            figures.setdefault((name, batch), []).append(rate)
            figures.setdefault((name, "wal"), []).append(written / events[1])
            print(f"  {name} {batch}: {rate:,.0f}/s", flush=True)
        landings, careful, hits, seconds = batches(stack)
        print(f"    {events[1] / landings:.0f} events a commit, {seconds / landings * 1000:.1f} ms each;"
              f" {careful:.0f} of {landings:.0f} went the careful way, {hits:.0f} ids were taken for seen", flush=True)
        check_landed(stack, events[1])
        for name, size in zip(("replay", "copy"), sizes(stack, events[1])):
            figures.setdefault((name, "disk"), []).append(size)
    finally:
        cx.close(stack)


def bench_ingest(table, events):
    figures = {}
    table.part("ingest")
    for number in range(cx.ROUNDS):
        ingest_round(figures, number, events, 1000, 8)
        ingest_round(figures, number, events, 100, 16)
    for goal, batch, target in (("I1", 1000, 0.55), ("I2", 100, 0.45)):
        table.compare(f"{goal} durable ingest, batches of {batch}, against raw COPY",
                      figures["replay", batch], figures["copy", batch], "events/s", least=target)
    table.compare("I5 disk of an event, indexes included, against a raw row", figures["replay", "disk"],
                  figures["copy", "disk"], "bytes")
    table.compare("I6 WAL of an event, against a raw row", figures["replay", "wal"], figures["copy", "wal"],
                  "bytes")


def bench_push(table, events):
    """Single events; each 2xx must be a row more in raw."""
    stack = cx.new_stack()
    try:
        cx.pause(stack)
        stack.psql("create table public.bench_one (n integer)")
        marked = mark_ids(events[0], "marked.ndjson")
        with Hello() as hello:
            for connections in (64, 256):
                push_rounds(table, stack, hello, marked, connections)
    finally:
        cx.close(stack)


def push_rounds(table, stack, hello, marked, connections):
    table.part(f"single events, {connections} connections")
    baseline, commits = hello.load(connections), []
    push = Load(stack.env["INGESTD_URL"], connections, kind="events", path="/v1/events",
                token=stack.env["INGESTD_TOKEN"], events=marked)
    before = landed(stack)
    for _ in range(cx.ROUNDS):
        stack.psql("checkpoint")  # frees the log for the next round, see new_stack
        baseline.run()
        commits.append(pgbench(stack, "insert into public.bench_one values (1);", cx.WORK)[98])
        push.run(ulid_time=cx.ulid_time())
    acknowledged = sum(push.all("requests"))
    # wrk leaves when its time is up: what it had in flight may have landed
    if not acknowledged <= landed(stack) - before <= acknowledged + cx.ROUNDS * connections:
        raise Wrong(f"{acknowledged} events were acknowledged, {landed(stack) - before} landed")
    push.report(table, f"I3 durable single events, {connections} connections, against hello", baseline, 0.45)
    if connections == 64:
        table.compare("I4 their p99, against that of single-row commits", push.all("p99"), commits, "ms",
                      most=12, digits=2)


def bench_fair(table, events):
    """Latency of a few quiet senders, without and with a tenant that sends fifty times as much as they."""
    stack = cx.new_stack()
    try:
        cx.pause(stack)
        table.part("a flood beside quiet tenants")
        tenants = [stack.psql("select 'tnt_' || analytics_run.ulid()")[0][0] for _ in range(2)]
        quiet, flood = (
            Load(stack.env["INGESTD_URL"], connections, refusals, kind="events", path="/v1/events",
                 token=stack.env["INGESTD_TOKEN"], events=mark_ids(events[0], f"marked{n}.ndjson", tenant),
                 batch=batch)
            for n, (tenant, connections, refusals, batch) in enumerate(
                zip(tenants, (4, 8), (0.0, 1.0), (1, 100))))
        alone, beside = [], []
        for _ in range(cx.ROUNDS):
            stack.psql("checkpoint")
            quiet.run(ulid_time=cx.ulid_time())
            alone.append(quiet.results[-1]["p99"])
            flood.start(ulid_time=cx.ulid_time())
            time.sleep(0.2)
            quiet.run(ulid_time=cx.ulid_time())
            beside.append(quiet.results[-1]["p99"])
            flood.end()
        sent = 100 * statistics.median(flood.rates) / statistics.median(quiet.rates[1::2])
        table.compare("p99 of quiet tenants beside one that floods", beside, alone, "ms", most=2, digits=2,
                      note=f" while the flood lands {sent:.0f} times as many events")
    finally:
        cx.close(stack)


def bench_dedupe(table):
    """Landing beside many existing keys, against the same COPY into a heap without index."""
    stack = cx.new_stack()
    try:
        cx.pause(stack)
        table.part(f"dedupe beside {cx.KEYS:,} keys")
        done = run([cx.program("bench_dedupe"), str(cx.KEYS), str(cx.ROUNDS)], timeout=3600,
                   env=cx.database(stack))
        rates = {name: [float(rate) for rate in values.split()] for name, values in
                 re.findall(r"^(\w+): (.*)$", done.stdout, re.M)}
        for name, share, target in (("none", "0 %", 0.75), ("some", "1 %", 0.7)):
            table.compare(f"I7 landing with {share} redeliveries beside {cx.KEYS:,} keys, against a heap",
                          rates[name], rates["heap"], "events/s", least=target)
    finally:
        cx.close(stack)


def bench_together(table, stack, events):
    """The whole chain at once, and how far behind it is when the last event is acknowledged."""
    table.part("all daemons together")
    copied = raw_copy(stack, *events)
    sent = time.monotonic()
    rate = replay(stack, *events, 1000, 8)
    began = time.monotonic()
    stack.wait(cx.WAIT)
    behind = time.monotonic() - began
    check_landed(stack, events[1])
    table.compare("durable ingest while etld works, once, against raw COPY", [rate], [copied], "events/s")
    table.add("E3 events landed and applied, once, against raw COPY", f"{events[1] / (began - sent + behind):,.0f} events/s",
              f"{copied:,.0f} events/s", events[1] / (began - sent + behind) / copied, "≥ 0.2",
              events[1] / (began - sent + behind) >= 0.2 * copied)
    table.add("last acknowledgement until all is applied, once", f"{behind:.1f} s")
