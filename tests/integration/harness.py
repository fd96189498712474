"""What the integration tests stand on: a stack of their own, driven through tools/stack.

Tests wait for conditions (wait_until), never for time to pass. Everything runs in a new directory,
with the `test` profile unless asked otherwise. Stack.close() is part of every test: each daemon that
still ran must end with exit code 0 and no log may hold a sanitizer's report or a failed ASSERT.

The process that imports this becomes a subreaper: daemons, whose parent (tools/stack up) is gone,
become its children, so that it learns their exit codes.
"""

import atexit
import contextlib
import ctypes
import functools
import http.client
import importlib.machinery
import importlib.util
import io
import json
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

import pgcluster

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STACK = os.path.join(CHECKOUT, "tools", "stack")
MODE = os.environ.get("MODE", "release")
BIN = os.path.join(CHECKOUT, "build", MODE, "bin")
DAEMONS = ("ingestd", "etld", "queryd", "dqd")
PARTS = ("postgres", "redis") + DAEMONS
FAULTS = ("BUG:", "AddressSanitizer", "LeakSanitizer", "runtime error:")

PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


# A test fails by what it sees, not by how fast the machine is: how long to wait, in seconds, for what
# is certain to come.
PATIENCE = 120


def wait_until(condition, timeout=PATIENCE, interval=0.02):
    """Polls until condition() is true and returns what it said; fails the test at the time-out."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition}"
        time.sleep(interval)


def run(argv, check=0, timeout=PATIENCE, **options):
    """Runs a command with its output captured; `check`: the exit code it must have (None: any)."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False,
                          **options)
    if check is not None:
        assert done.returncode == check, (
            f"{shlex.join(argv)}: exit {done.returncode}, not {check}\n{done.stdout}{done.stderr}")
    return done


def on_a_terminal(argv, check=0, **options):
    """Runs a command whose stderr is a terminal; what it wrote there."""
    mine, theirs = pty.openpty()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=theirs, **options) as command:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(mine, 4096):
                seen += part
        except OSError:  # the other end is closed
            pass
    os.close(mine)
    assert command.returncode == check, seen
    return seen.decode(errors="replace")


