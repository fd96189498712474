"""etld as a process: one-shots, what one event costs, and who is served when somebody floods it."""

import os
import re

from etlstack import drain, tenants_of_shards
from events import PROPERTY, confirmed, event, ident, item, money, reservation
from harness import BIN, CHECKOUT, on_a_terminal, run
from hotels import hotel_group

RESERVATIONS = 100_000


def rows_read(etl):
    """Rows and index entries that have been read so far by connections that are closed."""
    return sum(int(etl.value(
        f"select sum({column}) from {view} where schemaname in ('analytics_curated', 'analytics_run', 'events_raw')"))
        for column, view in (("seq_tup_read", "pg_stat_user_tables"), ("idx_tup_fetch", "pg_stat_user_tables"),
                             ("idx_tup_read", "pg_stat_user_indexes")))


def make_large(etl, tenant, rsv):
    """The tenant gets as many reservations like this one."""
    for table in ("event_reservation", "fact_reservation_v1", "fact_room_night_v1", "fact_room_night_history_v1"):
        columns = [row[0] for row in etl.query(
            "select column_name from information_schema.columns where table_schema = 'analytics_curated'"
            " and table_name = $1 and column_name <> 'reservation_id' order by ordinal_position", table)]
        etl.query(f"insert into analytics_curated.{table} (reservation_id, {', '.join(columns)})"
                  f" select 'rsv_' || lpad(n::text, 26, '0'), {', '.join(columns)}"
                  f" from analytics_curated.{table}, generate_series(1, {RESERVATIONS}) n"
                  f" where tenant_id = '{tenant}' and reservation_id = '{rsv}'")


def test_the_registry_of_projections_is_what_etld_builds(etl):
    """Each table has a row there, with the queue that feeds it, its class and what it is made of."""
    with open(os.path.join(CHECKOUT, "etld", "stream", "consumers.c"), encoding="utf-8") as source:
        built = {(consumer, table) for consumer, tables in
                 re.findall(r'\.name = "(\w+)",.*?\.tables = \{(.*?)\}', source.read(), re.S) for table in re.findall(r'"(\w+)"', tables)}
    rows = etl.query("select consumer, table_name, key, freshness_class, freshness_slo_seconds, array_to_string(depends_on, ' '),"
                     " array_to_string(subjects, ' ') from analytics.projections where status = 'active'")
    versions = etl.query("select consumer, table_name from analytics_run.version")
    assert {tuple(row[:2]) for row in rows} == built == set(map(tuple, versions))
    hot = dict(etl.query("select consumer, hot from analytics_run.consumer"))
    for consumer, table, key, kind, seconds, depends_on, subjects in rows:
        assert (key, kind, seconds) == (table, *(("hot", "300") if hot[consumer] == "t" else ("cold", "900")))
        assert set(depends_on.split()) < {row[2] for row in rows} and key not in depends_on.split()
        assert all(re.fullmatch(r"melmastoon(\.[a-z_]+)+(\.\*)?", subject) for subject in subjects.split()) and subjects


