"""Jobs: what is asked for is done and told once, and goes on elsewhere when its worker dies."""

import contextlib
import os
import signal

import pytest

from etlstack import counter, drain
from events import ident
from harness import wait_until
from hotels import hotel_group

HORIZON = "select value from analytics_run.setting where key = 'inventory_horizon_year'"
CONSUMER_ID = {"property": 7102, "payment": 7104}  # of the lock of a unit of work


@pytest.fixture(name="tenant")
def a_tenant_with_data(etl, request):
    tenant = ident("tnt", "jobs", request.node.name)
    etl.send_events(hotel_group(tenant))
    drain(etl)
    return tenant


def ask(etl, projection, tenant):
    job = ident("job", projection, tenant)
    etl.query("insert into analytics.etl_jobs (job_id, kind, projection, tenant_id) values ($1, 'refresh', $2, $3)",
              job, projection, tenant)
    return job


def state(etl, job):
    return etl.value("select state from analytics.etl_jobs where job_id = $1", job)


def attempt(etl, job):
    return int(etl.value("select attempt from analytics.etl_jobs where job_id = $1", job))


def opened(etl, job):
    """The attempt that has queued its keys, None before."""
    return etl.value("select max(attempt) from analytics_run.job where job_id = $1", job)


def runs(etl, job):
    return etl.query("select state, split_part(error, ':', 1) from analytics.etl_runs where job_id = $1 order by attempt", job)


@contextlib.contextmanager
def nobody_works(etl, consumer, tenant):
    """Takes the lock of the shard: its units find it taken."""
    lock = f"{CONSUMER_ID[consumer]}, {etl.shard(tenant)}"
    etl.query(f"select pg_advisory_lock({lock})")
    yield
    etl.query(f"select pg_advisory_unlock({lock})")


def told(etl, job):
    """The published changes of the job, once all are: (kind, reason, number of the run)."""
    wait_until(lambda: etl.value("select count(*) from analytics.etl_events where job_id = $1", job) == "0")
    return [(kind, said["reason"], said["runId"].removeprefix(job + "."))
            for kind, said in etl.published("etl_" + job)]


def test_a_refresh_is_done_and_told(etl, tenant):
    before = len(etl.refreshed(tenant))
    etl.query("delete from analytics_curated.fact_payment_v1 where tenant_id = $1", tenant)
    job = ask(etl, "fact_payment", tenant)
    with etl.etld():
        wait_until(lambda: state(etl, job) == "succeeded")
        assert told(etl, job) == [("started", None, "1"), ("completed", None, "1")]
    assert etl.value("select count(*) from analytics_curated.fact_payment where tenant_id = $1", tenant) == "2"
    assert etl.query("select progress, worker, lease_until from analytics.etl_jobs where job_id = $1", job) == [["1", None, None]]
    assert etl.query("select state, rows_in, rows_out from analytics.etl_runs where job_id = $1", job) == [["succeeded", "2", "2"]]
    (_, started), (_, completed) = etl.published("etl_" + job)
    assert {k: completed[k] for k in ("jobId", "projectionKey", "trigger", "rowsIn", "rowsOut")} == {
        "jobId": job, "projectionKey": "fact_payment", "trigger": "api", "rowsIn": 2, "rowsOut": 2}
    assert started.keys() == completed.keys() and completed["durationMs"] > 0
    assert [(said["projectionKey"], said["jobId"], said["runId"], said["rowsUpserted"]) for said in etl.refreshed(tenant)[before:]] == [
        ("fact_payment", job, job + ".1", 2)]
    assert etl.value("select count(*) from analytics_run.job") == "0"


def test_a_source_that_is_not_ready_is_waited_for(etl):
    """A payment is built, its property has landed and is not."""
    tenant = ident("tnt", "jobs", "not ready")
    events = hotel_group(tenant)
    etl.send_events([e for e in events if ".payment." in e["subject"]])
    drain(etl)
    with nobody_works(etl, "property", tenant):
        etl.send_events([e for e in events if ".property." in e["subject"]])
        job = ask(etl, "fact_payment", tenant)
        with etl.etld():
            wait_until(lambda: runs(etl, job) == [["failed", "SOURCE_NOT_READY"]])
            assert state(etl, job) == "queued"
            assert etl.value("select run_after > now() + interval '500 ms' from analytics.etl_jobs where job_id = $1", job) == "t"
    drain(etl)
    etl.query("update analytics.etl_jobs set run_after = now() where job_id = $1", job)
    with etl.etld():
        wait_until(lambda: state(etl, job) == "succeeded")
        assert told(etl, job) == [("started", None, "1"), ("failed", "SOURCE_NOT_READY", "1"),
                                  ("started", None, "2"), ("completed", None, "2")]


