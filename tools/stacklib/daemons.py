"""The four daemons of a stack: binaries, settings, start and readiness."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import time

from . import tokens
from .home import CHECKOUT, HTTP_DAEMONS, user_may
from .process import (Notify, StackError, clean_environment, credentials, spawn, tail, wait_until,
                      write_atomic)
from .servers import DATABASE, Server

START_TIMEOUT = 60


def build_dir():
    return os.path.join(CHECKOUT, "build", os.environ.get("MODE", "release"), "bin")


def find_binaries(home, names):
    """{name: path} that the service user can run: of the build, or copies of it in DIR/bin."""
    source = build_dir()
    missing = [name for name in names if not os.access(os.path.join(source, name), os.X_OK)]
    if missing:
        raise StackError(f"not built: {', '.join(missing)} (looked in {source}); run `make`")
    built = {name: os.path.join(source, name) for name in names}
    if all(user_may(home.user, path, os.R_OK | os.X_OK) for path in built.values()):
        return built
    return {name: _copy_if_changed(path, home("bin", name)) for name, path in built.items()}


def _copy_if_changed(source, target):
    about = os.stat(source)
    if os.path.exists(target):
        copied = os.stat(target)
        if (copied.st_size, copied.st_mtime_ns) == (about.st_size, about.st_mtime_ns):
            return target
    temporary = f"{target}.{os.getpid()}"
    shutil.copy2(source, temporary)
    os.chmod(temporary, 0o755)
    os.replace(temporary, target)  # the old one may be running
    return target


class Daemon(Server):
    """One of ingestd, etld, queryd, dqd."""

    signals = (signal.SIGTERM,)  # drains, at most drain_timeout (20 s)

    def __init__(self, home, name, port):
        super().__init__(home, name, name, home("work", name))
        self.port, self.settings_file = port, home("etc", name + ".conf")
        self.process = self.notify = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def launch(self, binary):
        """Starts it without waiting; wait_ready() follows."""
        self.stop_leftovers()
        self.home.work_dir(self.name)
        self.notify = Notify()
        self.process = spawn([binary, "-c", self.settings_file], self.cwd, self.log,
                             self.home.user, self.pid_file, self.notify.environment())

    def wait_ready(self):
        """Returns when it has said READY=1 (if we launched it) and /ready answers 200."""
        deadline = time.monotonic() + START_TIMEOUT
        if self.notify is not None:
            said = self.notify.wait_ready(self.process, deadline)
            self.notify.close()
            if not said:
                raise self.failed(self._ending() or "did not become ready")
        status = reason = None

        def ready():
            nonlocal status, reason
            status, reason = self.ask_ready()
            return status == 200 or self.main_pid() is None

        wait_until(ready, deadline)
        if self.main_pid() is None:
            raise self.failed(self._ending() or "ended while it started")
        if status != 200:
            raise StackError(f"{self.name} is not ready: {reason}")

    def _ending(self):
        """How the process that we launched ended, or None."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return None
        return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"

    def ask_ready(self):
        """(status of GET /ready or None, body)"""
        import http.client  # here: it is half of what the commands that ask no daemon would take to start

        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            client.request("GET", "/ready")
            answer = client.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace").strip()
        except (OSError, http.client.HTTPException) as e:
            return None, str(e)
        finally:
            client.close()


# --- settings

def endpoints(home):
    return {name: f"ipc://{home('run', name + '.zmq')}" for name in ("events", "hint", "bus")}


