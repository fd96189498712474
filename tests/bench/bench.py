#!/usr/bin/python3
"""make bench: what the daemons do, each figure beside a baseline of the same run.

A machine's absolute figures say little, and less when others use it too. So each candidate takes
turns with a baseline that does the least anybody could do for the same answer: a raw binary COPY of
the same rows, an evhttp server that says hello, a loop of single-row commits, cJSON over the same
events. Medians of all rounds count, least and greatest are shown. Where the load average before a
part is above 1.5, or the greatest of a baseline above 2.5 times its least, the row says `busy`
instead of a verdict. The stack is private, new for each part, and durable (profile bench: fsync,
full_page_writes and synchronous_commit are on).

The table goes to standard output and to build/bench.md. Environment:
  BENCH="ingest push"  parts, of: parser ingest push fair dedupe gate history flow backfill cost together; else all
                       and slo, which runs only when it is named
  BENCH_EVENTS=FILE    NDJSON events instead of simulated ones
  BENCH_COUNT=150000   how many to simulate
  BENCH_KEYS=10000000  keys that exist before dedupe is measured
  BENCH_HISTORY=2000000, BENCH_TENANTS=300  reservation events, and whose, before a delta is rebuilt
  BENCH_STAYS=200      of each of the 50 tenants that are backfilled
  BENCH_COST_RESERVATIONS=1000, BENCH_COST_TENANTS=6  reservations, and whose, before estimates are measured
  BENCH_SLO_TENANTS=200, BENCH_SLO_NIGHTS=600000  what slo is measured on; full size: slo.py
  BENCH_CONNECTIONS="32 128"  of the clients that ask queryd
  BENCH_ROUNDS=5, BENCH_SECONDS=5 (of each wrk)
Exit: 0 measured, whatever came out; 1 an answer was wrong, so that no figure would mean anything.
"""

import os
import platform
import signal
import sys

sys.dont_write_bytecode = True

import context as cx  # noqa: E402
import answers  # noqa: E402
import backfill  # noqa: E402
import cost  # noqa: E402
import history  # noqa: E402
import inside  # noqa: E402
import ingest  # noqa: E402
import parser  # noqa: E402
import processes  # noqa: E402
import slo  # noqa: E402
import visible  # noqa: E402
from samples import the_events  # noqa: E402
from table import Table, Wrong  # noqa: E402


def together(table, events):
    """All daemons on one stack: the chain, answers, memory and start."""
    stack = cx.new_stack()
    try:
        ingest.bench_together(table, stack, events)
        processes.bench_memory(table, stack, "after the replay")
        answers.bench_compute(table, stack)
        inside.bench_token(table, stack, answers.largest_tenant(stack)[0])
        processes.bench_memory(table, stack, "after all")
        processes.bench_start(table, stack)
    finally:
        cx.close(stack)


PARTS = {
    "parser": parser.bench_parser,
    "ingest": ingest.bench_ingest,
    "push": ingest.bench_push,
    "fair": ingest.bench_fair,
    "dedupe": lambda table, _: ingest.bench_dedupe(table),
    "gate": inside.bench_gate,
    "history": history.bench_history,
    "flow": visible.bench_flow,
    "backfill": backfill.bench_backfill,
    "cost": cost.bench_cost,
    "together": together,
}
ASKED_FOR = {"slo": slo.bench_slo}  # run only when BENCH names them


def measure(table, names):
    events = the_events()
    about = (f"{events[1]:,} events of {os.path.getsize(events[0]) / events[1]:.0f} bytes, "
             f"{cx.ROUNDS} rounds, wrk {cx.SECONDS} s; {os.cpu_count()} CPUs, {platform.machine()}, "
             f"Linux {platform.release()}")
    began = os.getloadavg()[0]
    print(about)
    for name in names:
        (PARTS | ASKED_FOR)[name](table, events)
    return f"{about}; load average {began:.1f} before, {os.getloadavg()[0]:.1f} after"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the stack goes down, too
    names = os.environ.get("BENCH", "").split() or list(PARTS)
    unknown = [name for name in names if name not in PARTS | ASKED_FOR]
    if unknown:
        sys.exit(f"bench: no such part: {' '.join(unknown)}; there are: {' '.join(PARTS | ASKED_FOR)}")
    os.makedirs(cx.WORK, exist_ok=True)
    table = Table()
    try:
        about = measure(table, names)
    except Wrong as e:
        print(f"bench: {e}", file=sys.stderr)
        sys.exit(1)
    text = f"{about}.\nMedians (least to greatest).\n\n{table.markdown()}"
    with open(os.path.join(cx.BUILD, "bench.md"), "w", encoding="utf-8") as out:
        out.write(text)
    print("\n" + text)


if __name__ == "__main__":
    main()
