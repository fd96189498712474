"""Typed events made again from raw, while everything goes on: what raw can tell is told again, the rest stays as it is."""

import contextlib
import os
import re
import subprocess

import pytest

import pgcluster
from etlstack import drain, started
from events import confirmed, event, ident, item, money, reservation
from harness import BIN, wait_until
from test_versions import ask, drop, login, reading, state, versions

# {projection: {typed table: (a column that is damaged, what makes another key of a row)}}
TYPED = {
    "fact_reservation": {"event_reservation": ("channel = 'damaged'", {"reservation_id": "rsv_invented"})},
    "fact_payment": {"event_payment": ("amount_micro = 1", {"transaction_id": "cap_invented"})},
    "dim_room": {"event_property": ("name = 'damaged', number = 'damaged', rooms = 1", {"entity_id": "rmu_invented"})},
    "dim_tenant": {"event_tenant": ("name = 'damaged'", {})},
    "fact_housekeeping_task": {"event_housekeeping": ("kind = 'damaged'", {"task_id": "hkt_invented"})},
    "dim_fx": {"event_fx": ("rate = rate * 2", {"quote_currency": "CHF"})},
    "fact_lock_action": {"event_lock": ("vendor = 'damaged', reason = 'damaged'", {"lock_key": "key_invented"})},
    "fact_ai_suggestion": {"event_ai": ("capability = 'damaged'", {"suggestion_id": "sug_invented"}),
                           "event_forecast": ("model = 'damaged'", {"forecast_run_id": "fcr_invented"})},
    "fact_audit_event": {"event_audit": ("entity_type = 'damaged'", {})},
    "fact_funnel": {"event_funnel": ("meta_source = 'damaged'", {"handoff_id": "hnd_invented"})},
}
SMALL = {"unit_events": 20}


@pytest.fixture(name="etl", scope="module")
def a_stack_of_its_own(request):
    stack = started()
    stack.query("update analytics_run.setting set value = '2023' where key = 'inventory_horizon_year'")
    yield stack
    stack.close(keep=request.session.testsfailed > 0)


@pytest.fixture(name="hotels", scope="module")
def every_table_has_rows(etl):
    etl.send_events(subprocess.run([os.path.join(BIN, "hotelsim"), "--seed", "7", "--tenants", "2", "--properties", "1", "--reservations",
                                    "20", "--from", "2025-12-12", "--to", "2025-12-28"], stdout=subprocess.PIPE, check=True).stdout)
    paid = [event("payment.transaction.captured", f"2025-12-20T0{n}:00", {"transactionId": ident("cap", n), "amount": money(n, "EUR")})
            for n in range(10)]
    etl.send_events(paid)
    drain(etl)


def everybody(etl):
    return [row[0] for row in etl.query("select distinct tenant_id from events_raw.event")]


def seen(etl, tenants):
    """The digests of the typed tables and of what is live, by the names that readers know."""
    live = {f"{table}_v{version}": table for table, version in etl.query("select table_name, live from analytics_run.version")}
    return {(live.get(table, table), tenant): digest for (table, tenant), digest in etl.digests(tenants).items()
            if table in live or not re.search(r"_v\d+$", table)}


def keys_of(etl, table):
    return etl.value("select string_agg(quote_ident(attname), ', ') from pg_attribute where attrelid ="
                     f" 'analytics_curated.{table}'::regclass and attnum > 0 and not attisdropped")


def spoil(etl, table, column, other):
    """A row in five is damaged, another is gone, and a few were never said."""
    name, columns = f"analytics_curated.{table}", keys_of(etl, table)
    numbered = f"(select ctid as at, row_number() over (order by tenant_id, event_id, md5(e::text)) % 5 as n from {name} e) r"
    keyed = ", ".join(f"'{key}', '{value}'" for key, value in other.items()) or "'batch_id', batch_id"
    # of an event that raw has, and of one that it never had
    for changed in (keyed, f"{keyed}, 'event_id', '01JEZ0000000000000000' || lpad((row_number() over ())::text, 5, '0')"):
        etl.query(f"insert into {name} ({columns}) select {columns} from jsonb_populate_recordset(null::{name}, ("
                  f"select jsonb_agg(to_jsonb(e) || jsonb_build_object({changed.replace('(row_number() over ())', 'e.n')})) from ("
                  f"select *, row_number() over (order by event_id) as n from {name}) e where n % 7 = 1)) on conflict do nothing")
    etl.query(f"update {name} e set {column} from {numbered} where e.ctid = r.at and r.n = 0")
    etl.query(f"delete from {name} e using {numbered} where e.ctid = r.at and r.n = 1")


