"""Several etlds at once, each a process of its own: on one key, and in each other's way."""

import contextlib
import os
import subprocess

import pytest
import zmq

import pgcluster
import reference
from etlstack import GATE, counter, drain
from events import PROPERTY, confirmed, event, ident, item, reservation
from harness import BIN, wait_until


def at_the_gate(etl):
    return etl.query(f"select from pg_locks where locktype = 'advisory' and objid = {GATE} and not granted")


def without_the_lock(etl):
    """Each reading of the id that is locked gives another one: every worker gets its lock."""
    etl.query("""
        alter table analytics_run.consumer rename to real_consumer;
        create view analytics_run.consumer as
            select consumer, (random() * 1e9)::integer as consumer_id, hot from analytics_run.real_consumer;
        grant select on analytics_run.consumer to analytics_etld""")


def with_the_lock(etl):
    etl.query("drop view analytics_run.consumer; alter table analytics_run.real_consumer rename to consumer")


@pytest.mark.parametrize("lock", (True, False), ids=("locked", "no lock"))
def test_the_newest_event_wins(etl, lock):
    """One etld refreshes a key: it has read it and not yet written it when a newer event of the key
    lands and a second etld works.

    Without the lock the first then writes what it read over the newer result: so this test would
    notice if the lock were missing.
    """
    tenant, rsv = ident("tnt", "workers", lock), ident("rsv", "workers", lock)

    def fact():
        return etl.query("select status from analytics_curated.fact_reservation where tenant_id = $1", tenant)

    etl.send([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")], channel="gated")], tenant)
    drain(etl)
    assert fact() == [["confirmed"]]
    etl.query("delete from analytics_curated.fact_reservation_v1 where tenant_id = $1", tenant)
    if not lock:
        without_the_lock(etl)
    try:
        etl.query(f"select pg_advisory_lock({GATE})")
        etl.touch_all("reservation", tenant)
        with etl.etld():
            wait_until(lambda: at_the_gate(etl))
            etl.send([reservation("cancelled", "2024-01-03T10:00", rsv)], tenant)
            with etl.etld() as second:
                wait_until(lambda: counter(second, "etl_units_total", consumer="reservation",
                                           outcome="taken" if lock else "done"))
                assert fact() == ([] if lock else [["cancelled"]])
                second.process.kill()  # it would try the portion of the first, and mend what that spoils
            etl.query(f"select pg_advisory_unlock({GATE})")
            wait_until(lambda: etl.pending() == 0)
        assert fact() == [["cancelled" if lock else "confirmed"]]
    finally:
        etl.query("select pg_advisory_unlock_all()")
        if not lock:
            with_the_lock(etl)


def test_a_hint_wakes_it(etl, tmp_path):
    """An etld that looks once a minute applies at once what it is told of."""
    tenant, endpoint = ident("tnt", "workers", "hint"), f"ipc://{tmp_path}/hint"
    with etl.etld(hint_listen=endpoint, poll_interval="60s"), zmq.Context() as context, context.socket(zmq.PUSH) as hints:
        wait_until(lambda: etl.pending() == 0)
        etl.send([confirmed("2024-01-01T10:00", ident("rsv", tenant), [item("2024-02-01", "2024-02-03")])], tenant)
        assert etl.pending() > 0
        hints.connect(endpoint)
        hints.send(b"landed")
        wait_until(lambda: etl.pending() == 0, 20)


def test_cold_work_becomes_hot_before_its_time_is_up(etl):
    """Of the quarter of an hour that it has, half has passed."""
    tenant = ident("tnt", "workers", "cold")
    etl.send([event("lock.access.granted", "2024-03-01T08:00", {"attemptId": ident("att", tenant), "propertyId": PROPERTY})], tenant)
    urgencies = []
    for waited in ("0 s", "440 s", "460 s"):
        etl.query(f"update analytics_run.delta set landed_at = now() - interval '{waited}' where tenant_id = $1", tenant)
        with pgcluster.Conn(etl.env["DATABASE_URL"]) as conn:
            due = conn.statement("warehouse/postgres/etld/list_due.sql", tenant)
        urgencies += [row[3] for row in due if row[0] == "lock"]
    assert urgencies == ["1", "1", "0"]
    drain(etl)


def test_a_new_tenant_keeps_nobody_waiting(etl):
    """A unit that is held up in the middle holds nothing that another consumer of the same new tenant needs."""
    tenant, rsv, task = (ident(prefix, "workers", "new") for prefix in ("tnt", "rsv", "hkt"))
    etl.query(f"select pg_advisory_lock({GATE})")
    try:
        with etl.etld(workers=2):
            etl.send([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")], channel="gated")], tenant)
            wait_until(lambda: at_the_gate(etl))
            etl.send([event("housekeeping.task.created", "2024-03-01T08:00", {"taskId": task, "propertyId": PROPERTY})], tenant)
            wait_until(lambda: etl.query("select from analytics_curated.fact_housekeeping_task where tenant_id = $1", tenant))
            assert at_the_gate(etl)
            etl.query(f"select pg_advisory_unlock({GATE})")
            wait_until(lambda: etl.pending() == 0)
        assert etl.query("select guest_key is not null from analytics_curated.fact_reservation where tenant_id = $1", tenant) == [["t"]]
    finally:
        etl.query("select pg_advisory_unlock_all()")


# ---- many at once

@pytest.fixture(name="hotels", scope="module")
def simulated_hotels(etl):
    """The tenants of a few thousand events, and what one worker makes of them."""
    lines = subprocess.run([os.path.join(BIN, "hotelsim"), "--seed", "77", "--tenants", "6", "--properties", "6", "--reservations",
                            "150", "--from", "2025-12-01", "--to", "2025-12-20", "--reorder", "500", "--domains",
                            "reservation,payment,property,tenant"], stdout=subprocess.PIPE, check=True).stdout.splitlines()
    tenants = {reference.parse(line).tenant for line in lines}
    for start in range(0, len(lines), 100):
        etl.send_events(b"\n".join(lines[start:start + 100]) + b"\n")
    etl.oneshot("run", settings={"workers": 1})
    return tenants, etl.digests(tenants)


@pytest.mark.parametrize("workers", (2, 4, 8))
def test_any_number_of_workers_makes_the_same(etl, hotels, workers):
    """Of two processes; and beside a session that has read everything, has a transaction id, so that
    nobody's horizon passes it, and never ends its transaction."""
    tenants, expected = hotels
    etl.forget(tenants)
    with pgcluster.Conn(etl.env["DATABASE_URL"]) as idle, contextlib.ExitStack() as running:
        idle.query("begin isolation level repeatable read")
        idle.query("select pg_current_xact_id()")
        for table in ("analytics_run.delta", "analytics_run.touched", "analytics_run.table_state", "analytics_curated.fact_reservation",
                      "events_raw.event"):
            idle.query(f"select count(*) from {table}")
        etlds = [running.enter_context(etl.etld(workers=workers // 2, unit_events=50)) for _ in range(2)]
        wait_until(lambda: etl.pending() == 0, 60)
        assert sum(counter(one, "etl_units_total", outcome="done") for one in etlds) > 20
        for one in etlds:
            assert counter(one, "etl_units_total", outcome="retry") + counter(one, "etl_units_total", outcome="lost") == 0
            assert not [line for line in one.lines() if line["severity"] == "ERROR"]
    assert etl.digests(tenants) == expected
