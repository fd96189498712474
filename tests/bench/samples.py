"""The events that are sent."""

import json
import os
import re
import subprocess

from context import CHECKOUT, COUNT, WORK
from table import Wrong

ID_MARK = "@ID@".ljust(26, "@")
ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}\Z")


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


def mark_ids(path, name, tenant=None, most=1000):
    """A file of up to `most` events of the kind, with a mark in place of each one's ULID; all of
    `tenant`, when it is given."""
    marked = os.path.join(WORK, name)
    taken = 0
    with open(path, encoding="utf-8") as lines, open(marked, "w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            event = json.loads(line)
            found = ULID.search(str(event.get("eventId") or event.get("id") or ""))
            if (number % 7 == 0 and found and line.count(found[0]) == 1
                    and ".pricing." not in line):  # whose events are told apart by content, not by id
                line = line.replace(found[0], ID_MARK)
                if tenant is not None:
                    line = re.sub(r"tnt_[0-9A-Z]{26}", tenant, line)
                out.write(line)
                taken += 1
            if taken == most:
                break
    if taken == 0:
        raise Wrong(f"{path} has no event whose id is a ULID")
    return marked