def reread(etl, projection, **options):
    done = etl.oneshot("backfill", "--projection", projection, "--reread", settings=SMALL, **options)
    assert etl.query("select (select count(*) from analytics_run.raw_batch), (select count(*) from analytics_run.raw_walk),"
                     " (select count(*) from analytics_run.job)") == [["0", "0", "0"]]
    return done


@pytest.mark.parametrize("projection", TYPED)
def test_every_consumer_says_again_what_raw_says(etl, hotels, projection):  # pylint: disable=unused-argument
    tenants = everybody(etl)
    right = seen(etl, tenants)
    for table, (column, other) in TYPED[projection].items():
        assert int(etl.value(f"select count(*) from analytics_curated.{table}")) >= 2, table
        spoil(etl, table, column, other)
    consumer = etl.value("select consumer from analytics_run.version where table_name = $1", projection)
    etl.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) select $1, t, 'all', '' from"
              " unnest(string_to_array($2, ',')) t", consumer, ",".join(tenants))
    drain(etl)
    wrong = seen(etl, tenants)
    assert {table for table, _ in right if any(wrong.get((table, t)) != right.get((table, t)) for t in tenants)} >= {
        projection, *TYPED[projection]}

    with etl.etld(**SMALL):
        reread(etl, projection)
    drain(etl)
    again = seen(etl, tenants)
    assert {key for key in again.keys() | right.keys() if again.get(key) != right.get(key)} == set()
    assert etl.value("select count(*) from analytics_run.failed_keys where consumer = $1", consumer) == "0"
    drop(etl, projection)


def test_killed_amid_it_while_events_land(etl):
    """Another etld goes on, nothing that landed meanwhile is lost, and no reader ever sees fewer rows."""
    tenant = ident("tnt", "reread", "killed")

    def stay(n, rate=100.0):
        return confirmed("2026-03-01T10:00", ident("rsv", tenant, n), [item("2026-04-01", "2026-04-04", rate)])

    etl.send_events([event("tenant.created", "2026-03-01T01:00", {"name": "killed"}, tenant)])
    for n in range(120):
        etl.send([stay(n)], tenant)
    drain(etl)
    right = seen(etl, [tenant])
    etl.query("update analytics_curated.event_reservation set channel = 'damaged' where tenant_id = $1", tenant)
    counts = [f"select count(*) from analytics_curated.{table} where tenant_id = '{tenant}'"
              for table in ("event_reservation", "fact_reservation", "fact_room_night")]
    job = ask(etl, "fact_reservation", reread=True)
    small = {"unit_events": 5}
    with contextlib.ExitStack() as stack:
        etl.query("select analytics.provision_tenant($1, $2, true)", tenant, "x" * 40)
        readers = [stack.enter_context(reading(etl.env["DATABASE_URL"], sql)) for sql in counts]
        own = stack.enter_context(reading(login(etl, tenant), "select count(*) from tenant_views.dim_tenant"))
        left = "select count(*) from analytics_run.raw_batch where tenant_id = $1"
        with etl.etld(**small, job_lease="5s") as victim:
            wait_until(lambda: 0 < int(etl.value(left, tenant)) < 90)
            victim.process.kill()
        assert int(etl.value(left, tenant)) > 0
        with etl.etld(**small):
            for n in range(0, 120, 7):
                etl.send([reservation("cancelled", "2026-03-02T10:00", ident("rsv", tenant, n))], tenant)
            etl.send([stay(n) for n in range(120, 140)], tenant)
            wait_until(lambda: state(etl, job) == "succeeded", 60)
            wait_until(lambda: etl.pending() == 0)
    for rows in readers:
        assert rows == sorted(rows, key=int) or rows[0] == "360", rows  # nights of what was cancelled go
    assert set(own) == {"1"}
    assert [rows[0] for rows in readers] == ["120", "120", "360"] and readers[1][-1] == "140" and min(map(int, readers[2])) >= 360
    assert etl.value("select attempt from analytics.etl_jobs where job_id = $1", job) == "2"
    assert etl.value("select count(*) from analytics_curated.event_reservation where tenant_id = $1 and channel = 'damaged'", tenant) == "0"
    folded = seen(etl, [tenant])
    assert folded["event_reservation", tenant][0] == "158" and folded["fact_reservation", tenant] != right["fact_reservation", tenant]
    etl.forget([tenant])
    drain(etl)
    assert seen(etl, [tenant]) == folded
    live, beside = versions(etl, "fact_reservation")[0]
    for table in ("fact_reservation", "fact_room_night"):
        assert etl.digests([tenant])[f"{table}_v{live}", tenant] == etl.digests([tenant])[f"{table}_v{beside}", tenant]
    drop(etl, "fact_reservation")


