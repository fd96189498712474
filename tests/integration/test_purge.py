"""Tenants that are deleted and guests that are forgotten: nothing of them is found afterwards, and nobody else notices."""

import json
import os
import subprocess
import threading

import pytest

import pgcluster
from events import event, ident
from harness import BIN, run, wait_until
from hotels import hotel_group, marks, stay

EACH = ("select table_schema, table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position)"
        " from information_schema.columns join information_schema.tables using (table_schema, table_name)"
        " where table_schema in ('analytics', 'analytics_run', 'analytics_curated', 'events_raw') and table_type = 'BASE TABLE'"
        " group by 1, 2 order by 1, 2")
# what a purge may leave: that the tenant was deleted, the record, the job and what it published, and events that must be kept
KEPT = {"analytics.tenants", "analytics.etl_jobs", "analytics.etl_runs", "analytics.etl_events", "analytics_run.tombstone",
        "analytics_run.purge_record", "analytics_run.outbox"}


def tables(stack):
    return {f"{schema}.{table}": columns for schema, table, columns in stack.query(EACH)}


def where(stack, needle):
    """The tables in which a text is found anywhere, also in bytes."""
    return {name for name in tables(stack) if stack.query(
        f"select exists (select from {name} t where strpos(t::text, $1) > 0 or strpos(t::text, $2) > 0)",
        needle, needle.encode().hex()) == [["t"]]}


def snapshot(stack, tenant):
    """{table: a digest of all bytes that name the tenant}; published rows and what time changes left out."""
    return {name: stack.query(f"select count(*), md5(string_agg(t::text, e'\\n' order by t::text)) from {name} t"
                              " where strpos(t::text, $1) > 0", tenant)
            for name in tables(stack) if name.startswith(("events_raw.", "analytics_curated.")) or name == "analytics_run.table_state"}


def etld(stack, *words, check=0):
    return run([os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), *words], check)


def send(stack, events):
    told = stack.send_events(events)
    assert told["deadLettered"] == 0, told
    return told


def regulated(tenant, n):
    """Must be kept, without what names anybody."""
    return event("reservation.no_show", f"2026-04-02T1{n}:00", {"reservationId": ident("rsv", tenant, 7), "reason": "of " + tenant,
                 "penalty": {"amountMicro": "1250000", "currency": "EUR"}}, tenant) | {"metadata": {"retentionClass": "regulated_7y"}}


def deleted(tenant, n=1):
    return event("tenant.deleted", f"2026-05-01T0{n}:00", {}, tenant)


