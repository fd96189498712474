"""Clients of queryd that leave before their answer, alone and by hundreds, and what is left of them: no statement, no
connection, no memory, and nobody has to wait for what they asked.

queryd's own deadline is a minute here: whatever ends within seconds was ended because its client left.
"""

import contextlib
import datetime as dt
import itertools
import json
import os
import socket
import time

import pytest

from boards import User
from harness import MODE, wait_until
from hotel import API, WINDOW
from instance import Instance
from test_adhoc import SLOW
from test_many import memory, open_connections
from test_single_flight import hotel_of, locked

TENANTS = 3
SHARE = 8                 # of a tenant's connections: with TENANTS more statements than are cancelled at a time
ENDED_S = 30              # until nothing of them is left, on a busy machine
AT_ONCE_S = 10            # likewise, until another's answer
GROWN = 2 << 20           # resident memory from one round to the last: what an allocator's free lists do
RUN, ROOMS = f"{API}/queries:run", f"{API}/metrics/rooms_available:compute"
_turns = itertools.count()


@pytest.fixture(scope="module")
def users(stack):
    """An admin of each tenant, with a dashboard of two tiles."""
    made = [User(stack, hotel_of(stack, f"vanish {n}").tenant, "leaver") for n in range(TENANTS)]
    for user in made:
        user.dashboard = user.board()["id"]
        for n, metric in enumerate(("rooms_sold", "adr")):
            tile = {"kind": "kpi_tile", "title": metric, "query": {"metrics": [metric], "dateRange": WINDOW},
                    "layout": {"x": 4 * n, "y": 0, "w": 4, "h": 4}}
            assert user.post(f"/dashboards/{user.dashboard}/widgets", tile).status == 201
    return made


@pytest.fixture(scope="module")
def queryd(stack, users):
    with Instance(stack, "queryd", query_timeout="60s", tenant_wait="10s", tenant_share=SHARE, adhoc_queries=TENANTS,
                  tenant_connections=SHARE * (TENANTS + 1)) as one:
        yield one


def another_window():
    """One that was not asked for: no two questions are the same computation."""
    return {"from": "2024-02-25", "to": str(dt.date(2024, 3, 10) + dt.timedelta(next(_turns)))}


def question(kind, user):
    """(method, path, body)"""
    if kind == "board":
        window = another_window()
        return "GET", f"{API}/dashboards/{user.dashboard}/data?from={window['from']}&to={window['to']}", None
    if kind == "structured":
        return "POST", RUN, {"query": {"metrics": ["rooms_sold"], "dateRange": another_window()}, "deadlineMs": 60000}
    sql = SLOW if kind == "slow sql" else f"select count(*) as n, {next(_turns)} as turn from fact_room_night"
    return "POST", RUN, {"sql": sql, "deadlineMs": 60000}