def test_killed_while_it_looks_through_raw(etl, hotels):  # pylint: disable=unused-argument
    """Another attempt goes on from the key where it was; a job that is given up leaves nothing behind."""
    consumer, step = "payment", "select analytics_run.find_batches($1, 'payment', 7)"
    right = seen(etl, everybody(etl))
    job = ident("job", "walk")
    etl.query(step, job)
    etl.query(step, job)
    assert etl.query("select walked, found from analytics_run.raw_walk where consumer = $1", consumer) == [["14", "f"]]
    etl.query("insert into analytics.etl_jobs (job_id, kind, projection, params) values ($1, 'backfill', 'fact_payment', $2)", job,
              '{"reread": true}')
    with etl.etld(**SMALL):
        wait_until(lambda: state(etl, job) == "succeeded", 60)
    assert seen(etl, everybody(etl)) == right
    drop(etl, "fact_payment")

    job = ident("job", "given up")
    etl.query(step, job)
    with pytest.raises(Exception, match="is being read again by"):
        etl.query(step, ident("job", "another"))
    etl.query("update analytics_run.raw_walk set stepped_at = stepped_at - interval '1 h'")
    etl.query(step, ident("job", "another"))
    assert etl.query("select job_id, walked from analytics_run.raw_walk") == [[ident("job", "another"), "7"]]
    etl.query("delete from analytics_run.raw_walk")
    etl.query("delete from analytics_run.raw_batch")