class Answer:
    """An HTTP answer: status, headers (case-insensitive get), body as bytes."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


def http_request(method, url, body=None, headers=None, timeout=PATIENCE):
    """One request on a connection of its own; dict and list bodies go as JSON."""
    parts = urllib.parse.urlsplit(url)
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    client = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        target = parts.path or "/"
        client.request(method, target + ("?" + parts.query if parts.query else ""),
                       body=body.encode() if isinstance(body, str) else body, headers=headers)
        return Answer(client.getresponse())
    finally:
        client.close()


class Stack:
    """One stack in a directory of its own.

    Unless it is `fresh`, its database comes migrated from a template: initdb and the migrations are
    most of the time of a first `up`.
    """

    def __init__(self, profile="test", fresh=False, directory=None, command=(STACK,), env=None):
        self.dir = directory or new_directory()
        self.profile, self.command = profile, list(command)
        self.process_env = {**os.environ, **(env or {})}
        self.is_plain = self.command == [STACK] and not env
        if not fresh and directory is None and self.command == [STACK]:
            for part in ("data", "secrets"):
                run(["cp", "-a", os.path.join(template(), part), self.dir])
        self._conn = None

    # --- tools/stack

    def tool(self, name, *args, check=0, timeout=120):
        """tools/stack NAME --dir DIR ARGS; its finished process."""
        return run([*self.command, name, "--dir", self.dir, *args], check, timeout,
                   env=self.process_env)

    def quick_tool(self, name, *args):
        """What tools/stack NAME ARGS prints, without a process of its own where that makes no difference."""
        if not self.is_plain:
            return self.tool(name, *args).stdout
        stack, said = stack_commands(), io.StringIO()
        parsed = stack.parse([name, "--dir", self.dir, *args])
        with contextlib.redirect_stdout(said):
            parsed.function(parsed)
        return said.getvalue()

    def up(self, *args):
        self.tool("up", "-q", "--profile", self.profile, *args)
        return self

    def down(self, *args):
        """Stops it; every daemon that ran must have ended with exit code 0."""
        running = {name: self.pid(name) for name in DAEMONS if self.alive(name)}
        self.tool("down", *args)
        for name, pid in running.items():
            code = reap(pid)
            assert code in (0, None), f"{name} ended with {code}:\n{self.log(name)[-3000:]}"

    def close(self, keep=False):
        """Down, and the logs are clean; then the directory goes, unless the test failed."""
        try:
            if os.path.isdir(self.dir):
                self.down()
                self.scan_logs()
        finally:
            if keep:
                print(f"kept for a look: {self.dir}")
            elif os.path.isdir(self.dir):
                self.tool("down", "--wipe", check=None)
                shutil.rmtree(self.dir, ignore_errors=True)

    def scan_logs(self):
        for name in (*DAEMONS, "migrate"):
            for line in self.log(name).splitlines():
                assert not any(fault in line for fault in FAULTS), f"{name}: {line}"

    @property
    def env(self):
        """DIR/env as a dict."""
        with open(os.path.join(self.dir, "env"), encoding="utf-8") as env:
            pairs = (shlex.split(line)[0].partition("=") for line in env if "=" in line)
            return {name: value for name, _, value in pairs}

    def path(self, *names):
        return os.path.join(self.dir, *names)

    # --- processes

    def pid(self, name):
        with open(self.path("run", name + ".pid"), encoding="ascii") as pid_file:
            return int(pid_file.read())

    def alive(self, name):
        try:
            return is_running(self.pid(name))
        except (FileNotFoundError, ValueError):
            return False

    def kill(self, name, number=signal.SIGKILL):
        """Signals a process of the stack and waits until it is gone."""
        pid = self.pid(name)
        os.kill(pid, number)
        wait_until(lambda: not is_running(pid))
        reap(pid)

    def log(self, name):
        try:
            with open(self.path("log", name + ".log"), encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    # --- its doors

    def url(self, daemon, path="/"):
        return self.env[daemon.upper() + "_URL"] + path

    def http(self, method, daemon, path, body=None, token=None, headers=None, timeout=PATIENCE):
        headers = dict(headers or {})
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        return http_request(method, self.url(daemon, path), body, headers, timeout)

    def token(self, tenant=None, *args):
        """tools/stack token --tenant TENANT ARGS (or just ARGS when tenant is None)."""
        limits = ["--tenant", tenant] if tenant else []
        return self.quick_tool("token", *limits, *args).strip()

    def send_events(self, events, check=200):
        """Sends a list of events (dicts or NDJSON text) through ingestd; its counts."""
        if not isinstance(events, (str, bytes)):
            events = "".join(json.dumps(event) + "\n" for event in events)
        answer = self.http("POST", "ingestd", "/v1/events", events, self.env["INGESTD_TOKEN"],
                           {"Content-Type": "application/x-ndjson"})
        assert answer.status == check, answer
        return answer.json()

    def wait(self, timeout=60):
        """Until every event acknowledged so far is applied."""
        self.quick_tool("wait", "--timeout", str(timeout))

    def compute(self, token, metric, **body):
        """POST …/metrics/{metric}:compute; the answer."""
        return self.http("POST", "queryd", f"/api/v1/analytics/metrics/{metric}:compute", body,
                         token)

    def query(self, sql, *params):
        """One statement as admin on a connection that is kept; rows as lists of text (null: None)."""
        if self._conn is None or self._conn.broken():
            self._conn = pgcluster.Conn(self.env["DATABASE_URL"])
            self._conn.query("set timezone = 'UTC'")
        return self._conn.query(sql, *params)

    def psql(self, sql, tenant=None):
        """Runs SQL as admin, or in psql as a tenant's login role; rows as lists of text (null: '')."""
        if not tenant:
            return [[value or "" for value in row] for row in self.query(sql)]
        done = self.tool("psql", "--tenant", tenant, "--", "-Atq", "-F", "\x1f", "-v",
                         "ON_ERROR_STOP=1", "-c", sql)
        return [line.split("\x1f") for line in done.stdout.splitlines()]


@functools.lru_cache(maxsize=None)
def stack_commands():
    """tools/stack as a module: its start is most of what a command costs, and tests poll with them."""
    sys.path.insert(0, os.path.dirname(STACK))
    loader = importlib.machinery.SourceFileLoader("stack_commands", STACK)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@functools.lru_cache(maxsize=None)
def template():
    """Directory of a stack that is down and whose database is migrated; made once."""
    made = Stack(fresh=True)
    atexit.register(made.close)
    made.tool("up", "-q", "--profile", "test", "--no-daemons")
    made.tool("down")
    return made.dir


def new_directory():
    """Short, and reachable by the user that the servers run as."""
    directory = tempfile.mkdtemp(prefix="analytics-", dir="/tmp")
    os.chmod(directory, 0o755)
    return directory


def is_running(pid):
    """False for a zombie: it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def reap(pid):
    """Exit code of an ended child (negative: signal); None when it is not ours to ask."""
    try:
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)
    except ChildProcessError:
        return None


@contextlib.contextmanager
def another_queryd(stack, **settings):
    """The url of one more queryd beside that of the stack, with settings of its own."""
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    queryd = subprocess.Popen([os.path.join(BIN, "queryd"), "-c", stack.path("etc", "queryd.conf"), "-o",
                               "listen=127.0.0.1:0", *options], stderr=subprocess.PIPE, text=True)
    try:
        lines = (json.loads(line) for line in queryd.stderr)
        url = "http://" + next(line["listen"] for line in lines if line["message"] == "ready")
        wait_until(lambda: http_request("GET", url + "/ready").status == 200)
        yield url
    finally:
        queryd.terminate()
        assert FAULTS[0] not in queryd.stderr.read() and queryd.wait(PATIENCE) == 0