def left_open(queryd, user, kind):
    """A socket that has asked and hears nothing yet."""
    method, path, body = question(kind, user)
    text = json.dumps(body) if body else ""
    host, port = queryd.url[len("http://"):].split(":")
    s = socket.create_connection((host, int(port)))
    s.sendall((f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
               f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}").encode())
    return s


def sessions(stack, users, state="true"):
    roles = "{" + ",".join(user.tenant for user in users) + "}"
    return int(stack.query(f"select count(*) from pg_stat_activity where {state} and usename = any($1::name[])", roles)[0][0])


def running(stack, users):
    """Statements of these tenants that the server is at, or waits for a lock with."""
    return sessions(stack, users, "state = 'active'")


def answers_at_once(queryd, users):
    """A question about another table, and one of ad-hoc SQL: the turn of those who left is over."""
    for user in users:
        for path, body in ((ROOMS, {"dateRange": another_window()}),
                           (RUN, {"sql": f"select count(*) as n, {next(_turns)} as turn from dim_room"})):
            began = time.monotonic()
            answer = queryd.http("POST", path, body, {"Authorization": "Bearer " + user.token})
            assert answer.status == 200, answer
            assert list(answer.json()["rows"][0].values())[0] in (5, 5 * (1 + (
                dt.date.fromisoformat(body["dateRange"]["to"]) - dt.date(2024, 2, 25)).days) if "dateRange" in body else 5)
            assert time.monotonic() - began < AT_ONCE_S


def descriptors(queryd):
    return len(os.listdir(f"/proc/{queryd.process.pid}/fd"))


@pytest.mark.parametrize("kind", ("structured", "board", "slow sql", "sql"))
def test_what_a_client_left_ends(stack, users, queryd, kind):
    user = users[0]
    with locked(stack) if kind != "slow sql" else contextlib.nullcontext():
        s = left_open(queryd, user, kind)
        wait_until(lambda: running(stack, [user]) > 0)
        s.close()
        wait_until(lambda: running(stack, [user]) == 0, timeout=ENDED_S)
        answers_at_once(queryd, [user])


def test_hundreds_leave_at_once(stack, users, queryd):
    """Round by round: a full house of statements that wait, and behind them as many requests as may wait; all of
    them hang up in one moment."""
    kinds = ("structured",) * 60 + ("sql",) * 20 + ("board",) * 20
    answers_at_once(queryd, users)
    held, files, connections = [], [], []
    for _ in range(5):
        with locked(stack):
            sockets = [left_open(queryd, user, kind) for kind in kinds for user in users]
            wait_until(lambda: open_connections(queryd) > len(sockets) and running(stack, users) >= SHARE * TENANTS)
            for s in sockets:
                s.close()
            wait_until(lambda: running(stack, users) == 0 and open_connections(queryd) <= 1, timeout=ENDED_S)
            answers_at_once(queryd, users)
        held.append(memory(queryd))
        files.append(descriptors(queryd))
        connections.append(sessions(stack, users))
    print("resident", [h >> 10 for h in held], "descriptors", files, "sessions", connections)
    # what is freed stays with the sanitizer for a while; it looks for leaks at the end
    assert held[-1] - held[1] < GROWN or MODE == "asan", held
    # what asks for a cancel has a connection for as long as that takes
    assert max(files[2:]) <= files[1] + 2 and max(connections[2:]) <= connections[1] + 2, (files, connections)


def test_a_killed_process_leaves_no_statement(stack, users):
    """It asks for nothing any more: the server looks whether its client is still there."""
    with Instance(stack, "queryd", query_timeout="60s") as killed, locked(stack):
        sockets = [left_open(killed, users[0], kind) for kind in ("structured", "sql")]
        wait_until(lambda: running(stack, users) == 2)
        killed.process.kill()
        killed.process.wait()
        for s in sockets:
            s.close()
        wait_until(lambda: running(stack, users) == 0, timeout=ENDED_S)


def test_a_role_without_a_connection_left(stack):
    """Two processes have all that a role may have, so nothing can log in to cancel: the connections are given up."""
    user = User(stack, hotel_of(stack, "vanish full").tenant, "leaver")
    with Instance(stack, "queryd", query_timeout="60s", tenant_wait="10s", workers=2, tenant_share=16) as queryd:
        with locked(stack):
            sockets = [left_open(queryd, user, "structured") for _ in range(60)]
            wait_until(lambda: running(stack, [user]) >= 16)
            for s in sockets:
                s.close()
            wait_until(lambda: running(stack, [user]) == 0, timeout=ENDED_S)
        wait_until(lambda: queryd.http("POST", RUN, {"query": {"metrics": ["rooms_sold"], "dateRange": another_window()}},
                                       {"Authorization": "Bearer " + user.token}).status == 200)


def test_the_end_of_a_process_whose_clients_have_left(stack):
    """Some of what they asked still waits for a connection: its lease is in Redis, which is given up first. Sanitizers look."""
    user = User(stack, hotel_of(stack, "vanish end").tenant, "leaver")
    with locked(stack), Instance(stack, "queryd", query_timeout="60s", tenant_wait="10s", tenant_connections=2, tenant_share=2) as queryd:
        sockets = [left_open(queryd, user, "structured") for _ in range(8)]
        wait_until(lambda: running(stack, [user]) >= 2)
        for s in sockets:
            s.close()