def write_settings(home, profile, postgres, redis, daemons):
    """DIR/etc/<daemon>.conf and the secrets they name. Daemons that run keep what they have read."""
    shared = {name: home.secret(name, for_servers=True)
              for name in ("admin.password", "master.key", "scope.key", "embed.key")}
    # the same in every stack, so that the tables of two can be compared; never so in production
    shared["guest.seed"] = home.secret("guest.seed", for_servers=True, content="a development stack")
    shared["purge.key"] = home.secret("purge.key", for_servers=True, content=tokens.new_signing_key())
    ends = endpoints(home)
    jwks = home("secrets", "jwks.json")
    own = {
        "ingestd": {
            "token_jwks": jwks, "token_issuer": tokens.ISSUER,
            "push_audience": push_audience(daemons["ingestd"]),
            "push_emails": tokens.PUSH_EMAIL, "push_issuer": tokens.GOOGLE_ISSUER,
            "hint_endpoint": ends["hint"], "events_listen": ends["events"]},
        "etld": {
            "hint_listen": ends["hint"], "bus_listen": ends["bus"],
            "guest_key_seed_file": shared["guest.seed"],
            "master_key_file": shared["master.key"], "scope_key_file": shared["scope.key"],
            "purge_key_file": shared["purge.key"]},
        "queryd": {
            "token_jwks": jwks, "token_issuer": tokens.ISSUER, "token_audience": tokens.AUDIENCE,
            "bus_connect": ends["bus"], "master_key_file": shared["master.key"],
            "scope_key_file": shared["scope.key"], "embed_key_file": shared["embed.key"],
            "scheduler_audience": f"{daemons['queryd'].url}/internal/scheduler/etl",
            "scheduler_emails": tokens.SCHEDULER_EMAIL},
        "dqd": {"bus_connect": ends["bus"]},
    }
    if profile == "test":  # what a test changes about a role stays so until it has looked
        own["queryd"]["access_interval"] = "24h"
    for name, daemon in daemons.items():
        url = postgres.socket_url(role_of(name), _passfile(home, name))
        settings = {"listen": f"127.0.0.1:{daemon.port}", "database_url": url,
                    "warehouse_url": url, "redis_url": redis.socket_url(), "log_format": "json",
                    **own[name]}
        text = "# written by tools/stack at each `up`\n" + "".join(
            f"{key} = {value}\n" for key, value in settings.items())
        write_atomic(daemon.settings_file, text, 0o600, home.user)


def push_audience(ingestd):
    return f"{ingestd.url}/pubsub/push"


def role_of(daemon):
    return f"analytics_{daemon}"


def _passfile(home, daemon):
    """libpq reads the daemon's password from a file of its own; random, made at first use."""
    path = home("secrets", daemon + ".pgpass")
    if not os.path.exists(path):
        line = f"*:*:{DATABASE}:{role_of(daemon)}:{secrets.token_hex(32)}\n"
        write_atomic(path, line, 0o600, home.user)
    return path


# --- etld as a tool

def migrate(home, postgres, etld, binary):
    """`etld migrate` as admin; then the login roles it made get their passwords."""
    admin = postgres.url()
    log = home("log", "migrate.log")
    with open(log, "ab") as output:
        done = subprocess.run(
            [binary, "-c", etld.settings_file, "migrate"], stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, check=False, cwd=home.work_dir("migrate"),
            env=clean_environment({"ANALYTICS_MIGRATE_URL": admin}), **credentials(home.user))
    if done.returncode != 0:
        raise StackError(f"etld migrate failed ({done.returncode}); the end of {log}:\n{tail(log)}")
    passwords = {role_of(name): home.secret_text(name + ".pgpass").rpartition(":")[2]
                 for name in HTTP_DAEMONS}
    passwords["analytics_nobody"] = postgres.password("analytics_nobody")
    rows = ", ".join(f"('{role}', '{password}')" for role, password in passwords.items())
    postgres.script(f"""set password_encryption to 'scram-sha-256';
select format('alter role %I password %L', role, password)
  from (values {rows}) as wanted(role, password) join pg_roles on rolname = role \\gexec
""")


def etl_status(home, etld, binary):
    """What `etld status --json` prints."""
    done = subprocess.run([binary, "-c", etld.settings_file, "status", "--json"],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          cwd=home.work_dir("status"), env=clean_environment(),
                          **credentials(home.user))
    if done.returncode != 0:
        raise StackError("etld status: " + done.stderr.decode("utf-8", "replace").strip(), 75)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise StackError(f"etld status printed no JSON: {done.stdout[:200]!r}", 70) from None

