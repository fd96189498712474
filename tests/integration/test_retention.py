"""Raw lets go of what is past its retention, and of nothing else."""

import pytest

from etlstack import drain, started
from events import event, ident, money
from harness import wait_until

DAYS = {"retain_operational": "30d", "retain_audit": "60d"}


@pytest.fixture(name="etl", scope="module")
def a_stack_of_its_own(request):
    stack = started()
    yield stack
    stack.close(keep=request.session.testsfailed > 0)


def captured(tenant, n, word):
    made = event("payment.transaction.captured", f"2024-0{1 + n % 3}-05T02:00", {
        "transactionId": ident("cap", tenant, n), "amount": money(n, "EUR")}, tenant, n)
    return made | {"metadata": {"retentionClass": word}}


def age(etl, tenant, days):
    etl.query("update events_raw.event set received_at = received_at - $2 * interval '1 day' where tenant_id = $1", tenant, days)
    again(etl)


def again(etl):
    etl.query("update analytics_run.raw_month set ended_at = null, oldest = '{-infinity,-infinity,-infinity,-infinity,-infinity}'")


def idle(etl):
    """Every month was looked at since."""
    return etl.value("select count(*) from analytics_run.raw_month where ended_at is null") == "0" and etl.value(
        "select count(*) from analytics_run.raw_month") != "0"


def kept(etl, tenant):
    return dict(etl.query("select retention_class || case when body = '' then ', emptied' else '' end, count(*)"
                          " from events_raw.event where tenant_id = $1 group by 1", tenant))


def retire(etl, **settings):
    with etl.etld(**settings):
        wait_until(lambda: idle(etl), 60)


def test_content_goes_by_class_and_keys_stay(etl):
    tenant, young = ident("tnt", "retention"), ident("tnt", "retention", "young")
    words = ["operational", "audit", "regulated"]
    sent = [captured(tenant, n, words[n % 3]) for n in range(12)]
    etl.send_events([*sent, *(captured(young, n, "operational") for n in range(3))])
    drain(etl)
    digests = etl.digests([tenant, young])
    assert kept(etl, tenant) == {word: "4" for word in words}

    age(etl, tenant, 40)
    retire(etl, **DAYS)
    assert kept(etl, tenant) == {"operational, emptied": "4", "audit": "4", "regulated": "4"}
    assert kept(etl, young) == {"operational": "3"}
    left = etl.query("select distinct event_id, attributes, aggregate_id, correlation_id, octet_length(content_hash), subject"
                     " from events_raw.event where tenant_id = $1 and body = ''", tenant)
    assert left == [["", None, None, None, "32", "melmastoon.payment.transaction.captured.v1"]]
    assert etl.digests([tenant, young]) == digests  # what was made of them stays

    # delivered again, they are what they were
    counts = etl.send_events(sent)
    assert (counts["accepted"], counts["duplicates"], counts["conflicts"]) == (0, 12, 0)
    other = sent[0] | {"payload": sent[0]["payload"] | {"amount": money(99, "EUR")}}
    assert etl.send_events([other])["conflicts"] == 1

    age(etl, tenant, 40)
    retire(etl, retain_regulated="3650d", **DAYS)
    assert kept(etl, tenant) == {"operational, emptied": "4", "audit, emptied": "4", "regulated": "4"}


def test_what_nobody_has_read_yet_stays(etl):
    tenant = ident("tnt", "retention", "pending")
    etl.send_events([captured(tenant, n, "operational") for n in range(3)])
    age(etl, tenant, 400)
    etl.query("select pg_advisory_lock(consumer_id, $1) from analytics_run.consumer where consumer = 'payment'", etl.shard(tenant))
    try:
        retire(etl, **DAYS)
        assert kept(etl, tenant) == {"operational": "3"}
    finally:
        etl.query("select pg_advisory_unlock_all()")
    drain(etl)
    again(etl)
    retire(etl, **DAYS)
    assert kept(etl, tenant) == {"operational, emptied": "3"}
    assert etl.value("select count(*) from analytics_curated.fact_payment where tenant_id = $1", tenant) == "3"


def test_a_month_with_nothing_left_gives_its_space_back(etl):
    """When the operator gives up the keys too; then, and only then, a late redelivery is a new event."""
    tenant = ident("tnt", "retention", "keys")
    etl.query("delete from events_raw.event")
    sent = [captured(tenant, n, "operational") for n in range(6)]
    etl.send_events(sent)
    drain(etl)
    age(etl, tenant, 400)
    retire(etl, **DAYS, retain_keys="800d")
    assert kept(etl, tenant) == {"operational, emptied": "6"}
    again(etl)
    retire(etl, **DAYS, retain_keys="100d")
    assert kept(etl, tenant) == {}
    months = etl.query("select pg_relation_size('events_raw.' || relname) from pg_class where relname in"
                       " ('event_202401', 'event_202402', 'event_202403')")
    assert months == [["0"]] * 3
    # they stay, so that what comes late lands at once; all that they still take is the roots of two indexes
    assert etl.value("select max(pg_total_relation_size('events_raw.' || relname)) <= 4 * 8192 from pg_class where relname in"
                     " ('event_202401', 'event_202402', 'event_202403')") == "t"
    assert etl.send_events(sent)["accepted"] == 6
    drain(etl)
    assert etl.value("select count(*) from analytics_curated.event_payment where tenant_id = $1", tenant) == "6"  # a repetition there


def test_nothing_is_said_nothing_goes(etl):
    tenant = ident("tnt", "retention", "default")
    etl.send_events([captured(tenant, n, "operational") for n in range(3)])
    drain(etl)
    etl.query("update events_raw.event set received_at = '1990-01-01' where tenant_id = $1", tenant)
    etl.query("delete from analytics_run.raw_month")
    drain(etl)
    assert kept(etl, tenant) == {"operational": "3"} and etl.value("select count(*) from analytics_run.raw_month") == "0"