@pytest.fixture(scope="module")
def world(stack):
    """Two tenants with something everywhere, and one of them is deleted."""
    gone, neighbour = ident("tnt", "purge", "gone"), ident("tnt", "purge", "neighbour")
    for tenant in (gone, neighbour):
        send(stack, hotel_group(tenant) + [regulated(tenant, n) for n in range(3)])
        stack.send_events(json.dumps({"id": "evt_1", "tenantId": tenant}) + "\n")  # a dead letter
    stack.wait()
    for tenant in (gone, neighbour):
        token = stack.token(tenant, "--role", "tenant.admin")
        body = {"dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}
        assert stack.http("POST", "queryd", "/api/v1/analytics/metrics/rooms_sold:compute", body, token).status == 200
        key = {"Idempotency-Key": "01J00000000000000000000000"}
        made = stack.http("POST", "queryd", "/api/v1/analytics/dashboards", {"name": "of " + tenant, "scope": "tenant"}, token, key)
        assert made.status == 201, made
    return gone, neighbour


def settled(stack, neighbour):
    """What is published and profiled in the background has been."""
    stack.wait()
    wait_until(lambda: stack.query("select count(*) from analytics_run.refresh_due where tenant_id = $1", neighbour) == [["0"]], 60)


def test_a_deleted_tenant_is_gone(stack, world):
    gone, neighbour = world
    settled(stack, neighbour)
    before = snapshot(stack, neighbour)
    assert len(where(stack, gone)) > 20
    token = stack.token(gone, "--role", "tenant.admin")
    assert "not deleted" in etld(stack, "purge", "--tenant", neighbour, check=65).stderr

    assert send(stack, [deleted(gone)])["accepted"] == 1
    record = json.loads(etld(stack, "purge", "--tenant", gone).stdout)["recordId"]
    late = stack.send_events([stay(gone, 1)])
    assert (late["accepted"], late["deadLettered"]) == (0, 1) and late["errors"][0]["code"] == "tenant_deleted"
    assert int(stack.query("select dropped from analytics_run.tombstone where tenant_id = $1", gone)[0][0]) >= 1

    # no login of its own, nor is one made again
    assert "the tenant is deleted" in run([os.path.join(BIN, "queryd"), "-c", stack.path("etc", "queryd.conf"), "looker", "on", gone], 65).stderr
    with pytest.raises(pgcluster.PgError) as refused:
        stack.query("select analytics.provision_tenant($1, $2)", gone, "x" * 40)
    assert refused.value.sqlstate == "TD001"

    # its ids, names and guests: only where they may be
    left = {mark: where(stack, mark) for mark in marks(gone)}
    raw = {name for name in left[gone[4:]] if name.startswith("events_raw.")}
    assert left.pop(gone[4:]) - raw <= KEPT, left
    assert not any(left.values()), left
    rows = stack.query("select retention_class, body, redacted_at is not null, aggregate_id, attributes from events_raw.event"
                       " where tenant_id = $1", gone)
    assert len(rows) == 3 and all('"amountMicro": "1250000"' in row[1] for row in rows)
    assert all(row[0] in ("regulated", "audit") and row[2] == "t" and row[3:] == [None, None] for row in rows), rows
    assert stack.query("select count(*) from pg_roles where rolname like $1", gone + "%") == [["0"]]
    with subprocess.Popen(["redis-cli", "-s", stack.path("run", "redis.sock"), "--scan", "--pattern", f"*{gone}*"],
                          stdout=subprocess.PIPE) as scan:
        assert scan.communicate()[0] == b""
    wait_until(lambda: stack.http("POST", "queryd", "/api/v1/analytics/metrics/rooms_sold:compute",
                                  {"dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}, token).status == 403, 60)

    # nobody else has noticed
    assert snapshot(stack, neighbour) == before

    # again, by hand or by the job: nothing is left to do, and the record is what it says
    told = json.loads(etld(stack, "purge", "verify", record).stdout)
    assert told["signatureHolds"] and told["gone"] and told["rawRedacted"] == len(rows)
    document = json.loads(stack.query("select document from analytics_run.purge_record where record_id = $1", record)[0][0])
    assert document["warehouse"]["before"]["analytics_curated.fact_reservation_v1"] == 2
    assert document["control"]["before"]["analytics.dashboards"] == 1 and document["warehouse"]["after"] == document["control"]["after"] == {}
    with pgcluster.Conn(stack.env["WAREHOUSE_URL"]) as admin:
        admin.query("update analytics_run.purge_record set document = replace(document, '\"deleted\": ', '\"deleted\":  ') where record_id = $1", record)
        assert not json.loads(etld(stack, "purge", "verify", record, check=65).stdout)["signatureHolds"]
    assert "no such signed record" in etld(stack, "purge", "verify", "prg_none", check=65).stderr


DASHBOARD = "insert into analytics.dashboards (dashboard_id, tenant_id, name, scope, owner_id) values ('{0}', '{1}', 'n', 'tenant', 'usr_1')"


def test_who_inserts_and_who_purges_wait_for_each_other(stack):
    """A row that is made while the purge begins is found by it, and none is made afterwards."""
    tenant = ident("tnt", "purge", "raced")
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as maker, pgcluster.Conn(stack.env["DATABASE_URL"]) as purge:
        maker.query("begin; " + DASHBOARD.format("dsh_1", tenant))
        result = []
        waiter = threading.Thread(target=lambda: result.append(purge.query("select analytics.purge_tenant($1, '', 5000)", tenant)))
        waiter.start()
        wait_until(lambda: stack.query("select wait_event from pg_stat_activity where pid = $1", purge.pid) == [["advisory"]])
        maker.query("commit")
        waiter.join()
        assert result == [[["3"]]]  # the dashboard, its item for desktops and the version of what is shown
        for statement in (DASHBOARD.format("dsh_2", tenant),
                          f"insert into analytics.etl_jobs (job_id, tenant_id, kind) values ('job_raced', '{tenant}', 'refresh')"):
            with pytest.raises(pgcluster.PgError) as refused:
                maker.query(statement)
            assert refused.value.sqlstate == "TD001"


def test_nothing_is_made_for_a_purged_tenant(stack):
    """By whoever does not know yet that it was deleted: here only the control database does."""
    tenant = ident("tnt", "purge", "late")
    send(stack, hotel_group(tenant))
    stack.wait()
    token = stack.token(tenant, "--role", "tenant.admin", "--role", "tenant.owner")
    query = {"metrics": ["rooms_sold"], "dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}
    asked = {  # path: body
        "dashboards": {"name": "n", "scope": "tenant"}, "queries": {"name": "n", "query": query},
        "data-quality/checks": {"table": "fact_reservation", "kind": "freshness", "limit": 7, "severity": "info"},
        "metrics": {"key": "late_nights", "version": 1, "display": {"default": "n"}, "unit": {"kind": "count"},
                    "numerator": "rooms_sold", "dimensions": ["property_id"]},
        "projections/fact_reservation:refresh": None}

    def ask(path, body, n):
        return stack.http("POST", "queryd", "/api/v1/analytics/" + path, body, token, {"Idempotency-Key": f"01J0000000000000000000000{n}"})

    made = [ask(path, body, 0) for path, body in asked.items()]
    assert all(answer.status in (201, 202) for answer in made), made
    # a first pass of the purge; what was under way meanwhile is found by the second
    while stack.query("select analytics.purge_tenant($1, '', 5000)", tenant) != [["0"]]:
        pass
    for path, body in asked.items():
        answer = ask(path, body, 1)
        assert (answer.status, answer.json()["code"]) == (403, "MELMASTOON.TENANT.NOT_FOUND"), path
    run([f"{BIN}/dqd", "-c", stack.path("etc", "dqd.conf"), "run"])
    assert stack.query("select analytics.count_tenant($1, '')", tenant) == [["{}"]]


def test_killed_anywhere_and_begun_again(stack):
    """By its job, whose workers die: each event is deleted or redacted once, and counted once."""
    tenant = ident("tnt", "purge", "killed")
    send(stack, hotel_group(tenant) + [regulated(tenant, n) for n in range(3)])
    stack.wait()
    total = int(stack.query("select count(*) from events_raw.event where tenant_id = $1", tenant)[0][0])
    send(stack, [deleted(tenant)])
    for _ in range(4):
        with subprocess.Popen([os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), "purge", "--tenant", tenant],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as purge:
            opened = stack.query("select count(*) from analytics_run.purge_record where tenant_id = $1", tenant)
            wait_until(lambda: purge.poll() is not None or opened != stack.query(
                "select count(*) from analytics_run.purge_record where tenant_id = $1", tenant) or opened != [["0"]], 60)
            purge.kill()
    wait_until(lambda: stack.query("select count(*) from analytics.etl_jobs where tenant_id = $1 and kind = 'purge'", tenant) == [["1"]], 60)
    stack.query("update analytics.etl_jobs set run_after = now() where tenant_id = $1 and state = 'queued'", tenant)  # the grace is over
    wait_until(lambda: stack.query("select state from analytics.etl_jobs where tenant_id = $1", tenant) == [["succeeded"]], 90)
    # the first record has it all; a purge of what is purged finds nothing
    deleted_rows, redacted = stack.query("select sum(raw_deleted), sum(raw_redacted) from analytics_run.purge_record"
                                         " where tenant_id = $1", tenant)[0]
    assert (int(deleted_rows) + int(redacted), redacted) == (total + 1, "3")
    assert where(stack, tenant[4:]) - {"events_raw.event"} <= KEPT | {n for n in tables(stack) if n.startswith("events_raw.")}
    [[told]] = stack.query("select count(*) from analytics_run.outbox where subject like '%etl.completed%' and tenant_id = $1", tenant)
    assert told == "1"


def test_a_guest_is_forgotten(stack):
    """His bookings stay what they were, without him; the next guest is as before."""
    tenant = ident("tnt", "purge", "guest")
    guest, other = ident("gst", tenant, 1), ident("gst", tenant, 2)
    paid = event("payment.transaction.captured", "2026-03-02T10:00", {
        "transactionId": ident("cap", tenant, 9), "payer": {"guestId": guest.lower(), "fullName": "Zarghuna Kakar"}}, tenant)
    send(stack, hotel_group(tenant) + [paid])
    stack.send_events(json.dumps({"id": "evt_1", "tenantId": tenant, "guestId": guest}) + "\n")  # a dead letter
    stack.wait()
    facts = ("select reservation_id, status, nights, room_revenue_micro, guest_key is null from analytics_curated.fact_reservation"
             " where tenant_id = $1 order by guest_key is null, reservation_id")
    before = stack.query(facts, tenant)
    keys = stack.query("select reservation_id, guest_key from analytics_curated.fact_reservation where tenant_id = $1", tenant)
    assert len(where(stack, guest[4:])) == 3 and [row[4] for row in before] == ["f", "f"]
    for n in (1, 2):  # asked twice, too
        send(stack, [event("tenant.guest.erasure_requested", f"2026-05-01T0{n}:00", {"guestId": guest}, tenant)])
        wait_until(lambda: stack.query("select count(*) from analytics.etl_jobs where tenant_id = $1 and kind = 'erasure'"  # pylint: disable=cell-var-from-loop
                                       " and state = 'succeeded'", tenant) == [[str(n)]], 60)
        stack.wait()
    assert where(stack, guest[4:]) == where(stack, guest[4:].lower()) == where(stack, "Zarghuna") == set()
    assert len(where(stack, other[4:])) == 2  # raw, and its partition
    pseudonym = dict(keys)[ident("rsv", tenant, 1)]
    assert where(stack, pseudonym) == {"analytics_run.erased"}
    after = stack.query(facts, tenant)
    assert sorted(row[:4] for row in after) == sorted(row[:4] for row in before) and [row[4] for row in after] == ["f", "t"]
    [[document]] = stack.query("select document from analytics_run.purge_record where tenant_id = $1 order by record_id limit 1", tenant)
    assert json.loads(document)["raw"] == {"deleted": 0, "redacted": 2}
    # the record is verified against the tables: whatever names him anywhere is found, and nobody else is
    [[record]] = stack.query("select min(record_id) from analytics_run.purge_record where tenant_id = $1", tenant)
    assert (told := json.loads(etld(stack, "purge", "verify", record).stdout))["gone"] and told["rawBare"] == 0, told
    assert told["rawRedacted"] == 4  # his booking, his payment, and both requests
    raw, fact = "update events_raw.event set body = replace(body, '{0}', '{1}')", "update analytics_curated.fact_reservation_v1 set guest_key = {0}"
    letter = json.dumps({"of": guest.lower()})
    for member, found, plant, undo in (
            ("rawBare", 1, raw.format(other, guest.lower()), raw.format(guest.lower(), other)),
            ("warehouse", {"analytics_curated.fact_reservation_v1": 1},
             fact.format(f"'{pseudonym}'") + f" where tenant_id = '{tenant}' and guest_key is null",
             fact.format("null") + f" where guest_key = '{pseudonym}'"),
            ("warehouse", {"analytics_run.dead_letter": 1},
             "insert into analytics_run.dead_letter (dead_letter_id, fingerprint, reason, severity, source, body)"
             f" values ('dlt_planted', 'planted', 'not_json', 'warning', 'events', '{letter}')",
             "delete from analytics_run.dead_letter where dead_letter_id = 'dlt_planted'")):
        stack.psql(plant)
        told = json.loads(etld(stack, "purge", "verify", record, check=65).stdout)
        assert told["signatureHolds"] and not told["gone"] and told[member] == found, (member, told)
        stack.psql(undo)
    etld(stack, "purge", "verify", record)
    # what is built from raw again says the same
    stack.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) values ('reservation', $1, 'all', '')", tenant)
    stack.wait()
    assert stack.query(facts, tenant) == after


def test_a_tenant_moves(stack):
    tenant = ident("tnt", "purge", "moves")
    send(stack, hotel_group(tenant))
    for hour, region in ((3, "EU"), (1, "IN")):  # in the wrong order
        send(stack, [event("tenant.region_changed", f"2026-05-01T0{hour}:00", {"fromRegion": "AF", "toRegion": region}, tenant)])
    wait_until(lambda: stack.query("select state, count(*) from analytics.etl_jobs where tenant_id = $1 group by 1", tenant) == [["succeeded", "2"]], 60)
    stack.wait()
    assert stack.query("select region, from_region from analytics.tenant_regions where tenant_id = $1 order by since", tenant) == [
        ["asia-south1", "me-central1"], ["europe-west3", "me-central1"]]
    assert stack.query("select region from analytics.tenants where tenant_id = $1", tenant) == [["europe-west3"]]
    assert stack.query("select region from analytics_curated.dim_tenant where tenant_id = $1", tenant) == [["EU"]]


def test_every_table_of_tenants_is_covered(stack):
    """Whatever has a tenant's id in a column of that name is counted and emptied, or is here."""
    having = {f"{schema}.{table}" for schema, table in stack.query(
        "select n.nspname, c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and not c.relispartition and a.attname in ('tenant_id', 'owner_id')"
        " and n.nspname !~ '^(pg_|information_schema)'")}
    covered = {row[0] for row in stack.query("select name from analytics_run.tenant_column union select name from analytics.tenant_column")}
    # the bindings go with the roles: analytics.drop_tenant
    assert having - covered == {"analytics.tenants", "analytics_run.tombstone", "analytics_run.purge_record", "events_raw.event",
                                "tenant_views.access_bindings"}
    guarded = {row[0] for row in stack.query("select tgrelid::regclass::text from pg_trigger where tgname = 'refuse_deleted' and tgparentid = 0")}
    control = {row[0] for row in stack.query("select name from analytics.tenant_column")}
    assert guarded == control - {"analytics.etl_runs", "analytics.etl_events"} | {"tenant_views.access_bindings"}
