"""Versions: built beside the live tables, compared, switched and rolled back, while everything goes on."""

import contextlib
import json
import os
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import pgcluster
from etlstack import drain, started
from events import confirmed, event, ident, item, money, reservation
from harness import BIN, on_a_terminal, wait_until
from hotels import hotel_group

PROJECTIONS = ("fact_reservation", "fact_payment", "dim_room", "dim_tenant", "fact_housekeeping_task", "dim_fx",
               "fact_lock_action", "fact_ai_suggestion", "fact_audit_event", "fact_funnel")
PASSWORD = "x" * 40


@pytest.fixture(name="etl", scope="module")
def a_stack_of_its_own(request):
    stack = started()
    # inventory of days, not of years
    stack.query("update analytics_run.setting set value = '2023' where key = 'inventory_horizon_year'")
    yield stack
    stack.close(keep=request.session.testsfailed > 0)


@pytest.fixture(name="tenant")
def a_tenant_with_data(etl, request):
    tenant = ident("tnt", "versions", request.node.name)
    etl.send_events(hotel_group(tenant))
    drain(etl)
    yield tenant
    etl.query("update analytics.etl_jobs set state = 'cancelled', worker = null, lease_until = null "
              "where state in ('queued', 'running')")


def versions(etl, table):
    """(live, beside) as the warehouse has it, and {version: status} of the registry."""
    return (etl.query("select live, beside from analytics_run.version where table_name = $1", table)[0],
            dict(etl.query("select version, status from analytics.projections where key = $1 order by 1", table)))


def ask(etl, projection, **params):
    job = ident("job", "backfill", projection, *params)
    etl.query("insert into analytics.etl_jobs (job_id, kind, projection, params) values ($1, 'backfill', $2, $3)",
              job, projection, json.dumps(params))
    return job


def state(etl, job):
    return etl.value("select state from analytics.etl_jobs where job_id = $1", job)


def drop(etl, projection):
    etl.oneshot("backfill", "--projection", projection, "--drop")


def payments(etl, tenant):
    return etl.query("select right(transaction_id, 4), amount_micro from analytics_curated.fact_payment"
                     " where tenant_id = $1 order by transaction_id", tenant)


@contextlib.contextmanager
def reading(conninfo, sql):
    """Somebody asks this again and again; the answers. Nothing may go wrong."""
    seen, wrong, stop = [], [], threading.Event()

    def read():
        try:
            with pgcluster.Conn(conninfo) as conn:
                while not stop.is_set():
                    seen.append(conn.query(sql)[0][0])
        except pgcluster.PgError as error:
            wrong.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert seen and not wrong, wrong


def login(etl, tenant):
    """Conninfo of the tenant's own role."""
    etl.query("select analytics.provision_tenant($1, $2, true)", tenant, PASSWORD)
    server = etl.value("select 'host=' || split_part(current_setting('unix_socket_directories'), ',', 1)"
                       " || ' port=' || current_setting('port') || ' dbname=' || current_database()")
    return f"{server} user={tenant} password={PASSWORD}"


