"""tools/stack: starts what is missing, stops exactly its own, from any state."""

import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from harness import BIN, CHECKOUT, DAEMONS, MODE, PARTS, PATIENCE, is_running, run, wait_until

sys.path.append(os.path.join(CHECKOUT, "tools"))
from stacklib import ports as portlib
from stacklib.redisclient import RedisClient

NOBODY = pwd.getpwnam("nobody")
# tests of the tool alone: the daemons' code does not change them
tool_only = pytest.mark.skipif(MODE == "asan", reason="says nothing about the daemons")


def pids(stack):
    return {name: stack.pid(name) for name in PARTS}


def processes_in(directory):
    """Pids of all processes whose working directory is below the stack's."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if (os.readlink(f"/proc/{entry}/cwd") + "/").startswith(directory + "/"):
                found.append(int(entry))
        except OSError:
            pass
    return found


def assert_nothing_runs(stack):
    root = os.path.dirname(os.path.realpath(stack.path("run")))
    assert processes_in(root) == []
    assert not glob.glob(stack.path("run", "*.pid"))  # of an `up` that was killed early, run/ may not be there


def test_up_is_idempotent_and_down_stops_everything(make_stack):
    stack = make_stack(fresh=True).up()
    first, env = pids(stack), stack.env
    assert all(is_running(pid) for pid in first.values())
    assert stack.tool("status").stdout.count(" ready ") == len(DAEMONS)
    for name in DAEMONS:
        assert stack.http("GET", name, "/ready").status == 200
    stack.psql("create table public.kept as select 7 as n")

    stack.up()
    assert pids(stack) == first

    stack.down()
    assert_nothing_runs(stack)
    assert stack.tool("status", check=69).stdout.count("stopped") == len(PARTS)
    stack.down()

    stack.up()
    assert stack.psql("select n from public.kept") == [["7"]]
    again = stack.env
    assert {k: v for k, v in again.items() if k != "INGESTD_TOKEN"} == {
        k: v for k, v in env.items() if k != "INGESTD_TOKEN"}


def test_env_has_every_address(stack):
    assert set(stack.env) == {
        "INGESTD_URL", "QUERYD_URL", "ETLD_URL", "DQD_URL", "DATABASE_URL", "WAREHOUSE_URL",
        "REDIS_URL", "EVENTS_ENDPOINT", "BUS_ENDPOINT", "INGESTD_TOKEN"}
    assert os.stat(stack.path("env")).st_mode & 0o777 == 0o600
    script = f". {stack.path('env')}; sh -c 'echo $QUERYD_URL'; psql -XAtc 'select 1' $DATABASE_URL"
    assert run(["sh", "-c", script]).stdout.split() == [stack.env["QUERYD_URL"], "1"]
    assert stack.tool("env").stdout.startswith("INGESTD_URL=")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_servers_do_not_run_as_root(stack):
    for name in PARTS:
        assert os.stat(f"/proc/{stack.pid(name)}").st_uid == pwd.getpwnam("postgres").pw_uid


def test_two_stacks_side_by_side(make_stack):
    one, two = make_stack().up(), make_stack().up()
    assert not set(one.env.values()) & set(two.env.values())
    before = pids(two)
    one.down()
    assert pids(two) == before and all(is_running(pid) for pid in before.values())
    assert two.tool("status")


def test_ports_of_a_stack_that_does_not_listen_yet(tmp_path, monkeypatch):
    """It has noted them: who chooses next takes others, though the kernel has them all."""
    monkeypatch.setattr(portlib, "RANGE", range(19990, 19999))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))

    def choose(name, before):
        (tmp_path / name / "etc").mkdir(parents=True, exist_ok=True)
        with portlib.others(str(tmp_path / name)) as taken:
            chosen = portlib.choose(PARTS[:4], before, taken)
            (tmp_path / name / "etc" / "stack.json").write_text(json.dumps({"ports": chosen}))
        return chosen
    one, two = choose("one", {}), choose("two", {})
    assert not set(one.values()) & set(two.values())
    assert choose("one", one) == one and choose("two", two) == two
    shutil.rmtree(tmp_path / "one")
    with portlib.others(str(tmp_path / "three")) as taken:
        assert taken == set(two.values())


@pytest.mark.parametrize("victim", ["ingestd", "etld", "redis"])
def test_up_restarts_what_was_killed(make_stack, victim):
    stack = make_stack().up()
    before, env = pids(stack), stack.env
    stack.kill(victim)
    stack.tool("status", check=69)
    stack.up()
    after = pids(stack)
    assert after.pop(victim) != before.pop(victim)
    assert after == before
    assert stack.env["INGESTD_URL"] == env["INGESTD_URL"]


@pytest.mark.parametrize("next_command", ["up", "down"])
def test_after_kill_of_postgres(make_stack, next_command):
    stack = make_stack().up()
    # a backend that is busy does not notice at once that its postmaster is gone
    busy = subprocess.Popen(["psql", "-XAtc", "select count(*) from generate_series(1, 1e9)",
                             stack.env["DATABASE_URL"]], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    query = "select count(*) from pg_stat_activity where state = 'active' and query ~ '1e9'"
    wait_until(lambda: stack.psql(query) == [["2"]])
    stack.kill("postgres")
    if next_command == "up":
        stack.up()
        assert stack.psql("select 1") == [["1"]]
    else:
        stack.down()
        assert_nothing_runs(stack)
    busy.wait(PATIENCE)


def test_a_recycled_pid_is_never_touched(make_stack):
    stack = make_stack().up()
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        for name in ("ingestd", "postgres", "redis"):
            stack.kill(name)
            with open(stack.path("run", name + ".pid"), "w", encoding="ascii") as pid_file:
                pid_file.write(f"{stranger.pid}\n")
        stack.up()
        assert stranger.pid not in pids(stack).values() and stranger.poll() is None

        real = stack.pid("ingestd")
        with open(stack.path("run", "ingestd.pid"), "w", encoding="ascii") as pid_file:
            pid_file.write(f"{stranger.pid}\n")
        stack.tool("down")
        assert stranger.poll() is None
        assert not is_running(real)
        assert_nothing_runs(stack)
    finally:
        stranger.kill()
        stranger.wait()


@tool_only
@pytest.mark.parametrize("moment, number", [
    ("data", signal.SIGKILL), ("run/postgres.pid", signal.SIGTERM),
    ("run/postgres.pid", signal.SIGKILL), ("run/ingestd.pid", signal.SIGINT)])
def test_interrupted_up(make_stack, moment, number):
    """Whatever was started by then: `down` finds it, and another `up` goes on from there."""
    for next_command in ("down", "up"):
        stack = make_stack(fresh=moment == "data")
        up = subprocess.Popen([*stack.command, "up", "--dir", stack.dir, "--profile", "test"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(stack.path(moment)) or up.poll() is not None)
        up.send_signal(number)
        up.wait(PATIENCE)
        if next_command == "up":
            stack.up()
            stack.tool("status")
        stack.down()
        assert_nothing_runs(stack)


@tool_only
def test_what_is_left_of_a_deleted_directory(make_stack):
    stack = make_stack().up()
    before = pids(stack)
    shutil.rmtree(stack.dir)
    os.mkdir(stack.dir, 0o755)
    stack.up()
    assert not any(is_running(pid) for pid in before.values())


@tool_only
def test_concurrent_up_and_down_take_turns(make_stack):
    stack = make_stack()
    ups = [subprocess.Popen([*stack.command, "up", "-q", "--dir", stack.dir, "--profile", "test"])
           for _ in range(3)]
    assert [up.wait(PATIENCE) for up in ups] == [0, 0, 0]
    for name in DAEMONS:
        assert len([pid for pid in processes_in(os.path.realpath(stack.path("work", name)))]) == 1


@tool_only
def test_a_directory_that_the_servers_cannot_reach(make_stack):
    """The runtime moves to /var/tmp; DIR holds links to it. A long name does the same to sockets."""
    outer = tempfile.mkdtemp(prefix="analytics-")  # mode 0700
    inner = os.path.join(outer, "d" * 100)
    os.mkdir(inner)
    try:
        stack = make_stack(directory=inner).up()
        assert os.readlink(stack.path("run")).startswith("/var/tmp/analytics-")
        assert stack.psql("select 1") == [["1"]]
        runtime = os.path.dirname(os.path.realpath(stack.path("run")))
        stack.down()
        assert_nothing_runs(stack)
        stack.down("--wipe")
        assert not os.path.exists(runtime) and os.listdir(inner) == ["lock"]
    finally:
        stack.close()
        shutil.rmtree(outer)


@pytest.fixture
def private_checkout():
    """private_checkout(mode): a copy of what tools/stack needs, in a new directory of that mode."""
    top = tempfile.mkdtemp(prefix="checkout-")

    def make(mode):
        shutil.copytree(os.path.join(CHECKOUT, "tools"), os.path.join(top, "tools"))
        shutil.copytree(BIN, os.path.join(top, "build", MODE, "bin"))
        os.chmod(top, mode)
        return os.path.join(top, "tools", "stack")

    yield make
    shutil.rmtree(top)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_checkout_that_the_servers_cannot_read(private_checkout, make_stack):
    """Binaries are copied to DIR/bin."""
    stack = make_stack(command=[private_checkout(0o700)]).up()
    for name in DAEMONS:
        assert os.readlink(f"/proc/{stack.pid(name)}/exe") == stack.path("bin", name)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_as_an_ordinary_user(private_checkout, make_stack):
    become = ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}",
              "--clear-groups", "env", "PATH=/usr/bin:/bin"]
    stack = make_stack(command=[*become, private_checkout(0o755)])
    os.chown(stack.dir, NOBODY.pw_uid, NOBODY.pw_gid)
    stack.up()
    assert {os.stat(f"/proc/{pid}").st_uid for pid in pids(stack).values()} == {NOBODY.pw_uid}
    assert stack.psql("select 1") == [["1"]]
    stack.up()
    stack.down()
    assert_nothing_runs(stack)


def test_wait_says_what_is_pending(make_stack):
    """…and psql --tenant sees what was waited for, through the tenant's own views."""
    stack, tenant = make_stack().up(), "tnt_01HZ0000000000000000000001"
    stack.kill("etld")
    assert stack.send_events([{
        "eventId": "evt_01HZ0000000000000000000002", "eventType": "melmastoon.property.published.v1",
        "schemaVersion": 1, "occurredAt": "2025-01-01T00:00:00Z", "tenantId": tenant,
        "aggregate": {"type": "property", "id": "ppt_01HZ0000000000000000000003"}, "version": 1,
        "data": {"propertyId": "ppt_01HZ0000000000000000000003", "timezone": "Asia/Kabul",
                 "currency": "AFN"}}])["accepted"] == 1
    assert "1 deltas" in stack.tool("wait", "--timeout", "1", check=75).stderr
    stack.up()
    stack.wait()
    mine = "select property_id, currency from tenant_views.dim_property"
    assert stack.psql(mine, tenant) == [["ppt_01HZ0000000000000000000003", "AFN"]]
    assert stack.psql(mine, "tnt_01HZ0000000000000000000009") == []
    # what etld has told Redis late queryd could answer from its cache
    queryd = stack.pid("queryd")
    os.kill(queryd, signal.SIGSTOP)  # or it would repair this
    try:
        with RedisClient(stack.env["REDIS_URL"]) as redis:
            redis.ask("HSET", "dv:" + tenant, "dim_property", 0)
        assert "older versions of 1 tables" in stack.tool("wait", "--timeout", "1", check=75).stderr
    finally:
        os.kill(queryd, signal.SIGCONT)
    stack.wait()
    stack.kill("redis")
    stack.wait()  # then it asks Postgres


def test_missing_binaries_are_named(make_stack):
    stack = make_stack(fresh=True, env={"MODE": "nothing"})
    said = stack.tool("up", check=69).stderr
    assert "ingestd" in said and "make" in said


def test_usage_errors(stack, make_stack):
    assert "there is no stack" in make_stack(fresh=True).tool("env", check=69).stderr
    for wrong in (["up", "--profile", "fast"], ["fly"], ["token", "--ttl", "soon"]):
        assert run([*stack.command, *wrong], check=64).stderr
    assert "give one" in stack.tool("token", check=64).stderr
    assert "no tenant id" in stack.tool("psql", "--tenant", "x'; --", check=64).stderr
