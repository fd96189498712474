"""Live freshness while two years of 50 tenants are rebuilt beside it: from an event to its answer, without and with."""

import datetime
import os
import statistics
import subprocess
import threading

import context as cx
import visible
from events import confirmed, ident, item, reservation
from harness import BIN
from table import Wrong

STAYS = int(os.environ.get("BENCH_STAYS", "200"))  # of a tenant, spread over the two years
FIRST, DAYS = datetime.date(2024, 1, 1), 730
RATE, SIZE = 200, 4  # live events a second, of a request; one of them is the probe's
POST = 1000  # events of a seeding request


def history():
    """Each stay of each tenant: booked, and checked out."""
    for n in range(STAYS):
        day = FIRST + datetime.timedelta(n * DAYS // STAYS)
        booked = datetime.datetime.combine(day, datetime.time(10), datetime.timezone.utc)
        nights = (str(day + datetime.timedelta(20)), str(day + datetime.timedelta(23)))
        for i in range(visible.TENANTS):
            key = ident("rsv", "history", i, n)
            tenant = {"tenantId": ident("tnt", "busy", i)}
            yield confirmed(booked, key, [item(*nights)]) | tenant
            yield reservation("checked_out", booked + datetime.timedelta(23), key) | tenant


def seed(stack):
    events = list(history())
    for at in range(0, len(events), POST):
        told = stack.send_events(events[at:at + POST])
        if told["accepted"] + told["duplicates"] < len(events[at:at + POST]):
            raise Wrong(f"the history did not land: {told}")
    stack.wait(cx.WAIT)
    return len(events)


class Backfills:
    """`with Backfills(stack)`: one after the other, as long as it lasts; the last one is waited for."""

    def __init__(self, stack):
        self.command = [os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), "-o", "hint_listen=", "-o", "bus_listen=",
                        "backfill", "--projection", "fact_reservation", "--from", str(FIRST),
                        "--to", str(FIRST + datetime.timedelta(DAYS - 1))]
        self.done, self.codes, self.stop = 0, set(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            self.codes.add(subprocess.run(self.command, capture_output=True, check=False, timeout=cx.WAIT).returncode)
            self.done += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        if self.codes != {0}:
            raise Wrong(f"backfills ended with {self.codes}")


def cuts_of(values):
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[94], cuts[98]


def said(cuts):
    return "{1:.1f} ms (p50 {0:.1f}, p99 {2:.1f})".format(*cuts)


def measure(table, stack):
    events, alone, beside, backfills = seed(stack), [], [], 0
    # in turns, so that whatever else the machine does meets both; the first one warms up
    for number in range(2 * cx.ROUNDS + 1):
        if number % 2 == 0:
            took = visible.visible(stack, 40 + number, RATE, SIZE)
            alone += took if number > 0 else []
        else:
            with Backfills(stack) as running:
                beside += visible.visible(stack, 40 + number, RATE, SIZE)
            backfills += running.done
        stack.wait(cx.WAIT)
    ours, baseline = cuts_of(beside), cuts_of(alone)
    table.add(f"F2 event until it is in an answer, {RATE} events/s, while {events:,} events of {visible.TENANTS} tenants are rebuilt"
              f" ({backfills} backfills), p95 against without", said(ours), said(baseline), ours[1] / baseline[1], "≤ 2",
              ours[1] <= 2 * baseline[1])


def bench_backfill(table, _):
    table.part("live beside a backfill")
    stack = cx.new_stack()
    try:
        measure(table, stack)
    finally:
        cx.close(stack)
