"""Nothing acknowledged is ever lost, whatever is killed while events come in.

A simulated platform's events go through tools/replay into a durable stack while ingestd, etld and
Postgres are killed at random instants; after each kill the stack is brought up again and only what
was not acknowledged is sent once more. At the end raw holds every acknowledged event once, byte for
byte, and the curated tables are those of an undisturbed stack that got the same events in order.

CRASH_KILLS, CRASH_EVENTS and CRASH_SEED ask for a longer or another run.
"""

import collections
import json
import os
import random
import signal
import subprocess

import pytest

import reference
from harness import BIN, CHECKOUT, Stack, run, wait_until
from instance import Instance

KILLS = int(os.environ.get("CRASH_KILLS", "4"))
EVENTS = int(os.environ.get("CRASH_EVENTS", "20000"))
ENOUGH = min(KILLS, 3)  # of them must have had something in flight
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1, 10**6)
BATCH, CONNECTIONS = 50, 8
KILL = {"ingestd": signal.SIGKILL, "etld": signal.SIGKILL,
        "postgres": signal.SIGQUIT}  # as pg_ctl stop -m immediate does
DISORDER = ["--repeat", "10", "--reorder", "5000"]


def simulate(path, seed, *options):
    with open(path, "wb") as out:
        subprocess.run([f"{BIN}/hotelsim", "--seed", str(seed), "--tenants", "3", "--properties", "4",
                        "--events", str(EVENTS), *options], stdout=out, check=True)


def key_of(event):
    """What makes it one event; pricing's ids are new with every delivery."""
    if ".pricing." in event.subject:
        return event.tenant, event.subject, event.at, json.dumps(event.payload, sort_keys=True)
    return event.tenant, event.id


def lines_of(path):
    """{key: (event, the set of lines that carry it)}"""
    events = {}
    with open(path, "rb") as lines:
        for line in lines:
            event = reference.parse(line)
            events.setdefault(key_of(event), (event, set()))[1].add(line.rstrip(b"\n").decode())
    return events