def test_what_raw_has_no_more_stays(etl):
    """Typed rows of events that retention has emptied or deleted; in a month that lost none, what raw never had goes."""
    tenant = ident("tnt", "reread", "retired")

    def captured(n, month, word):
        return event("payment.transaction.captured", f"2024-{month:02d}-05T02:00", {
            "transactionId": ident("cap", tenant, n), "amount": money(n, "EUR")}, tenant, n) | {"metadata": {"retentionClass": word}}

    sent = [captured(n, 1 + n % 2, ["operational", "regulated", "operational"][n % 3]) for n in range(12)]
    etl.send_events(sent)
    # an attempt at a door without an id is filed under its event: a body that is gone must not be taken for one
    etl.send_events([event("lock.access.granted", "2024-01-06T02:00", {"attemptId": ident("att", tenant), "propertyId": ident("ppt", tenant)},
                           tenant) | {"metadata": {"retentionClass": "operational"}}])
    drain(etl)

    def retire(**settings):
        etl.query("update analytics_run.raw_month set ended_at = null, oldest = '{-infinity,-infinity,-infinity,-infinity,-infinity}'")
        with etl.etld(retain_operational="30d", **settings):
            wait_until(lambda: etl.value("select count(*) from analytics_run.raw_month where ended_at is not null"
                                         " and month in ('event_202401', 'event_202402')") == "2", 60)

    etl.query("update events_raw.event set received_at = received_at - interval '40 days' where tenant_id = $1", tenant)
    retire()
    assert etl.query("select count(*) from events_raw.event where tenant_id = $1 and body = ''", tenant) == [["9"]]
    # January loses the keys as well
    etl.query("update events_raw.event set received_at = now() - interval '1 day' where tenant_id = $1 and body = '' and"
              " occurred_at >= '2024-02-01'", tenant)
    retire(retain_keys="30d")
    assert etl.query("select count(*) from events_raw.event where tenant_id = $1", tenant) == [["8"]]
    assert etl.query("select month from analytics_run.raw_month where keys_gone") == [["event_202401"]]

    right = seen(etl, [tenant])
    # what was damaged of these is all that there is; what raw has is told again
    etl.query("update analytics_curated.event_payment set amount_micro = 7 where tenant_id = $1", tenant)
    planted = ("insert into analytics_curated.event_payment (tenant_id, transaction_id, occurred_at, event_id, batch_id, verb)"
               " select tenant_id, 'cap_planted', occurred_at, analytics_run.ulid_floor($2::timestamptz) || '0000000000000000', batch_id, verb"
               " from analytics_curated.event_payment where tenant_id = $1 limit 1")
    etl.query(planted, tenant, "2024-01-20")
    etl.query(planted, tenant, "2024-02-20")
    reread(etl, "fact_payment")
    reread(etl, "fact_lock_action")
    assert etl.query("select e.event_id, e.amount_micro = 7, r.body from analytics_curated.event_payment e left join"
                     " (select dedupe_key, body = '' as body from events_raw.event) r on r.dedupe_key = e.event_id where e.tenant_id = $1"
                     " and (e.amount_micro = 7) is distinct from coalesce(r.body, true)", tenant) == [
        [etl.value("select analytics_run.ulid_floor('2024-01-20') || '0000000000000000'"), None, None]]
    assert etl.value("select count(*) from analytics_curated.event_payment where tenant_id = $1", tenant) == "13"
    assert seen(etl, [tenant])["event_lock", tenant] == right["event_lock", tenant]
    assert etl.value("select count(*) from analytics_run.failed_keys where tenant_id = $1", tenant) == "0"

    # delivered again, those without a key have another batch than their typed rows
    assert etl.send_events(sent)["accepted"] == 5 - 1
    drop(etl, "fact_payment")
    reread(etl, "fact_payment")
    etl.query("delete from analytics_curated.event_payment where transaction_id = 'cap_planted'")
    etl.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) values ('payment', $1, 'key', 'cap_planted')", tenant)
    drain(etl)
    amounts = dict(etl.query("select transaction_id, amount_micro from analytics_curated.event_payment where tenant_id = $1", tenant))
    left = {ident("cap", tenant, n) for n in range(12) if n % 3 != 1 and n % 2 == 1}
    assert {k for k, v in amounts.items() if v == "7"} == left and len(amounts) == 12
    drop(etl, "fact_payment")
    drop(etl, "fact_lock_action")


def test_who_is_erased_stays_erased(etl):
    """His pseudonym does not come back from what was redacted, nor from what is being redacted."""
    tenant = ident("tnt", "reread", "guest")
    guest = ident("gst", tenant)
    stays = [confirmed("2026-03-01T10:00", ident("rsv", tenant, n), [item("2026-04-01", "2026-04-04")], guestId=guest) for n in range(5)]
    etl.send(stays, tenant)
    task = {"taskId": ident("hkt", tenant), "propertyId": ident("ppt", tenant), "staffId": guest}
    etl.send_events([event("housekeeping.task.assigned", "2026-03-01T10:00", task, tenant),
                     event("tenant.guest.erasure_requested", "2026-05-01T01:00", {"guestId": guest}, tenant)])
    drain(etl)
    known = "select count(guest_key), count(*) from analytics_curated.event_reservation where tenant_id = $1"
    assert etl.query(known, tenant) == [["5", "5"]]
    request = etl.value("select dedupe_key from events_raw.event where tenant_id = $1 and subject like '%erasure_requested%'", tenant)
    record = etl.value("select analytics_run.open_erasure($1, $2, 'job_erased')", tenant, request)
    assert etl.value("select analytics_run.erase_raw($1, 1000000)", record) == "t"
    # a unit that read before that: the pseudonyms wait for it
    etl.query("select pg_advisory_lock(consumer_id, $1) from analytics_run.consumer where consumer = 'reservation'", etl.shard(tenant))
    try:
        with pgcluster.Conn(etl.env["DATABASE_URL"]) as other, pytest.raises(pgcluster.PgError, match="lock timeout"):
            other.query("set lock_timeout = '200ms'")
            other.query("select analytics_run.erase_keys($1)", record)
    finally:
        etl.query("select pg_advisory_unlock_all()")
    etl.query("select analytics_run.erase_keys($1)", record)
    etl.query("select analytics_run.close_erasure($1, '{}', 'key', 'signature')", record)
    drain(etl)
    right = seen(etl, [tenant])
    assert etl.query(known, tenant) == [["0", "5"]]
    reread(etl, "fact_reservation")
    reread(etl, "fact_housekeeping_task")
    drain(etl)
    assert etl.query(known, tenant) == [["0", "5"]] and seen(etl, [tenant]) == right
    drop(etl, "fact_reservation")
    drop(etl, "fact_housekeeping_task")