def test_what_differs_is_shown_and_switched(etl, tenant):
    other = ident("tnt", "versions", "other")
    etl.send_events(hotel_group(other))
    drain(etl)
    right = payments(etl, tenant)
    first, second = (ident("cap", tenant, n) for n in (1, 2))
    etl.query("update analytics_curated.fact_payment_v1 set amount_micro = amount_micro + 7 where transaction_id = $1", first)
    etl.query("delete from analytics_curated.fact_payment_v1 where transaction_id = $1", second)
    etl.query("insert into analytics_curated.fact_payment_v1 (tenant_id, transaction_id, kind, occurred_at, business_date, _batch_id,"
              " _updated_at) values ($1, 'cap_planted', 'captured', now(), '2026-03-03', 0, now())", tenant)
    wrong = payments(etl, tenant)
    before = dict(etl.query("select tenant_id, data_version from analytics_run.table_state where table_name = 'fact_payment'"))
    etl.query("delete from analytics_run.profile_dirty")
    told = {t: len(etl.refreshed(t)) for t in (tenant, other)}

    def told_since():
        """(version, window, rows put, rows cut) of the refreshes since, of both tenants."""
        said = [payload for t in told for payload in etl.refreshed(t)[told[t]:]]
        told.update({t: len(etl.refreshed(t)) for t in told})
        assert {payload["projectionKey"] for payload in said} <= {"fact_payment"}
        return [(p["version"], p["jobId"], p["windows"], p["rowsUpserted"], p["rowsDeleted"], p["freshnessSeconds"]) for p in said]

    held = json.loads(etl.oneshot("backfill", "--projection", "fact_payment", "--hold", "--json").stdout)
    assert (held["projection"], held["state"]) == ("fact_payment", "built")
    table, = held["tables"]
    assert {k: table[k] for k in ("table", "fromVersion", "toVersion", "tenantsDiffering", "removed", "added", "changed")} == {
        "table": "fact_payment", "fromVersion": 1, "toVersion": 2, "tenantsDiffering": 1, "removed": 1, "added": 1, "changed": 1}
    assert table["rowsBefore"] == table["rowsAfter"] and table["tenants"] >= 2
    live, beside = map(int, table["sums"]["amount_micro"])
    assert beside - live == 50_000_000 - 7
    assert versions(etl, "fact_payment") == (["1", "2"], {"1": "active", "2": "building"})
    assert payments(etl, tenant) == wrong

    etl.oneshot("backfill", "--projection", "fact_payment", "--switch")
    assert versions(etl, "fact_payment") == (["2", "1"], {"1": "retired", "2": "active"})
    assert payments(etl, tenant) == right
    after = dict(etl.query("select tenant_id, data_version from analytics_run.table_state where table_name = 'fact_payment'"))
    assert {t for t in after if after[t] != before[t]} == {tenant}
    assert etl.query("select distinct tenant_id, table_name, day from analytics_run.profile_dirty order by 3") == [
        [tenant, "fact_payment", "2026-03-01"], [tenant, "fact_payment", "2026-03-03"]]
    days = [{"from": "2026-03-01", "to": "2026-03-03"}]
    assert told_since() == [(2, None, days, 2, 1, 0)]  # held: its job is over

    etl.send_events([event("payment.transaction.refunded", "2026-03-02T02:00", {"transactionId": second, "amount": money(1, "EUR")}, tenant)])
    drain(etl)
    told_since()
    etl.oneshot("backfill", "--projection", "fact_payment", "--rollback")
    assert versions(etl, "fact_payment")[0] == ["1", "2"]
    assert told_since() == [(1, None, days, 2, 1, 0)]
    assert [row[1] for row in payments(etl, tenant) if row[0] == second[-4:]] == ["1000000"]  # it was kept up to date
    refused = etl.oneshot("backfill", "--projection", "fact_payment", check=69)
    assert "drop it first" in refused.stderr + str(etl.query("select error from analytics.etl_jobs order by created_at desc limit 1"))
    etl.oneshot("backfill", "--projection", "fact_payment", "--rollback")
    etl.oneshot("backfill", "--projection", "fact_payment", "--rollback")
    etl.oneshot("backfill", "--projection", "fact_payment", "--rollback")
    assert told_since() == [(2, None, days, 6, 3, 0)]  # of ten seconds
    drop(etl, "fact_payment")
    assert versions(etl, "fact_payment") == (["2", None], {"1": "retired", "2": "active"})
    assert etl.value("select to_regclass('analytics_curated.fact_payment_v1')") is None
    etl.oneshot("backfill", "--projection", "fact_payment", "--rollback", check=69)


