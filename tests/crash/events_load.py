"""Clients of POST /v1/events that never give up: what is not acknowledged is sent again.

Each client is a thread with a connection of its own that it keeps as long as the server does. It takes
the next events of a source in batches of mixed size, and a batch that failed before a new one. Some
batches are sent by two clients at once, some once more after their acknowledgement, and some by a client
that leaves before the answer.
"""

import collections
import http.client
import itertools
import json
import random
import threading
import time
import urllib.parse

import ledger

SIZES = (1, 1, 2, 10, 40, 150)
AT_ONCE, AGAIN, LEAVES = 0.02, 0.03, 0.02  # shares of the batches
PAUSE = 0.01                               # after a failure
NDJSON = "application/x-ndjson"


class Batch:
    def __init__(self, events):
        self.body = b"\n".join(events)
        self.digests = [ledger.digest(event) for event in events]
        self.acknowledged = False


class Delivery:
    """One request on the wire. `failed` is None until it is over; a client that left has not failed."""

    def __init__(self, batch):
        self.batch, self.events, self.failed = batch, len(batch.digests), None


class EventsLoad:
    """EventsLoad(stack, lines, seed).start(); `lines` is an iterator of events as bytes."""

    def __init__(self, stack, lines, seed, clients=8):
        where = urllib.parse.urlsplit(stack.env["INGESTD_URL"])
        self._address = where.hostname, where.port
        self._headers = {"Content-Type": NDJSON, "Authorization": "Bearer " + stack.env["INGESTD_TOKEN"]}
        self._lines, self._lock = lines, threading.Lock()
        self._due = collections.deque()  # batches that failed or come again
        self._no_more = False
        self._on_the_wire = set()
        self._threads = [threading.Thread(target=self._run, args=(random.Random(f"{seed} {n}"),), daemon=True)
                         for n in range(clients)]
        self._fault = None
        self.ledger, self.acknowledged = ledger.Ledger(), 0

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def in_flight(self):
        """The requests that are on the wire at this instant."""
        with self._lock:
            return list(self._on_the_wire)

    def drain(self, timeout=120):
        """No new events; returns when the last one is acknowledged."""
        self._no_more = True
        for thread in self._threads:
            thread.join(timeout)
        self.check()
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    def check_order(self):
        """These clients promise none."""

    def check(self):
        if self._fault is not None:
            raise self._fault

    # --- a client

    def _run(self, rng):
        connection = http.client.HTTPConnection(*self._address, timeout=90)
        try:
            while (batch := self._next(rng)) is not None:
                if not self._deliver(connection, batch, rng):
                    connection.close()
                    time.sleep(PAUSE)
        except Exception as fault:  # shown by check(), in the thread that waits
            self._fault = fault
        finally:
            connection.close()

    def _next(self, rng):
        with self._lock:
            if self._due:
                return self._due.popleft()
            events = [] if self._no_more else list(itertools.islice(self._lines, rng.choice(SIZES)))
            if not events:
                return None
            batch = Batch(events)
            if rng.random() < AT_ONCE:
                self._due.append(batch)
        self.ledger.note_sent(batch.digests)
        return batch

    def _deliver(self, connection, batch, rng):
        delivery, again = Delivery(batch), batch.acknowledged
        with self._lock:
            self._on_the_wire.add(delivery)
        leaves = rng.random() < LEAVES
        counts = self._post(connection, batch.body, leaves)
        with self._lock:
            self._on_the_wire.discard(delivery)
            delivery.failed = counts is None and not leaves
            if counts is None:
                self._due.append(batch)
        if counts is not None:
            self._settle(batch, counts, again, rng)
        return counts is not None

    def _post(self, connection, body, leaves):
        """The counts of a 200; None when nothing can be said about the events."""
        try:
            connection.request("POST", "/v1/events", body, self._headers)
            if leaves:
                return None
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        assert answer.status in (200, 429, 503), f"{answer.status}: {text[:300]!r}"
        return json.loads(text) if answer.status == 200 else None

    def _settle(self, batch, counts, again, rng):
        events = len(batch.digests)
        told = [counts[name] for name in ("accepted", "duplicates", "conflicts", "deadLettered")]
        assert sum(told) == events and told[2:] == [0, 0], f"{told} of {events} events"
        if again:
            self.ledger.note_repeated(events, told[0])
            return
        self.ledger.note_acknowledged(batch.digests)
        with self._lock:
            first, batch.acknowledged = not batch.acknowledged, True
            self.acknowledged += events if first else 0
            if first and rng.random() < AGAIN:
                self._due.append(batch)