def test_who_is_purged_stays_purged(etl):
    """Neither what must be kept of him nor clicks on his hotels become events again."""
    tenant, session = ident("tnt", "reread", "purged"), ident("mse", "reread")
    kept = {"metadata": {"retentionClass": "regulated_7y"}}
    etl.send_events([
        event("payment.transaction.captured", "2026-03-01T10:00", {"transactionId": ident("cap", tenant), "amount": money(1)}, tenant) | kept,
        event("bff.consumer.click.hotel", "2026-03-01T10:00", {"tenantId": tenant, "propertyId": ident("ppt", tenant), "sessionId": session},
              "_platform") | kept,
        event("bff.consumer.search.executed", "2026-03-01T09:00", {"sessionId": session}, "_platform") | kept])
    drain(etl)
    clicks = "select count(*) from analytics_curated.event_funnel where session_id = $1 and verb = 'click'"
    assert etl.value(clicks, session) == "1"
    etl.query("insert into analytics_run.tombstone (tenant_id) values ($1)", tenant)
    reread(etl, "fact_funnel")  # deleted, and not yet purged
    drop(etl, "fact_funnel")
    assert etl.value("select owner_id from analytics_curated.event_funnel where session_id = $1 and verb = 'click'", session) == tenant
    record = etl.value("select analytics_run.open_purge($1, '', '{}')", tenant)
    etl.query("select analytics_run.purge_queue($1)", tenant)
    for step, last in (("purge_clicks($1, 100)", "t"), ("purge_raw($1, 1000000)", "t")):
        wait_until(lambda: etl.value(f"select analytics_run.{step}", record) == last)  # pylint: disable=cell-var-from-loop
    wait_until(lambda: etl.value("select analytics_run.purge_tables($1, '', 100000)", tenant) == "0")
    assert etl.value("select count(*) from events_raw.event where redacted_at is not null and tenant_id in ($1, '_platform')", tenant) == "2"
    before = etl.query("select tenant_id, event_id, session_id from analytics_curated.event_funnel order by 1, 2")
    for projection in ("fact_payment", "fact_funnel"):
        reread(etl, projection)
        drop(etl, projection)
    assert etl.query("select tenant_id, event_id, session_id from analytics_curated.event_funnel order by 1, 2") == before
    assert etl.value(clicks, session) == "0"
    assert etl.value("select count(*) from analytics_curated.event_payment where tenant_id = $1", tenant) == "0"
    assert etl.value("select count(*) from analytics_run.failed_keys where tenant_id = $1", tenant) == "0"


