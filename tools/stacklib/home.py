"""Where a stack lives: its directory, the user it runs as, its secrets and lock.

The runtime (data, sockets, settings, logs) is DIR itself, unless the user that the servers run as
cannot reach DIR (a checkout in /root) or a unix socket in it would have too long a name: then it is
/var/tmp/analytics-<hash of DIR> and DIR holds links to its parts. Nothing else is kept in two
places.
"""

import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import sys

from .process import StackError, write_atomic

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROFILES = ("demo", "bench", "test")
HTTP_DAEMONS = ("ingestd", "etld", "queryd", "dqd")
LISTENERS = ("postgres", "redis") + HTTP_DAEMONS
SOCKET_PATH_MAX = 107


def service_user():
    """Whom the servers run as: `postgres` (its package makes it) under root, else ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise StackError("there is no user `postgres`: run `make deps` first") from None


def user_may(user, path, mode):
    """os.access() as `user` would see it, links and ACLs included."""
    if user is None:
        return os.access(path, mode)
    child = os.fork()
    if child == 0:
        answer = 1
        try:
            os.initgroups(user.pw_name, user.pw_gid)
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            answer = 0 if os.access(path, mode) else 1
        finally:
            os._exit(answer)
    return os.waitpid(child, 0)[1] == 0


def lock(directory):
    """One `up` or `down` of a directory at a time: held until the file is closed, or we die."""
    held = open(os.path.join(directory, "lock"), "w", encoding="ascii")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"stack: waiting for another tools/stack in {directory}", file=sys.stderr)
        fcntl.flock(held, fcntl.LOCK_EX)
    return held


class Home:
    # name: (mode, owned by the service user)
    PARTS = {"bin": (0o755, False), "data": (0o755, True), "etc": (0o755, False),
             "log": (0o755, False), "run": (0o755, True), "secrets": (0o711, False),
             "work": (0o755, True)}

    def __init__(self, directory):
        self.dir = os.path.realpath(directory)
        self.user = service_user()
        self.root = self._linked_root() or self.dir

    def __call__(self, *names):
        """The path of a file of the runtime."""
        return os.path.join(self.root, *names)

    @property
    def exists(self):
        return os.path.isdir(self("run"))

    def _linked_root(self):
        try:
            return os.path.dirname(os.readlink(os.path.join(self.dir, "run")))
        except OSError:
            return None

    def require(self):
        if not self.exists:
            raise StackError(f"there is no stack in {self.dir}: run `tools/stack up` first")

    def create(self, stop_leftovers):
        """Makes the directories that are not there. With the lock held.

        stop_leftovers(home) ends what still runs in the runtime of a DIR that was deleted.
        """
        if not os.path.exists(os.path.join(self.dir, "run")):
            self.root = self._choose_root()
            if self.root != self.dir and os.path.lexists(self.root):
                self._check_owner(self.root)
                stop_leftovers(self)
                shutil.rmtree(self.root)
        if self.root != self.dir:
            os.makedirs(self.root, mode=0o755, exist_ok=True)
            self._check_owner(self.root)
        for name, (mode, serviced) in self.PARTS.items():
            self._make_part(name, mode, serviced)

    def _make_part(self, name, mode, serviced):
        path = self(name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if serviced and self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        link = os.path.join(self.dir, name)
        if self.root != self.dir and not os.path.islink(link):
            os.symlink(path, link)

    def _choose_root(self):
        longest = os.path.join(self.dir, "run", ".s.PGSQL.29999.lock")
        if len(os.fsencode(longest)) <= SOCKET_PATH_MAX and user_may(self.user, self.dir, os.X_OK):
            return self.dir
        digest = hashlib.sha256(f"{os.geteuid()}:{self.dir}".encode()).hexdigest()[:12]
        return f"/var/tmp/analytics-{digest}"

    @staticmethod
    def _check_owner(path):
        """/var/tmp is everybody's: a directory that somebody else put there is not ours."""
        about = os.lstat(path)
        if os.path.islink(path) or about.st_uid != os.geteuid():
            raise StackError(f"{path} exists and is not ours; remove it", 73)

    def work_dir(self, name):
        path = self("work", name)
        os.makedirs(path, exist_ok=True)
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def wipe(self):
        """Everything but the lock, which we hold; the stack is stopped."""
        if self.root != self.dir and os.path.isdir(self.root):
            self._check_owner(self.root)
            shutil.rmtree(self.root)
        for name in list(self.PARTS) + ["env"]:
            path = os.path.join(self.dir, name)
            if os.path.islink(path) or os.path.isfile(path):
                os.unlink(path)
            elif os.path.isdir(path):
                shutil.rmtree(path)

    # --- what is remembered between runs

    def load_state(self):
        try:
            with open(self("etc", "stack.json"), encoding="utf-8") as state:
                return json.load(state)
        except FileNotFoundError:
            return {}

    def save_state(self, state):
        write_atomic(self("etc", "stack.json"), json.dumps(state, indent=2) + "\n", 0o644)

    def secret(self, name, for_servers, content=None):
        """Path of a file, made at first use: 256 random bits in hex, or what is given."""
        path = self("secrets", name)
        if not os.path.exists(path):
            owner = self.user if for_servers else None
            write_atomic(path, (content or secrets.token_hex(32)) + "\n", 0o600, owner)
        return path

    def secret_text(self, name):
        with open(self("secrets", name), encoding="ascii") as secret:
            return secret.read().strip()