def test_every_consumer_has_versions(etl):
    """Built from the same events the rows are the same, in every table."""
    etl.send_events(subprocess.run([os.path.join(BIN, "hotelsim"), "--seed", "7", "--tenants", "2", "--properties", "1", "--reservations",
                                    "20", "--from", "2025-12-12", "--to", "2025-12-28"], stdout=subprocess.PIPE, check=True).stdout)
    drain(etl)
    jobs = [ask(etl, projection, all="yes") for projection in PROJECTIONS if versions(etl, projection)[0][1] is None]
    with contextlib.ExitStack() as etlds:
        for _ in range(3):
            etlds.enter_context(etl.etld())
        wait_until(lambda: all(state(etl, job) == "succeeded" for job in jobs), 60)
    found = etl.query("select table_name, sum(live_rows), sum(beside_rows), sum(gone + came) from analytics_run.build_difference group by 1")
    tables = {row[0] for row in etl.query("select table_name from analytics_run.version")}
    assert {row[0] for row in found if int(row[1]) > 0} >= tables - {"fact_payment"}
    assert all(row[1] == row[2] and row[3] == "0" for row in found if row[0] != "fact_payment"), found
    assert all(versions(etl, table)[0][1] is not None for table in tables)


def ends(etl, job):
    """What was told of a job, once all is: (kind, number of the run)."""
    wait_until(lambda: etl.value("select count(*) from analytics.etl_events where job_id = $1", job) == "0")
    return [(kind, said["runId"].removeprefix(job + ".")) for kind, said in etl.published("etl_" + job)]


def test_a_build_ends_with_its_switch(etl, tenant):
    """Each run is told to end once. The first fails when all is built; the second has nothing left to build."""
    with contextlib.suppress(AssertionError):
        drop(etl, "fact_payment")
    etl.query("create function public.refuse_switch() returns trigger language plpgsql as $$ begin raise exception 'not today'; end $$;"
              " create trigger refuse before update on analytics_run.build for each row when (new.state = 'kept')"
              " execute function public.refuse_switch()")
    job = ask(etl, "fact_payment", ends="yes")
    with etl.etld():
        wait_until(lambda: etl.query("select state from analytics.etl_runs where job_id = $1", job)[:1] == [["failed"]])
        assert "not today" in etl.value("select error from analytics.etl_runs where job_id = $1 and attempt = 1", job)
        assert ends(etl, job) == [("started", "1"), ("failed", "1")]
        etl.query("drop function public.refuse_switch() cascade")
        etl.query("update analytics.etl_jobs set run_after = now() where job_id = $1", job)
        wait_until(lambda: state(etl, job) == "succeeded")
        assert ends(etl, job) == [("started", "1"), ("failed", "1"), ("started", "2"), ("completed", "2")]
    *_, (_, completed) = etl.published("etl_" + job)
    rows = etl.query("select rows_in, rows_out from analytics.etl_runs where job_id = $1 and attempt = 2", job)
    assert rows == [[str(completed["rowsIn"]), str(completed["rowsOut"])]] and completed["rowsIn"] >= 2
    assert completed["projectionKey"] == "fact_payment" and completed["durationMs"] > 0
    assert etl.value("select o.created_at >= b.switched_at from analytics_run.build b join analytics_run.outbox o"
                     " on o.ordering_key = 'etl_' || b.job_id and o.subject like '%.completed.v1' where b.job_id = $1", job) == "t"
    drop(etl, "fact_payment")
    held = ask(etl, "fact_payment", hold=True)
    window = ask(etl, "fact_payment", to="2026-12-31")
    with etl.etld():
        wait_until(lambda: {state(etl, held), state(etl, window)} == {"succeeded"})
        for job in (held, window):
            assert ends(etl, job) == [("started", "1"), ("completed", "1")]
    assert versions(etl, "fact_payment")[0][1] is not None


