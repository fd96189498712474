"""A deleted tenant that had something everywhere: where anything of it is still found, in tables, Redis and files.

Not searched: the data files of Postgres. Deleted rows stay in free space and in the log of changes until Postgres writes
over them, for every database of its kind; whoever must have them gone earlier runs `vacuum full`, and minds the backups.
"""

import json
import os
import subprocess

import pytest

import reference
from boards import User
from events import event
from harness import BIN, http_request, run, wait_until
from services import sync_token
from test_purge import KEPT

WINDOW = {"from": "2025-01-01", "to": "2025-01-20"}
SAID = ("Purgedboard", "Purgedwidget", "Purgedquery", "Purgedaudience")  # what its users wrote
PARTITIONS = "events_raw.event_"  # they are searched as their parent


def tables(stack):
    return [f"{schema}.{table}" for schema, table in stack.query(
        "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'"
        " and table_schema in ('analytics', 'analytics_run', 'analytics_curated', 'events_raw')")
            if not f"{schema}.{table}".startswith(PARTITIONS)]


def found_in_tables(stack, marks):
    """{(table, mark)}: anywhere in a row, also in bytes. One pass over each table, whatever the number of marks."""
    spelled = {text: mark for mark in marks for text in (mark, mark.encode().hex())}
    assert all(text.isalnum() or "_" in text for text in spelled)
    return {(table, spelled[text]) for table in tables(stack) for text, in stack.query(
        f"select distinct m[1] from {table} t, regexp_matches(t::text, $1, 'g') m", f"({'|'.join(spelled)})")}


def found_in_redis(stack, marks):
    """{(key, mark)}: in names and values, of any type."""
    def redis(*words, text=None):
        done = subprocess.run(["redis-cli", "-s", stack.path("run", "redis.sock"), *words], input=text, stdout=subprocess.PIPE, check=True)
        return done.stdout

    found = set()
    for key in redis("--scan").splitlines():
        content = key + redis("-x", "dump", text=key)[:-1] + redis("--no-raw", "-x", "get", text=key) + redis("-x", "hgetall", text=key)
        found |= {(key, mark) for mark in marks if mark.encode() in content}
    return found


def found_in_files(stack, marks):
    """{(file, mark)} of the stack's directory, but for the data of Postgres."""
    found = set()
    for folder, folders, files in os.walk(stack.dir):
        if os.path.exists(os.path.join(folder, "PG_VERSION")):
            folders.clear()
            continue
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    content = file.read()
                found |= {(os.path.relpath(path, stack.dir), mark) for mark in marks if mark.encode() in content}
    return found


def ids_of(stack, tenant):
    """The ids that a row of every curated table holds; but for a session of the meta search, which is nobody's."""
    marks = set()
    for table, in stack.query("select table_name from analytics_run.version order by 1"):
        [[row]] = stack.query(f"select to_jsonb(t) from analytics_curated.{table} t where tenant_id = $1 limit 1", tenant) or [[None]]
        assert row, f"{table} has no row of the tenant"
        marks |= {value[-26:] for value in json.loads(row).values() if isinstance(value, str) and "_" in value and len(value) > 28
                  and value[-26:].isalnum() and not value.startswith("gms_")}
    return marks - {tenant[4:]}


@pytest.fixture(name="tenant", scope="module")
def a_tenant_with_something_everywhere(stack):
    lines = subprocess.run([os.path.join(BIN, "hotelsim"), "--seed", "4711", "--tenants", "1", "--rooms", "8", *(
        word for side in WINDOW for word in (f"--{side}", WINDOW[side]))], stdout=subprocess.PIPE, check=True).stdout
    [tenant] = {reference.parse(line).tenant for line in lines.splitlines()} - {"_platform", None}
    stack.send_events(lines)
    stack.send_events(json.dumps({"id": "evt_1", "tenantId": tenant, "note": SAID[0]}) + "\n")  # a dead letter
    stack.wait()
    user = User(stack, tenant, role="tenant.owner")
    query = {"metrics": ["rooms_sold"], "dateRange": WINDOW}
    board = user.board(name=SAID[0])
    widget = user.post(f"/dashboards/{board['id']}/widgets", {"kind": "kpi_tile", "title": SAID[1], "query": query,
                                                              "layout": {"x": 0, "y": 0, "w": 4, "h": 4}})
    saved = user.post("/queries", {"name": SAID[2], "query": query})
    answers = [
        widget, saved, user.get(f"/dashboards/{board['id']}/data"), user.get(f"/widgets/{widget.json()['id']}/data"),
        user.post("/queries:run", {"queryId": saved.json()["id"], "snapshot": True}),
        user.post("/queries:run", {"query": query | {"dimensions": ["property_id", "channel"]}}),
        user.post(f"/dashboards/{board['id']}:share", {"audience": SAID[3], "ttlSeconds": 600}),
        user.post("/data-quality/checks", {"table": "fact_payment", "kind": "null_rate", "column": "currency", "limit": 0.5, "severity": "info"}),
        http_request("GET", stack.url("queryd", "/internal/sync/pull?limit=100"), headers={"Authorization": "Bearer " + sync_token(stack, tenant)})]
    assert all(answer.status in (200, 201) for answer in answers), answers
    run([os.path.join(BIN, "dqd"), "-c", stack.path("etc", "dqd.conf"), "run"])
    return tenant


def test_nothing_is_left_of_it(stack, tenant):
    marks = sorted(ids_of(stack, tenant) | set(SAID))
    assert len(marks) > 25
    before = {mark for _, mark in found_in_tables(stack, marks)}
    assert before == set(marks)
    assert {table for table, _ in found_in_tables(stack, [tenant])} >= {
        f"analytics.{table}" for table in ("dashboards", "widgets", "saved_queries", "dq_checks", "dq_results", "query_log", "idempotency_keys")}
    assert found_in_redis(stack, [tenant[4:]])

    stack.send_events([event("tenant.deleted", "2026-05-01T01:00", {}, tenant)])
    run([os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), "purge", "--tenant", tenant])

    # its id is where the rules say that it was deleted; nothing else of it is anywhere
    named = {table for table, _ in found_in_tables(stack, [tenant[4:]])}
    assert named <= KEPT | {"events_raw.event"}, named
    assert found_in_tables(stack, marks) == set()
    wait_until(lambda: found_in_redis(stack, [tenant[4:], *marks]) == set(), 60)
    # logs name it, as they name every tenant: by its id, and by nothing that it said
    assert {file.split(os.sep)[0] for file, _ in found_in_files(stack, [tenant[4:]])} <= {"log"}
    assert found_in_files(stack, marks) == set()
