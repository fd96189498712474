"""Memory of the daemons, and how long they take to be ready."""

import statistics
import time

import context as cx
from harness import DAEMONS
from stacklib.daemons import Daemon, find_binaries
from stacklib.home import Home

RSS_GOAL_MB = {"ingestd": 40}  # the others: 30


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
    table.part("start")
    for name in DAEMONS:
        took = []
        for _ in range(max(cx.ROUNDS, 5)):
            daemon = Daemon(home, name, ports[name])
            daemon.stop()
            began = time.monotonic()
            daemon.launch(binaries[name])
            daemon.wait_ready()
            took.append((time.monotonic() - began) * 1000)
        table.at_most(f"start of {name} until it is ready", statistics.median(took), 100, "ms")