def test_one_event_in_a_large_tenant_reads_few_rows(etl):
    """All that an etld reads from its start to its end, its looks at the queue included."""
    tenant, rsv = ident("tnt", "large"), ident("rsv", "large")
    etl.send([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")])], tenant)
    drain(etl)
    make_large(etl, tenant, rsv)
    one = "rsv_" + "55555".zfill(26)
    kinds = (
        lambda at, n: reservation("modified", at, one, channel=f"c{n}"),
        lambda at, n: reservation("confirmed", at, ident("rsv", "new", n), propertyId=PROPERTY),
        lambda at, n: event("payment.transaction.captured", at, {
            "transactionId": ident("cap", "large", n), "paymentId": ident("pay", "large", n), "reservationId": one,
            "propertyId": PROPERTY, "amount": money(5), "method": "card"}),
        lambda at, n: event("property.updated", at, {"propertyId": PROPERTY, "city": f"Kabul {n}"}))
    for make in kinds:
        read = []
        for n in range(3):  # other sessions report late what they read: the least is etld's alone
            made = make(f"2024-01-02T10:0{n}", n)
            etl.send([made], tenant)
            before = rows_read(etl)
            etl.oneshot("run")
            read.append(rows_read(etl) - before)
            assert etl.pending() == 0
        print(f"{made['subject']}: {read} rows")
        assert 0 < min(read) < 1000
    assert etl.value("select channel from analytics_curated.fact_reservation where tenant_id = $1"
                     " and reservation_id = $2", tenant, one) == "c2"


# ---- one-shots

def due_shards(etl):
    return {int(shard) for shard, in etl.query("select distinct shard from analytics_run.delta")}


def task(etl, index, count, attempt=0, **options):
    env = {**os.environ, "CLOUD_RUN_TASK_INDEX": str(index), "CLOUD_RUN_TASK_COUNT": str(count),
           "CLOUD_RUN_TASK_ATTEMPT": str(attempt)}
    return etl.oneshot("run", env=env, **options)


def test_tasks_share_the_shards(etl):
    for tenant in tenants_of_shards(etl, range(16), "tasks"):
        etl.send_events(hotel_group(tenant))
    assert due_shards(etl) == set(range(16))
    assert "no task 4 of 4" in task(etl, 4, 4, check=64).stderr
    done = task(etl, 1, 4, attempt=2)
    assert '"task":1,"tasks":4,"attempt":2' in done.stderr and '"outcome":"done"' in done.stderr
    assert due_shards(etl) == {n for n in range(16) if n % 4 != 1}
    for index in (0, 2, 3):
        task(etl, index, 4)
    assert etl.pending() == 0 and etl.status()["pendingDeltas"] == 0


def test_what_cannot_be_shared_is_done_by_the_first_task(etl):
    """The others end well and at once; a task that there is not is a mistake for all."""
    def asked():
        return etl.value("select count(*) from analytics.etl_jobs where kind = 'backfill'"), etl.value("select max(evaluated_at) from analytics.dq_results")

    def one_shot(index, name, *words, check=0):
        return run([os.path.join(BIN, name), "-c", etl.path("etc", f"{name}.conf"), "-o", "bus_listen=" if name == "etld" else "bus_connect=", *words],
                   check, env={**os.environ, "CLOUD_RUN_TASK_INDEX": str(index), "CLOUD_RUN_TASK_COUNT": "2"})

    etl.send_events(hotel_group(ident("tnt", "first task")))
    etl.oneshot("run")
    for words in (["etld", "backfill", "--projection", "fact_payment", "--from", "2026-03-01", "--to", "2026-03-02"], ["dqd", "run"]):
        before = asked()
        assert "left to the first task" in one_shot(1, *words).stderr and asked() == before
        assert "no task 2 of 2" in one_shot(2, *words, check=64).stderr
        assert "left to" not in one_shot(0, *words).stderr and asked() != before


def test_a_run_for_one_tenant_and_projection(etl):
    mine, neighbour = ident("tnt", "mine"), tenants_of_shards(etl, [etl.shard(ident("tnt", "mine"))], "neighbour")[0]
    for tenant in (mine, neighbour):
        etl.send_events(hotel_group(tenant))
        etl.touch_all("payment", tenant)
    etl.oneshot("run", "--projection", "fact_payment", "--projection", "dim_tenant", "--tenant", mine)

    def left(tenant):
        return [row[0] for row in etl.query("select distinct consumer from analytics_run.delta where tenant_id = $1"
                                            " union select consumer from analytics_run.touched where tenant_id = $1"
                                            " order by 1", tenant)]

    assert left(mine) == ["property", "reservation"]
    assert left(neighbour) == ["payment", "property", "reservation", "tenant"]
    for wrong in (["--projection", "fact_x"], ["--projection"], ["--tenant", "me"], ["--all", "x"], ["x"]):
        etl.oneshot("run", *wrong, check=64)
    etl.oneshot("run")
    assert etl.pending() == 0
    assert int(etl.value("select count(*) from analytics_curated.fact_room_night where tenant_id = $1", neighbour)) > 0


def test_progress_is_for_terminals(etl):
    etl.send_events(hotel_group(ident("tnt", "progress")))
    assert "[#" not in etl.oneshot("run").stderr
    etl.send_events(hotel_group(ident("tnt", "more progress")))
    seen = on_a_terminal([os.path.join(BIN, "etld"), "-c", etl.path("etc", "etld.conf"), "run"])
    assert "[####" in seen and " events " in seen


# ---- fair shares

def test_a_flood_delays_nobody_else(etl):
    """One tenant's backlog is 50 times what a unit takes, each of its deltas more than that; then the
    events of two others come, one in its shard and one not. One worker: nobody waits for more than one
    of these deltas, a twentieth of the flood."""
    flood = ident("tnt", "flood")
    beside, elsewhere = tenants_of_shards(etl, [etl.shard(flood), etl.shard(flood) ^ 1], "small")
    for part in range(20):
        etl.send([confirmed(f"2024-01-01T10:{n % 60:02}", ident("rsv", "flood", part, n), [item("2024-02-01", "2024-02-02")])
                  for n in range(150)], flood)
    for tenant in (beside, elsewhere):
        etl.send([confirmed("2024-01-01T10:00", ident("rsv", tenant), [item("2024-02-01", "2024-02-02")])], tenant)
    etl.oneshot("run", settings={"workers": 1, "unit_events": 60})
    for tenant in (beside, elsewhere):
        earlier = int(etl.value("select count(*) from analytics_curated.fact_reservation_v1 where tenant_id = $1 and _updated_at"
                                " < (select _updated_at from analytics_curated.fact_reservation_v1 where tenant_id = $2)",
                                flood, tenant))
        assert earlier <= 3000 / 20
    assert int(etl.value("select count(*) from analytics_curated.fact_reservation where tenant_id = $1", flood)) == 3000


# ---- keys that fail

def test_a_key_that_fails_is_told_once(etl):
    """The others of its unit of work are applied."""
    tenant, rich, good = ident("tnt", "failing"), ident("rsv", "rich"), ident("rsv", "good")
    etl.send([confirmed("2024-01-01T10:00", rich, [item("2024-02-01", "2025-02-01", 9.9e11)]),
              confirmed("2024-01-01T10:00", good, [item("2024-02-01", "2024-02-02")]),
              reservation("cancelled", "2024-01-01T10:00", None)], tenant)
    etl.oneshot("run")
    assert etl.query("select reservation_id from analytics_curated.fact_reservation where tenant_id = $1", tenant) == [[good]]
    failures = [said for kind, said in etl.published(tenant) if kind == "failed"]
    assert [said["projectionKey"] for said in failures] == ["fact_reservation", "fact_room_night", "fact_room_night_history"]
    assert failures[0]["reason"] == "KEYS_SET_ASIDE" and failures[0]["detail"].startswith("2 of reservation, the first event:")
    etl.send([reservation("modified", "2024-01-02T10:00", rich, channel="ota")], tenant)  # it fails again
    etl.oneshot("run")
    assert len([said for kind, said in etl.published(tenant) if kind == "failed"]) == 3
    assert etl.value("select attempts from analytics_run.failed_keys where tenant_id = $1 and key = $2", tenant, rich) == "2"
    etl.send([reservation("modified", "2024-01-03T10:00", rich, items=[item("2024-02-01", "2024-02-02")])], tenant)
    etl.oneshot("run")
    assert etl.query("select key from analytics_run.failed_keys where tenant_id = $1 and key not like 'event:%'", tenant) == []
    assert etl.status()["failedKeys"] == 1
    etl.query("delete from analytics_run.failed_keys where tenant_id = $1", tenant)


def test_what_keeps_failing_is_told_once(etl):
    """Not a key that can be set aside: the whole unit. Told again only when it has gone well in between."""
    tenant = ident("tnt", "keeps failing")

    def pays(n):
        return event("payment.transaction.captured", "2024-01-01T10:00", {"transactionId": ident("cap", tenant, n), "amount": money(9)}, tenant)

    def failures():
        return [said for kind, said in etl.published(tenant) if kind == "failed"]

    table = "analytics_curated.fact_payment_v" + etl.value("select live from analytics_run.version where table_name = 'fact_payment'")
    refuse = f"create trigger refuse before insert on {table} for each row execute function public.refuse_payment()"
    etl.query("create function public.refuse_payment() returns trigger language plpgsql as $$ begin raise exception 'out of order'; end $$")
    try:
        etl.query(refuse)
        etl.send_events([pays(1)])
        for _ in range(2):
            etl.oneshot("run", check=75)
            said, = failures()
            assert {k: said[k] for k in ("projectionKey", "reason", "retriable", "attempt", "jobId", "runId")} == {
                "projectionKey": "fact_payment", "reason": "UNIT_FAILS", "retriable": True, "attempt": 5, "jobId": None, "runId": None}
            assert "out of order" in said["detail"] and f"fact_payment_v{said['version']}" in table
        etl.query(f"drop trigger refuse on {table}")
        etl.oneshot("run")
        assert len(failures()) == 1
        etl.query(refuse)
        etl.send_events([pays(2)])
        etl.oneshot("run", check=75)
        assert len(failures()) == 2
    finally:
        etl.query("drop function public.refuse_payment() cascade")
        etl.oneshot("run")
