"""One more instance of a daemon on the databases of a running stack, with settings of its own.

Any number of each daemon may run, so a test that wants a small queue, short times or a process to
kill starts one beside the stack's own and leaves that alone.
"""

import itertools
import json
import os
import subprocess

from harness import BIN, FAULTS, PATIENCE, http_request, wait_until

_numbers = itertools.count(1)


class Instance:
    """Instance(stack, "ingestd", read_timeout="300ms"); use it in a `with`: it must end with exit 0."""

    def __init__(self, stack, name, **settings):
        self.stack, self.name = stack, name
        self.log_file = stack.path("log", f"{name}.{os.getpid()}.{next(_numbers)}.log")
        # endpoints of its own: to bind an ipc:// file takes it away from whoever had it
        listeners = {"etld": ("hint_listen", "bus_listen"), "ingestd": ("events_listen",)}.get(name, ())
        settings = {"listen": "127.0.0.1:0", **dict.fromkeys(listeners, ""), **settings}
        options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(BIN, name), "-c", stack.path("etc", name + ".conf"), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        self.url = "http://" + wait_until(self._address)
        wait_until(lambda: self.http("GET", "/ready").status == 200)

    def _address(self):
        assert self.process.poll() is None, f"{self.name} ended:\n{self.log()}"
        return next((line["listen"] for line in self.lines() if line["message"] == "ready"), None)

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as log:
            return log.read()

    def lines(self):
        """Its log, a dict a line."""
        return [json.loads(line) for line in self.log().splitlines() if line.endswith("}")]

    def http(self, method, path, body=None, headers=None):
        return http_request(method, self.url + path, body, headers)

    def post(self, events, token=None):
        """POST /v1/events with NDJSON."""
        return self.http("POST", "/v1/events", events, {
            "Content-Type": "application/x-ndjson",
            "Authorization": "Bearer " + (token or self.stack.env["INGESTD_TOKEN"])})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(PATIENCE)
        assert code in (0, -9), f"{self.name} ended with {code}:\n{self.log()[-3000:]}"
        assert not any(fault in self.log() for fault in FAULTS), self.log()[-3000:]