def test_killed_amid_a_build_while_events_land(etl):
    """Another etld goes on; what landed meanwhile is in the version that becomes live; no reader notices."""
    tenant = ident("tnt", "versions", "killed")
    with contextlib.suppress(AssertionError):
        drop(etl, "fact_reservation")

    def stay(n, rate=100.0):
        return confirmed("2026-03-01T10:00", ident("rsv", tenant, n), [item("2026-04-01", "2026-04-04", rate)])

    etl.send([stay(n) for n in range(120)], tenant)
    etl.send_events([event("tenant.created", "2026-03-01T01:00", {"name": "killed"}, tenant)])
    drain(etl)
    rows = etl.value("select count(*) from analytics_curated.fact_reservation where tenant_id = $1", tenant)
    job = ask(etl, "fact_reservation", killed="yes")
    small = {"unit_events": 5}
    with contextlib.ExitStack() as readers:
        # a tenant without a signed scope sees the tables that have no property
        mine = readers.enter_context(reading(login(etl, tenant), "select count(*) from tenant_views.dim_tenant"))
        all_mine = readers.enter_context(reading(etl.env["DATABASE_URL"], "select count(*) from analytics_curated.fact_reservation"
                                                                          f" where tenant_id = '{tenant}'"))
        # a lease that a stall of the machine does not end before the kill does
        with etl.etld(**small, job_lease="5s") as victim:
            wait_until(lambda: int(etl.value("select coalesce(sum(rows_in), 0) from analytics_run.job where job_id = $1", job)) > 10)
            victim.process.kill()
        assert int(etl.value("select touches_left from analytics_run.job where job_id = $1", job)) > 0
        with etl.etld(**small):
            for n in range(0, 120, 7):
                etl.send([reservation("cancelled", "2026-03-02T10:00", ident("rsv", tenant, n))], tenant)
            etl.send([stay(n) for n in range(120, 140)], tenant)
            wait_until(lambda: state(etl, job) == "succeeded", 60)
            wait_until(lambda: etl.pending() == 0)
            if versions(etl, "dim_tenant")[0][1] is None:
                etl.oneshot("backfill", "--projection", "dim_tenant")
            for _ in range(4):
                etl.oneshot("backfill", "--projection", "dim_tenant", "--rollback")
                etl.oneshot("backfill", "--projection", "fact_reservation", "--rollback")
    assert set(mine) == {"1"} and rows == "120" and all_mine[0] == "120" and all_mine[-1] == "140"
    assert all_mine == sorted(all_mine, key=int)
    assert etl.value("select attempt from analytics.etl_jobs where job_id = $1", job) == "2"
    folded = etl.digests([tenant])
    live, beside = versions(etl, "fact_reservation")[0]
    for table in ("fact_reservation", "fact_room_night"):
        assert folded[f"{table}_v{live}", tenant] == folded[f"{table}_v{beside}", tenant]
    assert folded[f"fact_reservation_v{live}", tenant][0] == "140"
    etl.forget([tenant])
    drain(etl)
    assert etl.digests([tenant]) == folded


def test_a_window_is_rebuilt_where_it_is(etl, tenant):
    with contextlib.suppress(AssertionError):
        drop(etl, "fact_payment")
    late = ident("cap", tenant, "late")
    etl.send_events([event("payment.transaction.captured", "2026-05-05T02:00", {"transactionId": late, "amount": money(9, "EUR")}, tenant)])
    drain(etl)
    right = dict(payments(etl, tenant))
    live = versions(etl, "fact_payment")[0][0]
    etl.query(f"update analytics_curated.fact_payment_v{live} set amount_micro = 0 where tenant_id = $1", tenant)
    etl.oneshot("backfill", "--projection", "fact_payment", "--from", "2026-05-05", "--to", "2026-05-05")
    assert {k for k, v in payments(etl, tenant) if v == right[k]} == {late[-4:]}
    etl.oneshot("backfill", "--projection", "fact_payment", "--to", "2026-05-04")
    assert dict(payments(etl, tenant)) == right and versions(etl, "fact_payment")[0][0] == live


