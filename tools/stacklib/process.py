"""Processes of a stack: known by what they are, not by a number in a file.

Every process of a stack runs in a working directory of its own (work/<name>; Postgres: its data
directory). A process is the stack's exactly when it executes the program that the stack starts
under that name and its working directory is that one; /proc tells both. So a stale or recycled pid
file neither hides a process from `up` nor leads `down` to a stranger, and what was started by an
`up` that was killed the moment after is found as well. Pid files are written for others to read.

A signal goes through a pidfd that was opened before the check, so that the number cannot be reused
between the two.
"""

import os
import resource
import select
import signal
import socket
import subprocess
import time

DELETED = " (deleted)"


class StackError(Exception):
    """Ends the command: a sentence for the operator and an exit code of sysexits.h."""

    def __init__(self, message, code=69):
        super().__init__(message)
        self.code = code


def _identity(pid):
    """(program name, working directory, directory is deleted) or None when /proc does not tell."""
    try:
        exe = os.readlink(f"/proc/{pid}/exe")
        cwd = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None
    name = os.path.basename(exe.removesuffix(DELETED))
    return name, cwd.removesuffix(DELETED), cwd.endswith(DELETED)


def members(program, cwd):
    """[(pid, stray)] of the processes of `program` in `cwd`, oldest first.

    stray: the directory was deleted under it, so it belongs to a stack that is gone.
    """
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            identity = _identity(entry)
            if identity is not None and identity[:2] == (program, cwd):
                found.append((int(entry), identity[2]))
    return sorted(found, key=lambda member: (_start_time(member[0]), member[0]))


def _start_time(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return 0


def stop(program, cwd, pids, signals, timeout):
    """Sends the signals one after the other, each with its share of `timeout`, then SIGKILL.

    Only to those of `pids` that are (still) processes of `program` in `cwd`. Returns True when it
    came to SIGKILL. Comes back only when all are gone.
    """
    fds = {}
    try:
        for pid in pids:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            identity = _identity(pid)
            if identity is None or identity[:2] != (program, cwd):
                os.close(fd)
            else:
                fds[fd] = pid
        for number in signals:
            if _signal_and_wait(fds, number, timeout / len(signals)):
                return False
        _signal_and_wait(fds, signal.SIGKILL, None)
        return True
    finally:
        for fd in fds:
            os.close(fd)


def _signal_and_wait(fds, number, timeout):
    """Signals all that run; True when none is left within the time. Closes what ended."""
    for fd in fds:
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            pass
    deadline = None if timeout is None else time.monotonic() + timeout
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    while fds:
        left = None if deadline is None else max(0, deadline - time.monotonic()) * 1000
        ended = poller.poll(left)
        if not ended:
            return False
        for fd, _ in ended:
            poller.unregister(fd)
            os.close(fd)
            del fds[fd]
    return True


def raise_file_limit(wanted=65536):
    """What is started inherits it: queryd and ingestd serve many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ceiling = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < ceiling:
        resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, hard))


def clean_environment(extra=None):
    """The environment of everything the stack runs: nothing of the caller's settings leaks in."""
    keep = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env.setdefault("PATH", "/usr/bin:/bin")
    env.update({"LC_ALL": "C.UTF-8", "TZ": "UTC"})
    env.update(extra or {})
    return env


def credentials(user):
    """Keyword arguments of subprocess for running as `user` (a pwd entry); None: as we are."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid,
            "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid)}


def spawn(argv, cwd, log, user, pid_file, extra_env=None):
    """Starts a process that outlives us: own session, output appended to `log`."""
    if os.path.exists(log) and os.path.getsize(log) > 64 << 20:
        os.replace(log, log + ".1")
    with open(log, "ab") as output:
        process = subprocess.Popen(
            argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, umask=0o077,
            env=clean_environment(extra_env), start_new_session=True, **credentials(user))
    write_atomic(pid_file, f"{process.pid}\n", 0o644)
    return process


def write_atomic(path, text, mode, user=None):
    """The file holds the old or the new text, whatever happens; owned by `user` when given."""
    temporary = f"{path}.{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as out:
            os.fchmod(fd, mode)
            if user is not None:
                os.fchown(fd, user.pw_uid, user.pw_gid)
            out.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class Notify:
    """The supervisor's end of sd_notify for one daemon: an abstract socket leaves no file behind."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = f"analytics-stack-{os.getpid()}-{os.urandom(8).hex()}"
        self.socket.bind("\0" + self.name)

    def environment(self):
        return {"NOTIFY_SOCKET": "@" + self.name}

    def wait_ready(self, process, deadline):
        """True on READY=1; False when the process ended or the deadline passed before."""
        self.socket.settimeout(0.05)
        while time.monotonic() < deadline:
            try:
                message = self.socket.recv(4096)
                if b"READY=1" in message.split(b"\n"):
                    return True
            except TimeoutError:
                if process.poll() is not None:
                    return False
        return False

    def close(self):
        self.socket.close()


def wait_until(condition, deadline, interval=0.02):
    """Polls until the condition holds or the monotonic deadline passed; what it said last."""
    while True:
        result = condition()
        if result or time.monotonic() >= deadline:
            return result
        time.sleep(interval)


def tail(path, lines=15):
    try:
        with open(path, "rb") as log:
            log.seek(max(0, os.path.getsize(path) - 16384))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])
