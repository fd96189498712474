"""Memory of the daemons, and how long they take to be ready."""

import statistics
import time

import context as cx
from harness import DAEMONS
from stacklib.daemons import Daemon, find_binaries
from stacklib.home import Home
from stacklib.process import Notify, spawn
from table import Wrong

RSS_GOAL_MB = {"ingestd": 40}  # the others: 30


def bench_memory(table, stack, when):
    for name in DAEMONS:
        with open(f"/proc/{stack.pid(name)}/status", encoding="ascii") as status:
            sizes = dict(line.split(":", 1) for line in status)
        now, most = (int(sizes[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
        goal = RSS_GOAL_MB.get(name, 30)
        table.add(f"RSS of {name} {when}", f"{now:.1f} MB, at most {most:.1f}", "", None,
                  f"≤ {goal} MB", most <= goal)


def start(daemon, binary):
    """Milliseconds; what tools/stack does before it, such as looking for strays, is not the daemon's."""
    daemon.notify = Notify()
    began = time.monotonic()
    daemon.process = spawn([binary, "-c", daemon.settings_file], daemon.cwd, daemon.log, daemon.home.user,
                           daemon.pid_file, daemon.notify.environment())
    if not daemon.notify.wait_ready(daemon.process, began + cx.WAIT):
        raise Wrong(f"{daemon.name} did not start")
    while daemon.ask_ready()[0] != 200:
        if daemon.process.poll() is not None:
            raise Wrong(f"{daemon.name} ended")
        time.sleep(0.001)
    daemon.notify.close()
    return (time.monotonic() - began) * 1000


def bench_start(table, stack):
    """From exec until it has said READY=1 and /ready answers 200, asked every millisecond."""
    home = Home(stack.dir)
    ports, binaries = home.load_state()["ports"], find_binaries(home, DAEMONS)
    table.part("start")
    for name in DAEMONS:
        took = []
        for _ in range(max(cx.ROUNDS, 5)):
            daemon = Daemon(home, name, ports[name])
            daemon.stop()
            took.append(start(daemon, binaries[name]))
        table.at_most(f"start of {name} until it is ready", statistics.median(took), 100, "ms")