def test_a_tenant_is_purged_amid_it(etl, hotels):  # pylint: disable=unused-argument
    """The job does not wait for what the purge has taken out of the queue."""
    tenant, job = ident("tnt", "reread", "amid"), ident("job", "amid")
    etl.send_events([event("payment.transaction.captured", "2026-03-01T10:00", {"transactionId": ident("cap", tenant), "amount": money(1)}, tenant)])
    drain(etl)
    while etl.value("select analytics_run.find_batches($1, 'payment', 100000)", job) != "t":
        pass
    etl.query("select analytics_run.open_reread($1, 1, 'fact_payment', 'payment', 'operator')", job)
    assert etl.query("select kind from analytics_run.touched where tenant_id = $1 and job_id = $2 order by 1", tenant, job) == [["all"], ["raw"]]
    etl.query("insert into analytics_run.tombstone (tenant_id) values ($1)", tenant)
    etl.query("select analytics_run.open_purge($1, '', '{}')", tenant)
    etl.query("select analytics_run.purge_queue($1)", tenant)
    wait_until(lambda: etl.value("select analytics_run.purge_tables($1, '', 100000)", tenant) == "0")
    etl.query("insert into analytics.etl_jobs (job_id, kind, projection, params) values ($1, 'backfill', 'fact_payment', $2)", job,
              '{"reread": true}')
    with etl.etld(**SMALL):
        wait_until(lambda: state(etl, job) == "succeeded", 60)
    assert etl.value("select count(*) from analytics_curated.event_payment where tenant_id = $1", tenant) == "0"
    drop(etl, "fact_payment")


def test_what_was_rejected_is_judged_again(etl):
    tenant = ident("tnt", "reread", "rejected")
    etl.send_events([event("payment.transaction.captured", "2026-03-01T10:00", {"amount": money(n)} | (
        {"transactionId": ident("cap", tenant)} if n == 2 else {}), tenant, n) for n in (1, 2)])
    drain(etl)
    failed = "select key, attempts from analytics_run.failed_keys where tenant_id = $1"
    (bad, attempts), = etl.query(failed, tenant)
    assert attempts == "1"
    # as if an older append had not understood the other one
    good = etl.value("select event_id from analytics_curated.event_payment where tenant_id = $1", tenant)
    etl.query("insert into analytics_run.failed_keys (consumer, tenant_id, key, error, first_failed_at, last_failed_at) values"
              " ('payment', $1, 'event:' || $2::text, 'once', now() - interval '1 h', now() - interval '1 h')", tenant, good)
    etl.query("delete from analytics_curated.event_payment where tenant_id = $1", tenant)
    told = "select count(*) from analytics_run.outbox where tenant_id = $1 and subject like '%projection.failed%'"
    before = etl.value(told, tenant)
    reread(etl, "fact_payment")
    assert etl.query(failed, tenant) == [[bad, "2"]] and etl.value(told, tenant) == before
    assert etl.query("select event_id from analytics_curated.event_payment where tenant_id = $1", tenant) == [[good]]
    drop(etl, "fact_payment")


def test_held_and_followed(etl, hotels):  # pylint: disable=unused-argument
    """With --hold the next version waits; what was read again shows at once. A backfill that reads nothing again is not followed."""
    tenants = everybody(etl)
    right = seen(etl, tenants)
    etl.query("update analytics_curated.event_payment set amount_micro = 1 where event_id in ("
              "select dedupe_key from events_raw.event where body <> '')")
    live = versions(etl, "fact_payment")[0][0]
    etl.oneshot("backfill", "--projection", "fact_payment", "--reread", "--hold", settings=SMALL)
    assert seen(etl, tenants) == right and versions(etl, "fact_payment")[0][0] == live
    etl.oneshot("backfill", "--projection", "fact_payment", "--switch")
    assert seen(etl, tenants) == right and versions(etl, "fact_payment")[0][0] != live
    refused = etl.oneshot("backfill", "--projection", "fact_payment", "--reread", check=69)  # the version before is kept
    assert "drop it first" in refused.stderr
    assert etl.value("select count(*) from analytics_run.raw_walk") == "0"
    drop(etl, "fact_payment")

    job = ask(etl, "fact_payment", hold=False)
    assert "under way" in etl.oneshot("backfill", "--projection", "fact_payment", "--reread", check=75).stderr
    etl.query("update analytics.etl_jobs set state = 'cancelled' where job_id = $1", job)


@pytest.mark.parametrize("words, says", (
    (("--from", "2026-02-03"), "all days"), (("--to", "2026-02-03"), "all days"), (("--switch",), "alone")))
def test_bad_words(etl, words, says):
    assert says in etl.oneshot("backfill", "--projection", "fact_payment", "--reread", *words, check=64).stderr