def test_a_dead_job_is_seen(etl):
    """Nothing that it is built from has ever landed: three attempts, and everybody is told."""
    tenant = ident("tnt", "jobs", "nothing")
    job = ask(etl, "fact_payment", tenant)
    with etl.etld():
        for n in range(1, 4):
            wait_until(lambda n=n: len(runs(etl, job)) == n and state(etl, job) != "running")
            etl.query("update analytics.etl_jobs set run_after = now() where job_id = $1", job)
        assert state(etl, job) == "failed" and runs(etl, job) == [["failed", "SOURCE_NOT_READY"]] * 3
        assert told(etl, job) == [(kind, "SOURCE_NOT_READY" if kind == "failed" else None, str(n))
                                  for n in (1, 2, 3) for kind in ("started", "failed")]
    assert [said["retriable"] for kind, said in etl.published("etl_" + job) if kind == "failed"] == [True, True, False]
    dead = next(dead for dead in etl.status()["failedJobs"] if dead["jobId"] == job)
    assert dead["tenantId"] == tenant and dead["attempt"] == 3 and "has landed" in dead["error"]
    assert job in etl.oneshot("status").stdout
    with etl.etld() as one:
        wait_until(lambda: counter(one, "etl_jobs", state="failed") >= 1)


def test_a_job_has_an_hour(etl, tenant):
    """Here a second. What it has queued is withdrawn with it."""
    with nobody_works(etl, "payment", tenant):
        job = ask(etl, "fact_payment", tenant)
        with etl.etld(job_timeout="1s"):
            wait_until(lambda: state(etl, job) == "failed")
            assert runs(etl, job) == [["failed", "TIMEOUT"]] and etl.pending() == 0
            assert told(etl, job) == [("started", None, "1"), ("failed", "TIMEOUT", "1")]


@pytest.mark.parametrize("end", (signal.SIGKILL, signal.SIGSTOP), ids=("killed", "stopped"))
def test_a_silent_worker_loses_its_job(etl, tenant, end):
    """Another goes on with it; the first, should it wake, ends nothing."""
    with contextlib.ExitStack() as etlds:
        with nobody_works(etl, "payment", tenant):
            first = etlds.enter_context(etl.etld(job_lease="3s"))
            job = ask(etl, "fact_payment", tenant)
            wait_until(lambda: opened(etl, job) == "1")
            os.kill(first.process.pid, end)
            second = etlds.enter_context(etl.etld(job_lease="3s"))
            wait_until(lambda: opened(etl, job) == "2")
            assert etl.value("select worker from analytics.etl_jobs where job_id = $1", job).endswith(f".{second.process.pid}")
        wait_until(lambda: state(etl, job) == "succeeded")
        assert runs(etl, job) == [["lost", "WORKER_LOST"], ["succeeded", None]]
        if end == signal.SIGSTOP:
            os.kill(first.process.pid, signal.SIGCONT)
            wait_until(lambda: any(line["message"] == "lost the lease of a job" for line in first.lines()))
            assert (state(etl, job), attempt(etl, job)) == ("succeeded", 2)
        assert told(etl, job) == [("started", None, "1"), ("failed", "WORKER_LOST", "1"),
                                  ("started", None, "2"), ("completed", None, "2")]


def test_an_etld_that_is_stopped_gives_its_job_back(etl, tenant):
    with nobody_works(etl, "payment", tenant):
        job = ask(etl, "fact_payment", tenant)
        with etl.etld():
            wait_until(lambda: opened(etl, job) == "1")
        assert state(etl, job) == "queued" and runs(etl, job) == [["lost", "WORKER_STOPPED"]]
        assert etl.value("select max_attempts from analytics.etl_jobs where job_id = $1", job) == "4"
    with etl.etld():
        wait_until(lambda: state(etl, job) == "succeeded")
        # each run once: the first may have come to the end of the data before it was stopped
        ends = [run for kind, _, run in told(etl, job) if kind == "completed"]
        assert ends in (["2"], ["1", "2"])


def test_a_new_year_raises_the_horizon_of_inventory(etl, tenant):
    """Once: by a job that the first etld of the year asks for."""
    year, before = (int(etl.value(sql)) for sql in ("select to_char(now() at time zone 'UTC', 'YYYY')", HORIZON))
    etl.query("delete from analytics.etl_jobs where kind = 'horizon'")
    etl.query("update analytics_run.setting set value = $1 where key = 'inventory_horizon_year'", year - 1)
    try:
        with etl.etld(), etl.etld():
            wait_until(lambda: etl.query("select schedule_key, state from analytics.etl_jobs where kind = 'horizon'") == [
                [f"horizon:{year}", "succeeded"]], 60)
            wait_until(lambda: etl.pending() == 0, 60)
        assert etl.value(HORIZON) == str(year)
        assert etl.value("select max(date) from analytics_curated.fact_inventory_day where tenant_id = $1", tenant) == f"{year + 2}-12-31"
    finally:
        etl.query("update analytics_run.setting set value = $1 where key = 'inventory_horizon_year'", before)


def test_minutes_of_work_are_kept_for_two_weeks(etl):
    etl.query("insert into analytics_run.refresh_minute select 'payment', now() - days * interval '1 day', 3, 1, 1, 1, 0, 1"
              " from unnest('{13,15}'::integer[]) days")
    with etl.etld():
        wait_until(lambda: etl.value("select count(*) from analytics_run.refresh_minute where minute < now() - interval '14 days'") == "0")
    assert int(etl.value("select count(*) from analytics_run.refresh_minute where minute < now() - interval '12 days'")) >= 1
