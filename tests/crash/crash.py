#!/usr/bin/python3
"""make crash: nothing acknowledged is ever lost or doubled, whatever is killed while events come in.

A simulated platform's events go into a durable stack, through POST /v1/events from several clients
or through Pub/Sub push, while ingestd and Postgres are killed at random instants. What was not
acknowledged is sent again. At the end raw must hold every event exactly once, byte for byte, and
nothing else. A kill counts only if it hit events: if requests were on the wire that got no
acknowledgement because of it.

--mutant NAME builds a copy of the tree with that fault (see mutant.py) and is content only if its
loss is found. Exit: 0 as it should be, 1 not so.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(CHECKOUT, "tests", "integration"), os.path.join(CHECKOUT, "tools")]

from events_load import EventsLoad  # noqa: E402
from harness import BIN, Stack, is_running, wait_until  # noqa: E402
from ledger import audit, is_clean  # noqa: E402
from mutant import Mutant  # noqa: E402
from push_load import PushLoad  # noqa: E402

DOORS = {"events": EventsLoad, "push": PushLoad}
MOST_EVENTS = 4_000_000  # never reached: the load ends with the kills
LONGEST = 0.4            # seconds from the first acknowledgement after a kill to the next kill


class Source:
    """An iterator of simulated events, as long as somebody asks for more."""

    def __init__(self, seed):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "hotelsim"), "--seed", str(seed), "--tenants", "4", "--properties", "12",
             "--from", "2024-01-01", "--to", "2025-12-31", "--events", str(MOST_EVENTS)],
            stdout=subprocess.PIPE)

    def __iter__(self):
        return (line.rstrip(b"\n") for line in self.process.stdout)

    def __enter__(self):
        return iter(self)

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


# --- what is killed, and how

def kill_landing_backend(stack):
    """The server process of a landing transaction, if one is under way; the postmaster then restarts all."""
    pids = stack.query("select pid from pg_stat_activity where usename = 'analytics_ingestd' "
                       "order by state = 'active' desc, random() limit 1")
    if pids:
        os.kill(int(pids[0][0]), signal.SIGKILL)
        wait_until(lambda: not is_running(int(pids[0][0])))


def kill_both(stack):
    stack.kill("ingestd")
    stack.kill("postgres")


KILLS = {
    "SIGKILL of ingestd": lambda stack: stack.kill("ingestd"),
    "immediate stop of Postgres": lambda stack: stack.kill("postgres", signal.SIGQUIT),
    "SIGKILL of a landing backend": kill_landing_backend,
    "SIGKILL of the postmaster": lambda stack: stack.kill("postgres"),
    "SIGKILL of both": kill_both,
}


def strike(stack, load, name, rng):
    """One kill; how many events were in flight and got no acknowledgement because of it."""
    before = load.acknowledged
    wait_until(lambda: load.check() or load.acknowledged > before, timeout=120, interval=0.001)
    time.sleep(rng.uniform(0, LONGEST))  # the random instant; where nothing is under way, soon after it
    wait_until(lambda: load.check() or load.in_flight(), timeout=120, interval=0.001)
    deliveries = load.in_flight()
    KILLS[name](stack)
    stack.up()
    wait_until(lambda: load.check() or all(d.failed is not None for d in deliveries), timeout=120)
    return sum(d.events for d in deliveries if d.failed)


def shake(stack, load, kills, rng, say=print):
    """Strikes until `kills` kills have counted, in at most twice as many; how many counted."""
    counted, names = 0, []
    for n in range(2 * kills):
        if counted == kills:
            break
        if not names:
            names = rng.sample(list(KILLS), len(KILLS))
        name = names.pop()
        hit = strike(stack, load, name, rng)
        counted += hit > 0
        say(f"kill {n + 1}: {name}, {hit} events in flight, {load.acknowledged} acknowledged so far")
    return counted


def run(stack, door, kills, seed, say=print):
    """(verdict, kills that counted, load)"""
    rng = random.Random(seed)
    with Source(seed) as lines:
        load = DOORS[door](stack, lines, seed).start()
        counted = shake(stack, load, kills, rng, say)
        load.drain()
    stack.wait(timeout=600)  # etld got through it as well
    return audit(stack, load.ledger), counted, load


def report(verdict, load):
    repeats = load.ledger.repeats
    return (f"{load.acknowledged} events acknowledged, {verdict.raw} in raw: {verdict.lost} lost, "
            f"{verdict.missing} missing, {verdict.doubled} doubled, {verdict.foreign} foreign, "
            f"{verdict.strays} without a batch; {repeats} sent again, {verdict.forgotten} of them taken for new")


# --- the program

def crash(arguments):
    began, stack = time.monotonic(), Stack(profile="demo")
    try:
        stack.up()
        verdict, counted, load = run(stack, arguments.door, arguments.kills, arguments.seed)
        print(f"{arguments.door}: {counted} kills counted in {time.monotonic() - began:.0f} s; {report(verdict, load)}")
        load.check_order()
    finally:
        stack.close()
    return is_clean(verdict) and counted >= arguments.kills


def crash_mutant(arguments):
    with Mutant(arguments.mutant) as mutant:
        stack = Stack(profile="demo", command=(mutant.stack,))
        try:
            stack.up()
            verdict, counted, load = run(stack, arguments.door, arguments.kills, arguments.seed)
        finally:
            stack.close()
    caught = verdict.lost > 0
    print(f"mutant {arguments.mutant}: {'CAUGHT' if caught else 'NOT CAUGHT'} with {counted} kills; "
          f"{report(verdict, load)}")
    return caught


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="how many must count (100)")
    parser.add_argument("--door", choices=DOORS, default="events")
    parser.add_argument("--seed", type=int, default=0, help="of events and kills; 0: any")
    parser.add_argument("--mutant", choices=("early", "unflushed"), help="a build that must be found out")
    arguments = parser.parse_args()
    arguments.seed = arguments.seed or random.randrange(1, 10**6)
    print(f"crash: door {arguments.door}, {arguments.kills} kills, seed {arguments.seed}", flush=True)
    sys.exit(0 if (crash_mutant if arguments.mutant else crash)(arguments) else 1)


if __name__ == "__main__":
    main()
