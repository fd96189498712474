"""A small server that behaves like Pub/Sub's REST pull, and like the metadata server beside it.

A message that is not acknowledged within its deadline is delivered again, one that is handed back at
once; a message with an ordering key waits until those before it are acknowledged; an empty pull is
held for a while. Everything asked is written down, and each verb can be made to fail.
"""

import base64
import contextlib
import http.server
import json
import threading
import time

HELD_S = 1.0


class Message:
    def __init__(self, number, data, attributes, key):
        self.wire = {"messageId": str(number), "publishTime": "2024-03-01T10:00:01.5Z",
                     "data": base64.b64encode(data).decode()}
        if attributes:
            self.wire["attributes"] = attributes
        if key:
            self.wire["orderingKey"] = key
        self.number, self.key = number, key
        self.until = 0.0  # leased to somebody
        self.deliveries = 0
        self.acknowledged = False


class PullServer:
    """with PullServer(deadline=1.0) as server: server.publish(b"…"); server.url is the API's."""

    subscription = "projects/p/subscriptions/s"

    def __init__(self, deadline=10.0, token=None, holds=True):
        self.deadline, self.token, self.held = deadline, token, HELD_S if holds else 0.0
        self.messages, self.asked, self.failing = [], [], {}
        self.changed = threading.Condition()  # its lock is one that may be taken again
        self.closing = False
        handler = type("Handler", (_Handler,), {"server_state": self})
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        self.host = "127.0.0.1:%d" % self.http.server_address[1]
        self.url = "http://" + self.host

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self.http.shutdown()
        self.http.server_close()

    # --- the test's side

    def publish(self, data, attributes=None, key=None):
        with self.changed:
            self.messages.append(Message(len(self.messages) + 1, data, attributes, key))
            self.changed.notify_all()

    def publish_all(self, texts):
        """At once: no pull sees a part of them."""
        with self.changed:
            for data in texts:
                self.publish(data)

    def all_acknowledged(self):
        with self.changed:
            return all(m.acknowledged for m in self.messages)

    def deliveries(self):
        with self.changed:
            return [m.deliveries for m in self.messages]

    def bodies(self, verb):
        """What was asked of a verb, in order."""
        with self.changed:
            return [body for asked, body in self.asked if asked == verb]

    def fail(self, verb, *answers):
        """The next answers of a verb: a status, or a status and a body."""
        with self.changed:
            self.failing.setdefault(verb, []).extend(answers)

    # --- Pub/Sub's side; `changed` is held

    def deliverable(self):
        now, blocked = time.monotonic(), set()
        for m in self.messages:
            if m.acknowledged:
                continue
            if m.until <= now and m.key not in blocked:
                yield m
            elif m.key:
                blocked.add(m.key)

    def pull(self, body):
        deadline = time.monotonic() + self.held
        while not (ready := list(self.deliverable())[:body["maxMessages"]]):
            left = min(deadline, *(m.until for m in self.messages if not m.acknowledged), deadline) - time.monotonic()
            if self.closing or time.monotonic() >= deadline:
                return {}
            self.changed.wait(max(left, 0.01))
        for m in ready:
            m.until = time.monotonic() + self.deadline
            m.deliveries += 1
        return {"receivedMessages": [{"ackId": f"{m.number}-{m.deliveries}", "message": m.wire} for m in ready]}

    def leased(self, body):
        """The messages of the ids that are still good."""
        for ack_id in body["ackIds"]:
            number, _, delivery = ack_id.partition("-")
            m = self.messages[int(number) - 1]
            if m.deliveries == int(delivery) and m.until > time.monotonic():
                yield m

    def acknowledge(self, body):
        for m in self.leased(body):
            m.acknowledged = True
        self.changed.notify_all()
        return {}

    def modify_ack_deadline(self, body):
        for m in self.leased(body):
            m.until = time.monotonic() + body["ackDeadlineSeconds"]
        self.changed.notify_all()
        return {}


class _Handler(http.server.BaseHTTPRequestHandler):
    server_state = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": len(data), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            self.wfile.write(data)

    def do_GET(self):
        s = self.server_state
        with s.changed:
            s.asked.append(("token", self.headers.get("Metadata-Flavor")))
        if self.path.startswith("/computeMetadata/v1/instance/service-accounts/default/token"):
            self.answer(200, {"access_token": s.token, "expires_in": 3599, "token_type": "Bearer"},
                        Metadata_Flavor="Google")
        else:
            self.answer(404, {})

    def do_POST(self):
        s = self.server_state
        text = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, verb = self.path.rpartition(":")
        verbs = {"pull": s.pull, "acknowledge": s.acknowledge, "modifyAckDeadline": s.modify_ack_deadline}
        if path != "/v1/" + s.subscription or verb not in verbs:
            return self.answer(404, {"error": {"code": 404, "status": "NOT_FOUND"}})
        wanted = f"Bearer {s.token}" if s.token else None
        if self.headers.get("Authorization") != wanted:
            return self.answer(401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}})
        with s.changed:
            s.asked.append((verb, json.loads(text)))
            if s.failing.get(verb):
                failure = s.failing[verb].pop(0)
                status, body = failure if isinstance(failure, tuple) else (failure, {})
            else:
                status, body = 200, verbs[verb](json.loads(text))
        return self.answer(status, body)
