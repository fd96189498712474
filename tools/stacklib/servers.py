"""The private Postgres 15 and Redis of a stack.

Each server (and daemon, see daemons.py) offers: name, program, cwd, main_pid(), stop().
"""

import glob
import hashlib
import hmac
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

from .process import (StackError, clean_environment, credentials, members, spawn, stop, tail,
                      wait_until, write_atomic)

ADMIN = "analytics_admin"
DATABASE = "analytics"

# Durability: fsync, full_page_writes and synchronous_commit are on except in `test`. After a crash
# one syncfs takes the place of an fsync for each file of 480 partitions (0.5 s against 10).
DURABLE = {"recovery_init_sync_method": "syncfs"}
POSTGRES_PROFILES = {
    "demo": {"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min", **DURABLE},
    "bench": {"shared_buffers": "1GB", "max_wal_size": "12GB", "min_wal_size": "1GB", "checkpoint_timeout": "30min", **DURABLE},
    "test": {"shared_buffers": "64MB", "max_wal_size": "1GB", "fsync": "off",
             "full_page_writes": "off", "synchronous_commit": "off"},
}

# Tenants reach one database: PUBLIC may connect to the others of a server, whose catalogs name all roles.
HBA = f"""# written by tools/stack at each start
local {DATABASE} +analytics_tenants scram-sha-256
host {DATABASE} +analytics_tenants 127.0.0.1/32 scram-sha-256
local all +analytics_tenants reject
host all +analytics_tenants 127.0.0.1/32 reject
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""


class Server:
    """A process of the stack with one program and one working directory."""

    signals = (signal.SIGTERM,)
    stop_timeout = 30

    def __init__(self, home, name, program, cwd):
        self.home, self.name, self.program, self.cwd = home, name, program, cwd
        self.pid_file = home("run", name + ".pid")
        self.log = home("log", name + ".log")

    def pids(self):
        return members(self.program, self.cwd)

    def main_pid(self):
        alive = [pid for pid, stray in self.pids() if not stray]
        return alive[0] if alive else None

    def stop(self):
        """Ends every process of it, also strays. True when one had to be killed."""
        killed = stop(self.program, self.cwd, [pid for pid, _ in self.pids()], self.signals,
                      self.stop_timeout)
        self.forget_pid()
        return killed

    def stop_leftovers(self):
        """Ends what a crash left: all but the main process that is alive."""
        main = self.main_pid()
        pids = [pid for pid, stray in self.pids() if main is None or stray]
        stop(self.program, self.cwd, pids, self.signals, self.stop_timeout)
        if main is None:
            self.forget_pid()

    def forget_pid(self):
        if os.path.exists(self.pid_file):
            os.unlink(self.pid_file)

    def failed(self, what):
        return StackError(f"{self.name} {what}; the end of {self.log}:\n{tail(self.log)}")


class Postgres(Server):
    signals = (signal.SIGINT, signal.SIGQUIT)  # fast shutdown, then immediate
    stop_timeout = 60
    start_timeout = 300  # recovery after a crash may read a lot of WAL

    def __init__(self, home, port):
        super().__init__(home, "postgres", "postgres", home("data", "postgres"))
        self.port = port
        self.bin = postgres_bin()

    def main_pid(self):
        """The postmaster; backends that it left behind when it was killed do not count."""
        status = self._postmaster()
        alive = {pid for pid, stray in self.pids() if not stray}
        return status[0] if status and status[0] in alive else None

    def _postmaster(self):
        """(pid, is ready) of postmaster.pid."""
        try:
            with open(os.path.join(self.cwd, "postmaster.pid"), encoding="ascii") as about:
                lines = about.read().splitlines()
            return int(lines[0]), len(lines) > 7 and lines[7].strip() == "ready"
        except (OSError, ValueError, IndexError):
            return None

    def start(self, profile):
        self.stop_leftovers()
        if not os.path.isdir(self.cwd):
            self._init(durable=profile != "test")
        self._write_settings(profile)
        process = spawn([os.path.join(self.bin, "postgres"), "-D", self.cwd], self.cwd, self.log,
                        self.home.user, self.pid_file)
        deadline = time.monotonic() + self.start_timeout
        wait_until(lambda: self._postmaster() == (process.pid, True)
                   or process.poll() is not None, deadline)
        if self._postmaster() != (process.pid, True):
            raise self.failed("did not start")

    def note_pid(self):
        """The pid file follows a postmaster that somebody restarted with pg_ctl."""
        write_atomic(self.pid_file, f"{self.main_pid()}\n", 0o644)

    def _init(self, durable):
        """A complete cluster appears under its name, or none: it is made beside and renamed."""
        for left in glob.glob(self.cwd + ".new.*"):
            shutil.rmtree(left)
        new = f"{self.cwd}.new.{os.getpid()}"
        self._run([os.path.join(self.bin, "initdb"), "-D", new, "-U", ADMIN,
                   "--pwfile", self.home("secrets", "admin.password"), "-A", "scram-sha-256",
                   "-E", "UTF8", "--locale", "C.UTF-8", "--no-instructions", "--no-sync"])
        self._run([os.path.join(self.bin, "postgres"), "--single", "-D", new, "postgres"],
                  f"create database {DATABASE}\n")
        if durable:
            self._run(["sync", "-f", new])
        os.rename(new, self.cwd)

    def _run(self, argv, text=""):
        done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False,
                              cwd=self.home.work_dir("initdb"), env=clean_environment(),
                              **credentials(self.home.user))
        if done.returncode != 0:
            raise StackError(f"{os.path.basename(argv[0])} failed:\n{done.stdout}{done.stderr}")

    def _write_settings(self, profile):
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": self.home("run"), "max_connections": 200,
            "password_encryption": "scram-sha-256", "timezone": "UTC", "log_timezone": "UTC",
            "datestyle": "iso, ymd", "jit": "off", "random_page_cost": 1.1,
            "cluster_name": "analytics", "log_line_prefix": "%m [%p] %q%u@%d ",
            "log_checkpoints": "off", "log_lock_waits": "on", **POSTGRES_PROFILES[profile]}
        text = "# written by tools/stack at each start\n" + "".join(
            "{} = '{}'\n".format(key, str(value).replace("'", "''"))
            for key, value in settings.items())
        write_atomic(os.path.join(self.cwd, "postgresql.conf"), text, 0o600, self.home.user)
        write_atomic(os.path.join(self.cwd, "pg_hba.conf"), HBA, 0o600, self.home.user)

    # --- clients

    def password(self, role):
        """Tenants and analytics_nobody: derived from the master key, as queryd derives it."""
        if role == ADMIN:
            return self.home.secret_text("admin.password")
        key = self.home.secret_text("master.key").encode()
        return hmac.new(key, role.encode(), hashlib.sha256).hexdigest()

    def url(self, role=ADMIN):
        """With the password and over TCP: for clients of any kind."""
        return f"postgresql://{role}:{self.password(role)}@127.0.0.1:{self.port}/{DATABASE}"

    def socket_url(self, role, passfile):
        """Without the password: for settings files."""
        query = urllib.parse.urlencode(
            {"host": self.home("run"), "port": self.port, "passfile": passfile},
            quote_via=urllib.parse.quote)
        return f"postgresql://{role}@/{DATABASE}?{query}"

    def psql_environment(self, role=ADMIN):
        return {"PGHOST": self.home("run"), "PGPORT": str(self.port), "PGDATABASE": DATABASE,
                "PGUSER": role, "PGPASSWORD": self.password(role)}

    def script(self, sql):
        """Runs statements as admin; what they printed."""
        done = subprocess.run(
            [os.path.join(self.bin, "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            input=sql, text=True, capture_output=True, check=False,
            env=clean_environment(self.psql_environment()))
        if done.returncode != 0:
            raise StackError(f"psql: {done.stderr.strip()}")
        return done.stdout


class Redis(Server):
    """A cache: it keeps nothing over a restart, in no profile."""

    def __init__(self, home, port):
        binary = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
        if binary is None:
            raise StackError("redis-server is not installed: run `make deps`")
        # Debian's redis-server is a link to a binary that goes by its first name
        super().__init__(home, "redis", os.path.basename(os.path.realpath(binary)),
                         home("work", "redis"))
        self.binary, self.port, self.socket = binary, port, home("run", "redis.sock")

    def start(self):
        self.stop_leftovers()
        settings = self.home("etc", "redis.conf")
        write_atomic(settings, f"""# written by tools/stack at each start
bind 127.0.0.1
port {self.port}
unixsocket "{self.socket}"
unixsocketperm 700
dir "{self.home.work_dir('redis')}"
daemonize no
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
""", 0o644)
        process = spawn([self.binary, settings], self.cwd, self.log, self.home.user, self.pid_file)
        deadline = time.monotonic() + 20
        wait_until(lambda: self.answers() or process.poll() is not None, deadline)
        if not self.answers():
            raise self.failed("did not start")

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(self.socket)
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def socket_url(self):
        return f"unix://{self.socket}?db=0"


def postgres_bin():
    for directory in ("/usr/lib/postgresql/15/bin", "/usr/local/pgsql/bin"):
        if os.path.exists(os.path.join(directory, "initdb")):
            return directory
    raise StackError("Postgres 15 is not installed: run `make deps`")
