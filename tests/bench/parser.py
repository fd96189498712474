"""The event reader against cJSON."""

import re

import context as cx
from harness import run


def bench_parser(table, events):
    table.part("parser")
    done = run([cx.program("bench_scan"), events[0]], timeout=cx.WAIT)
    found = {name: (us, float(ratio)) for name, us, ratio in
             re.findall(r"^(.+?)\s+([\d.]+) us/event.*?([\d.]+)x$", done.stdout, re.M)}
    cjson = found["cJSON parse+delete"][0]
    for name, goal, target in (("scan", "I8 scan", 0.3), ("envelope (all)", "envelope (all)", None),
                               ("content hash", "content hash", None)):
        us, ratio = found[name]
        # CPU time, so that other processes disturb it little
        table.add(f"{goal}, CPU against cJSON", f"{us} us/event", f"{cjson} us/event", ratio,
                  "" if target is None else f"≤ {target}", None if target is None else ratio <= target)
