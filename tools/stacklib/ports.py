"""The loopback ports of a stack.

They are kept as long as its directory lives. Between the choice and the moment a server listens on
its port nothing in the kernel says that it is taken; so each user has a list of the directories of
his stacks, and what one of them has noted as its ports is nobody else's.
"""

import contextlib
import fcntl
import json
import os
import random
import socket
import tempfile

# below the kernel's ephemeral range, so that a stopped daemon's port stays free for it
RANGE = range(20000, 30000)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def of_directory(directory):
    """{name: port} that the stack there has noted; none, if there is none."""
    try:
        with open(os.path.join(directory, "etc", "stack.json"), encoding="utf-8") as state:
            return json.load(state).get("ports", {})
    except (OSError, ValueError):
        return {}


@contextlib.contextmanager
def others(directory):
    """The ports of this user's other stacks. Note your own before the end: until then others wait."""
    path = os.path.join(tempfile.gettempdir(), f"analytics-stacks.{os.geteuid()}")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "r+", encoding="utf-8") as known:
        fcntl.flock(known, fcntl.LOCK_EX)
        stacks = {line.rstrip("\n") for line in known} - {directory}
        stacks = {one for one in stacks if os.path.isdir(one)}
        yield {port for one in stacks for port in of_directory(one).values()}
        known.seek(0)
        known.truncate()
        known.write("".join(one + "\n" for one in sorted(stacks | {directory})))


def choose(names, before, taken):
    """{name: port}: those of `before` that are still free, and others."""
    chosen = {name: port for name, port in before.items() if port not in taken and is_free(port)}
    for name in names:
        while name not in chosen:
            port = random.choice(RANGE)
            if port not in taken and port not in chosen.values() and is_free(port):
                chosen[name] = port
    return chosen
