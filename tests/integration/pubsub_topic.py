"""A server that takes what is published like Pub/Sub's REST interface, and hands out access tokens like a
metadata server; it refuses or loses answers when a test asks for it."""

import base64
import http.server
import json
import threading

TOPIC = "projects/p/topics/analytics"
TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


class Topic:
    """`messages`: (ordering key, envelope, attributes) in the order they came; use it in a `with`."""

    def __init__(self):
        self.messages, self.requests = [], []
        self.refuse = lambda key: None  # the status that a key's request gets instead of 200
        self.lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status, body):
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                known = self.path == TOKEN_PATH and self.headers["Metadata-Flavor"] == "Google"
                self.answer(200 if known else 403, {"access_token": "ya29.meta", "expires_in": 3599, "token_type": "Bearer"})

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                self.answer(*owner.publish(self.path, self.headers, json.loads(text)))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_port

    def publish(self, path, headers, request):
        assert path == f"/v1/{TOPIC}:publish", path
        keys = {message["orderingKey"] for message in request["messages"]}
        assert len(keys) == 1, "a request may hold one ordering key"
        [key] = keys
        with self.lock:
            self.requests.append((key, headers.get("Authorization"), len(request["messages"])))
            status = self.refuse(key)
            if status is not None:
                return status, {"error": {"code": status, "message": "not now", "status": "UNAVAILABLE"}}
            self.messages += [(key, json.loads(base64.b64decode(message["data"], validate=True)), message["attributes"])
                              for message in request["messages"]]
            return 200, {"messageIds": [str(n) for n, _ in enumerate(request["messages"])]}

    def of(self, key):
        """The envelopes of a key, repetitions left out."""
        with self.lock:
            envelopes = [envelope for k, envelope, _ in self.messages if k == key]
        return [e for n, e in enumerate(envelopes) if e not in envelopes[:n]]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
