"""Whatever happens to events on their way, and to the workers that fold them: the rows are those of a
rebuild from scratch.

A case is a small hotel of tools/hotelsim with a seed and weather of its own: late, repeated, reordered
and conflicting events. The streams of many cases are mixed, split into random batches, some of them
sent twice, and sent through ingestd while etlds with random settings fold them, are killed (-9) and are
asked to refresh what they have just built. Then everything curated is thrown away, built again at once
by one worker, and compared tenant by tenant, byte by byte.

PROPERTY_CASES and PROPERTY_SEED ask for a longer or another run.
"""

import os
import random
import subprocess

import reference
from harness import BIN, wait_until

CASES = int(os.environ.get("PROPERTY_CASES", "50"))
SEED = int(os.environ.get("PROPERTY_SEED", "0")) or random.randrange(1, 10**6)
AT_ONCE = 100  # cases of a round
DOMAINS = ("reservation", "payment", "property", "inventory", "tenant", "housekeeping", "lock", "bff", "ai",
           "ai_orchestrator", "billing", "pricing", "iam", "audit")


class Case:
    """A stream of events, as lines in the order of their arrival."""

    def __init__(self, seed, rng, hand):
        days = rng.randint(3, 16)
        self.options = ["--seed", str(seed), "--tenants", "1", "--properties", str(rng.choice((1, 1, 2))),
                        "--reservations", str(rng.randint(4, 25)), "--from", f"2025-12-{28 - days:02}", "--to", "2025-12-28",
                        "--late", str(rng.choice((0, 5, 30))), "--repeat", str(rng.choice((0, 10))),
                        "--reorder", str(rng.choice((0, 20, 1000))), "--conflict", str(rng.choice((0, 3))),
                        # as many as make a good hundred events
                        "--domains", ",".join({"reservation", *hand})]
        self.lines = subprocess.run([os.path.join(BIN, "hotelsim"), *self.options], stdout=subprocess.PIPE,
                                    check=True).stdout.splitlines(keepends=True)
        self.tenants = {reference.parse(line).tenant for line in self.lines} - {None}


def hands(domains, rng, count, size=3):
    """Domains for each case, dealt from shuffled decks: a few cases already have them all."""
    deck = []
    while len(deck) < count * size:
        deck += rng.sample(domains, len(domains))
    return [deck[n * size:(n + 1) * size] for n in range(count)]


def batches(cases, rng):
    """The streams mixed, each in its own order, in pieces of random size; some pieces come twice."""
    lines = [case.lines for case in cases]
    order = [n for n, stream in enumerate(lines) for _ in stream]
    rng.shuffle(order)
    streams = [iter(stream) for stream in lines]
    mixed = [next(streams[n]) for n in order]
    while mixed:
        size = rng.choice((1, 10, 100, 300))
        yield mixed[:size]
        if rng.random() < 0.1:
            yield mixed[:size]
        mixed = mixed[size:]


def start(etl, rng):
    return etl.etld(workers=rng.choice((1, 2, 4)), unit_events=rng.choice((1, 20, 300, 10000)))


def fold(etl, cases, rng):
    """Sends everything while two etlds work, one of which is killed now and then; how often."""
    kills, consumers = 0, [row[0] for row in etl.query("select consumer from analytics_run.consumer where consumer <> 'none'")]
    workers = [start(etl, rng) for _ in range(2)]
    try:
        pieces = list(batches(cases, rng))
        accidents = rng.sample(range(len(pieces)), min(4, len(pieces)))
        for n, piece in enumerate(pieces):
            etl.send_events(b"".join(piece))
            if n in accidents:
                victim = workers.pop(rng.randrange(2))
                victim.process.kill()
                victim.__exit__()
                workers.append(start(etl, rng))
                kills += 1
                etl.touch_all(rng.choice(consumers), rng.choice(sorted(rng.choice(cases).tenants)))
        wait_until(lambda: etl.pending() == 0, 120)
    finally:
        for worker in workers:
            worker.__exit__()
    return kills


def rebuild(etl, tenants):
    """From nothing but raw, by one worker, at once."""
    etl.forget(tenants)
    etl.oneshot("run", settings={"workers": 1, "unit_events": 100000})


def test_folded_is_rebuilt(etl):
    print(f"PROPERTY_SEED={SEED} PROPERTY_CASES={CASES}")
    # inventory of days, not of years: most of the time would go into it
    etl.query("update analytics_run.setting set value = '2023' where key = 'inventory_horizon_year'")
    domains = [domain for domain in DOMAINS if etl.value("select analytics_run.consumer_of($1)", domain) != "none"]
    done = kills = rows = 0
    while done < CASES:
        rng = random.Random(SEED + done)
        cases = [Case(SEED + done + n, rng, hand) for n, hand in enumerate(hands(domains, rng, min(AT_ONCE, CASES - done)))]
        tenants = set().union(*(case.tenants for case in cases))
        kills += fold(etl, cases, rng)
        folded = etl.digests(tenants)
        rebuild(etl, tenants)
        rebuilt = etl.digests(tenants)
        for case in cases:
            for key in {*folded, *rebuilt}:
                assert key[1] not in case.tenants or folded.get(key) == rebuilt.get(key), (key, case.options)
        assert {table for table, _ in folded} >= {"fact_reservation_v1", "fact_room_night_v1", "fact_room_night_history_v1",
                                                  "fact_payment_v1",
                                                  "fact_inventory_day_v1", "dim_property_v1", "dim_tenant_v1"}
        assert etl.value("select count(*) from analytics_run.failed_keys where tenant_id = any (string_to_array($1, ','))",
                         ",".join(tenants)) == "0"
        rows += sum(int(count) for count, _ in folded.values())
        done += len(cases)
    print(f"{done} cases, {rows} rows, {kills} kills")