def test_the_command_leaves_the_work_to_an_etld_that_runs(etl, tenant):
    """And does it itself where none is, or where the one that was at it dies."""
    words = ("backfill", "--projection", "fact_payment", "--to", "2026-12-31")
    alone = "no etld is at it"
    with etl.etld():
        assert alone not in etl.oneshot(*words).stderr
    assert alone in etl.oneshot(*words).stderr

    with etl.etld(unit_events=1, backfill_pause="2s", job_lease="1s") as victim:
        with ThreadPoolExecutor() as pool:
            done = pool.submit(etl.oneshot, *words)
            wait_until(lambda: int(etl.value("select count(*) from analytics.etl_jobs where state = 'running'")) == 1)
            victim.process.kill()
            assert alone in done.result().stderr
    assert etl.value("select state from analytics.etl_jobs order by created_at desc limit 1") == "succeeded"


def test_what_is_made_of_it_is_made_again(etl, tenant):
    """A version in which a property is elsewhere: the days of its payments are others."""
    with contextlib.suppress(AssertionError):
        drop(etl, "dim_property")
    days = "select distinct business_date from analytics_curated.fact_payment where tenant_id = $1"
    assert etl.query(days, tenant) == [["2026-03-01"]]
    live = versions(etl, "dim_property")[0][0]
    etl.query(f"update analytics_curated.dim_property_v{live} set timezone = 'Pacific/Honolulu' where tenant_id = $1", tenant)
    etl.touch_all("payment", tenant)
    drain(etl)
    assert etl.query(days, tenant) == [["2026-02-28"]]
    told = len(etl.refreshed(tenant))
    etl.oneshot("backfill", "--projection", "dim_property")
    drain(etl)
    assert etl.query(days, tenant) == [["2026-03-01"]]
    job = etl.value("select job_id from analytics.etl_jobs where kind = 'backfill' order by created_at desc limit 1")
    said = {p["projectionKey"]: (p["jobId"], p["windows"], p["rowsUpserted"]) for p in etl.refreshed(tenant)[told:]}
    assert said["dim_property"] == (job, [], 2)
    assert said["fact_payment"] == (None, [{"from": "2026-02-28", "to": "2026-03-01"}], 2)


@pytest.mark.parametrize("words, says", (
    ((), "--projection"), (("--projection", "nope"), "no projection"), (("--projection", "fact_payment", "--from", "2026-02-30"), "day"),
    (("--projection", "fact_payment", "--from", "2026-02-03", "--to", "2026-02-02"), "after"),
    (("--projection", "fact_payment", "--switch", "--hold"), "alone"), (("--projection", "fact_payment", "--what", "x"), "no option"),
    (("--projection",), "needs a value")))
def test_bad_words(etl, words, says):
    assert says in etl.oneshot("backfill", *words, check=64).stderr


def test_progress_and_an_estimate_are_for_terminals(etl, tenant):
    """The plan says rows, as the statistics have them, and seconds before it begins; the bar goes on from there."""
    for table in ("dim_property", "dim_room_type", "dim_room"):
        etl.query(f"analyze analytics_curated.{table}_v{versions(etl, table)[0][0]}")
    with contextlib.suppress(AssertionError):
        drop(etl, "dim_property")
    words = ["backfill", "--projection", "fact_inventory_day", "--hold"]
    seen = on_a_terminal([os.path.join(BIN, "etld"), "-c", etl.path("etc", "etld.conf"), "-o", "hint_listen=", "-o", "bus_listen=",
                          "-o", "unit_events=1", "-o", "backfill_pause=30ms", *words])
    assert "backfill planned" in seen and re.search(r"rows=?[\": ]+[1-9]", seen) and re.search(r"seconds=?[\": ]+[0-9]", seen), seen
    assert re.search(r"\[#*\.*\] +[0-9]+ %  [0-9]+ keys  [0-9]+ rows  [0-9]+ of [0-9]+ tenants", seen), seen
    drop(etl, "fact_inventory_day")
    assert " tenants" not in etl.oneshot(*words).stderr
    drop(etl, "fact_inventory_day")
