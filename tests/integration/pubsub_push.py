"""A small server of the tests that behaves like a Pub/Sub push subscription.

What it takes over from the real one, because ingestd must live with it: a message is pushed until a
push of it got a 2xx within the acknowledgement deadline, with growing pauses; it may be pushed again
although it was acknowledged; messages of one ordering key go one at a time, the next after the
acknowledgement of the one before; how many pushes are open at once follows the answers: one more for
each that succeeds, half for one that fails.
"""

import base64
import collections
import heapq
import http.client
import itertools
import json
import random
import threading
import time
import urllib.parse

BACKOFF = (0.01, 0.5)  # seconds, least and most
LEAST_OPEN = 4         # pushes, however they fail


class Message:
    def __init__(self, ident, data, attributes, ordering_key, digest):
        self.id, self.data, self.attributes, self.ordering_key = ident, data, attributes, ordering_key
        self.digest = digest  # the publisher's own mark
        self.attempts = self.acknowledgements = 0
        self.extra = 0  # deliveries that follow although it is acknowledged


class Push:
    """One push on the wire. `failed` is None until it is over."""

    events = 1

    def __init__(self, message):
        self.message, self.failed = message, None


class Subscription:
    """Subscription(url, token).start(); publish(); drain(). `url` is the push endpoint."""

    def __init__(self, url, token, seed=0, ack_deadline=10, most_open=32, twice=0.03):
        where = urllib.parse.urlsplit(url)
        self._address, self._path = (where.hostname, where.port), where.path
        self._headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token}
        self.ack_deadline = ack_deadline  # in seconds; counts from the next push
        self._twice, self._rng = twice, random.Random(seed)
        self._changed = threading.Condition()
        self._due, self._order = [], itertools.count()  # heap of (time, n, message)
        self._keys = {}  # ordering key: messages not acknowledged, the first is the one that is pushed
        self._open, self._window, self._most = set(), LEAST_OPEN, most_open
        self._unsettled = 0  # messages with a delivery to come
        self._ended = False
        self._fault = None
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(most_open)]
        self.on_acknowledged = lambda message: None
        self.acknowledged = 0

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def publish(self, data, attributes=None, ordering_key="", digest=None):
        """Takes a message; blocks while a lot of them wait, as a publisher's flow control does."""
        with self._changed:
            self._changed.wait_for(lambda: self._unsettled < 20 * self._most or self._ended)
            message = Message(str(next(self._order)), data, attributes or {}, ordering_key, digest)
            self._unsettled += 1
            queue = self._keys.setdefault(ordering_key, collections.deque()) if ordering_key else None
            if queue is not None:
                queue.append(message)
            if queue is None or queue[0] is message:
                self._schedule(message)
        return message

    def in_flight(self):
        """The pushes that are on the wire at this instant."""
        with self._changed:
            return list(self._open)

    def drain(self, timeout=120):
        """Returns when every message is acknowledged and every double delivery is made."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._unsettled == 0 or self._fault, timeout)
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout)
        self.check()
        assert done, f"{self._unsettled} messages are not acknowledged"

    def check(self):
        if self._fault is not None:
            raise self._fault

    # --- when what is pushed; all of it with the lock held

    def _schedule(self, message, delay=0.0):
        heapq.heappush(self._due, (time.monotonic() + delay, next(self._order), message))
        self._changed.notify()

    def _wait_for_message(self):
        """The next push, registered as open; None at the end."""
        with self._changed:
            while not self._ended:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now and len(self._open) < int(self._window):
                    push = Push(heapq.heappop(self._due)[2])
                    push.message.attempts += 1
                    self._open.add(push)
                    return push
                self._changed.wait(max(self._due[0][0] - now, 0.001) if self._due else None)
        return None

    def _over(self, push, status):
        message = push.message
        with self._changed:
            self._open.discard(push)
            push.failed = status is None or not 200 <= status < 300
            if push.failed:
                self._window = max(LEAST_OPEN, self._window / 2)
                least, most = BACKOFF
                self._schedule(message, min(most, least * 2 ** min(message.attempts, 10)))
            else:
                self._window = min(self._most, self._window + 1)
                self._acknowledge(message)
            self._changed.notify_all()

    def _acknowledge(self, message):
        message.acknowledgements += 1
        self.on_acknowledged(message)
        if message.acknowledgements == 1:
            self.acknowledged += 1
            if message.ordering_key:
                queue = self._keys[message.ordering_key]
                queue.popleft()
                if queue:
                    self._schedule(queue[0])
            message.extra = self._rng.random() < self._twice
        if message.extra:
            message.extra = 0
            self._schedule(message, self._rng.uniform(0, 0.2))
        else:
            self._unsettled -= 1

    # --- pushing

    def _run(self):
        connection = http.client.HTTPConnection(*self._address)
        try:
            while (push := self._wait_for_message()) is not None:
                status = self._post(connection, push.message)
                if status is None:
                    connection.close()
                self._over(push, status)
        except Exception as fault:  # shown by check(), in the thread that waits
            with self._changed:
                self._fault, self._ended = fault, True
                self._changed.notify_all()
        finally:
            connection.close()

    def _post(self, connection, message):
        """The status; None when there was none before the deadline."""
        connection.timeout = self.ack_deadline
        if connection.sock is not None:
            connection.sock.settimeout(self.ack_deadline)
        try:
            connection.request("POST", self._path, wrap(message), self._headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return None


def wrap(message):
    """The body of a push."""
    about = {"data": base64.b64encode(message.data).decode(), "messageId": message.id,
             "publishTime": "2026-01-01T00:00:00.000Z", "attributes": message.attributes}
    if message.ordering_key:
        about["orderingKey"] = message.ordering_key
    return json.dumps({"subscription": "projects/tests/subscriptions/weather",
                       "deliveryAttempt": message.attempts, "message": about})
