"""Where things are, how much is measured, and the stack that is measured on."""

import os
import signal
import sys
import time

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(CHECKOUT, "tests", "integration"), os.path.join(CHECKOUT, "tools")]

from harness import Stack  # noqa: E402

BUILD = os.path.join(CHECKOUT, "build")
PROGRAMS = os.path.join(BUILD, os.environ.get("MODE", "release"), "tests", "bench")
WORK = os.path.join(BUILD, "bench")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
COUNT = int(os.environ.get("BENCH_COUNT", "150000"))
KEYS = int(os.environ.get("BENCH_KEYS", "10000000"))
WAIT = 600
COUNT_RAW = "select count(*) from events_raw.event"


def program(name):
    return os.path.join(PROGRAMS, name)


WAL_FILES = 64  # of 16 MiB


def new_stack(*args):
    """A stack with the write-ahead log of a server that has been running: Postgres makes a file of it in some
    10 ms, in which every commit waits, and uses it again after a checkpoint."""
    stack = Stack("bench", directory=os.path.join(WORK, "stack"))
    stack.tool("down", "--wipe", check=None)
    stack.up(*args)
    for _ in range(WAL_FILES):
        stack.query("select pg_logical_emit_message(true, 'bench', 'used')")
        stack.query("select pg_switch_wal()")
    stack.query("checkpoint")
    return stack


def close(stack):
    resume(stack)
    stack.tool("down", "--wipe")


def pause(stack):
    """etld stands still: what is measured is ingest alone."""
    os.kill(stack.pid("etld"), signal.SIGSTOP)


def resume(stack):
    try:
        os.kill(stack.pid("etld"), signal.SIGCONT)
    except OSError:
        pass


def database(stack):
    return {**os.environ, "DATABASE_URL": stack.env["DATABASE_URL"]}


ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid_time(milliseconds=None):
    """The first ten characters of a ULID of now."""
    milliseconds, text = milliseconds or time.time_ns() // 1_000_000, ""
    for _ in range(10):
        milliseconds, digit = divmod(milliseconds, 32)
        text = ULID_ALPHABET[digit] + text
    return text