class Replay:
    """tools/replay in the background, sending what `acked` does not name; it never tries twice."""

    def __init__(self, stack, path, acked):
        self.acked = acked
        self.process = subprocess.Popen(
            [os.path.join(CHECKOUT, "tools", "replay"), path, "--batch", str(BATCH), "--connections",
             str(CONNECTIONS), "--retry-for", "0", "--acked", acked, "--skip-acked", acked],
            env={**os.environ, **stack.env}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def acknowledged(self):
        """Bytes of ids: a cheap measure of how far it is."""
        return os.path.getsize(self.acked)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """It sends nothing more, but waits for the answers to what it sent."""
        self.process.terminate()

    def finish(self):
        """(exit code, how many of the events that it sent were not acknowledged)"""
        said, _ = self.process.communicate(timeout=120)
        counts = dict(word.split("=") for word in said.splitlines()[-1].split())
        assert counts["conflicts"] == counts["deadLettered"] == "0"
        return self.process.returncode, int(counts["unacknowledged"])


def pending(stack):
    return int(stack.query("select coalesce(sum(events), 0) from analytics_run.delta")[0][0])


def shake(stack, path, acked, rng):
    """Sends the file through KILLS kills, more while too few hit anything; prints each with what was in flight, returns how
    many count."""
    open(acked, "a", encoding="ascii").close()
    size, effective = os.path.getsize(path), 0
    for n in range(3 * KILLS):
        if n >= KILLS and effective >= ENOUGH:
            break
        victim = ("ingestd", "postgres")[n % 2]
        replay = Replay(stack, path, acked)
        # ids are a thirtieth of the bytes: this spreads the kills over the file
        target = replay.acknowledged() + rng.randrange(1, size // 30 // KILLS)
        wait_until(lambda: replay.acknowledged() >= target or not replay.running(), interval=0.0005)
        if rng.random() < 0.5:
            behind = pending(stack)
            stack.kill("etld", KILL["etld"])
            print(f"kill of etld, {behind} events pending")
        replay.stop()  # from here on nothing is sent, so what fails was in flight
        stack.kill(victim, KILL[victim])
        stack.up()
        _, in_flight = replay.finish()
        print(f"kill {n + 1}, of {victim}, {in_flight} events in flight")
        effective += in_flight > 0
    stack.kill("etld", KILL["etld"])
    assert Replay(stack, path, acked).finish() == (0, 0)
    return effective


def catch_up(stack, rng):
    """Kills etld in the middle of its work KILLS times, as long as there is some."""
    for _ in range(KILLS):
        behind = pending(stack)
        if behind == 0:
            break
        with Instance(stack, "etld", unit_events=300) as etld:
            wait_until(lambda at=rng.randrange(behind): pending(stack) <= at, interval=0.001)
            etld.process.kill()
        print(f"kill of etld, {pending(stack)} of {behind} events pending")
    stack.up()
    stack.wait()


def curated(stack, tenants):
    """{table: its rows of these tenants as JSON texts, sorted}"""
    tables = [row[0] for row in stack.query(
        "select table_name from information_schema.columns where table_schema = 'analytics_curated' "
        "and column_name = 'tenant_id' and table_name ~ '^(fact|dim)_.*_v1$' order by 1")]
    assert len(tables) >= 8
    return {table: [row[0] for row in stack.query(
        f"select (to_jsonb(t) - '_batch_id' - '_updated_at')::text from analytics_curated.{table} t "
        "where tenant_id = any (string_to_array($1, ',')) order by 1", ",".join(tenants))]
        for table in tables}


@pytest.fixture(scope="module")
def durable(request):
    """A durable stack: what it acknowledged must survive."""
    one, before = Stack(profile="demo"), request.session.testsfailed
    yield one.up()
    one.kill("postgres", KILL["postgres"])  # its last checkpoint would be for nobody
    one.close(keep=request.session.testsfailed > before)


@pytest.mark.parametrize("disorder", [[], DISORDER], ids=["in order", "repeated, reordered"])
def test_kills(stack, durable, tmp_path, disorder):
    seed = SEED + len(disorder)
    print(f"CRASH_SEED={SEED} CRASH_EVENTS={EVENTS} CRASH_KILLS={KILLS}")
    rng = random.Random(seed)
    path, acked = str(tmp_path / "sent.ndjson"), str(tmp_path / "acked")
    simulate(path, seed, *disorder)
    events = lines_of(path)

    effective = shake(durable, path, acked, rng)
    catch_up(durable, rng)
    assert effective >= ENOUGH, "too few kills hit anything: another CRASH_SEED"
    assert_raw_is_what_was_acknowledged(durable, events, acked)

    in_order = sorted(events.values(), key=lambda one: (one[0].at, one[0].id))
    undisturbed(stack, (min(lines) for _, lines in in_order), tmp_path)
    tenants = {event.tenant for event, _ in events.values()} - {"_platform"}  # whose events other tests send, too
    expected, got = curated(stack, tenants), curated(durable, tenants)
    for table, rows in expected.items():
        assert len(rows) > 0 and got[table] == rows, f"{table} differs"
    print(" ".join(f"{table}={len(rows)}" for table, rows in expected.items()))


def assert_raw_is_what_was_acknowledged(stack, events, acked):
    """Each once, byte for byte."""
    with open(acked, encoding="ascii") as ids:
        acknowledged = {line.strip().removeprefix("evt_") for line in ids}
    assert {event.id for event, _ in events.values()} <= acknowledged
    keys = {line: key for key, (_, lines) in events.items() for line in lines}
    bodies = [row[0] for row in stack.query("select body from events_raw.event")]
    raw = collections.Counter(keys[body] for body in bodies if body in keys)
    assert raw.keys() == events.keys() and max(raw.values()) == 1


def undisturbed(stack, lines, tmp_path):
    path = tmp_path / "in-order.ndjson"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    run([os.path.join(CHECKOUT, "tools", "replay"), str(path)], env={**os.environ, **stack.env})
    stack.wait()
