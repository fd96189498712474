"""The load of crash.py through Pub/Sub push: a publisher, a subscription, and what is told to the ledger."""

import os
import sys
import threading

import ledger
from pubsub_push import Subscription

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tools"))
from stacklib import tokens  # noqa: E402

KEYS = 40  # ordering keys; every fourth message has none

RECEIVED = """select encode(sha256(convert_to(body, 'UTF8')), 'hex'), ordering_key,
 extract(epoch from received_at) from events_raw.event"""


class PushLoad:
    """PushLoad(stack, lines, seed).start(); the same face as EventsLoad."""

    def __init__(self, stack, lines, seed):
        self._stack, self._lines, self._stop = stack, lines, threading.Event()
        self.ledger = ledger.Ledger()
        self._subscription = Subscription(
            stack.env["INGESTD_URL"] + "/pubsub/push",
            stack.token(None, "--oidc", tokens.PUSH_EMAIL, "--ttl", "7200"), seed)
        self._subscription.on_acknowledged = self._note
        self._published = {}  # ordering key: digests in the order of publishing
        self._publisher = threading.Thread(target=self._publish, daemon=True)

    def start(self):
        self._subscription.start()
        self._publisher.start()
        return self

    def _note(self, message):
        if message.acknowledgements == 1:
            self.ledger.note_acknowledged([message.digest])
        else:
            self.ledger.note_repeated(1, 0)  # a 204 does not say what it was taken for

    def _publish(self):
        for n, line in enumerate(self._lines):
            if self._stop.is_set():
                break
            key = f"key-{n % KEYS}" if n % 4 else ""
            digest = ledger.digest(line)
            self.ledger.note_sent([digest])
            if key:
                self._published.setdefault(key, []).append(digest)
            self._subscription.publish(line, {"n": str(n)}, key, digest)

    @property
    def acknowledged(self):
        return self._subscription.acknowledged

    def in_flight(self):
        return self._subscription.in_flight()

    def check(self):
        self._subscription.check()

    def drain(self, timeout=120):
        self._stop.set()
        self._publisher.join(timeout)
        self._subscription.drain(timeout)

    def check_order(self):
        """Of one ordering key, each message landed after the one before it."""
        received = {digest: float(at) for digest, _, at in self._stack.query(RECEIVED)}
        for key, digests in self._published.items():
            times = [received[digest] for digest in digests]
            assert times == sorted(times), f"{key}: out of order"
