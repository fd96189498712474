"""The migrations, the SQL of ingestd, and how workers take turns, on a Postgres of its own."""
import hashlib

import pytest

import pgcluster
import warehouse as wh
from events import TENANT, confirmed, event, ident, item, reservation
from pgcluster import PgError
from warehouse import fact


# ---- migrations and statements

def test_a_second_database_of_the_cluster_migrates(cluster):
    cluster.create("again")
    with cluster.connect("again") as admin:
        pgcluster.migrate(admin)
        assert admin.query("select count(*) from analytics_curated.dim_calendar")[0][0] == "11323"
        assert admin.query("select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'v', 'p', 'S')"
                           " and nspname in ('analytics', 'analytics_run', 'events_raw', 'analytics_curated', 'tenant_views')"
                           " and relowner <> 'analytics_owner'::regrole") == [["0"]]


def test_calendar(world):
    def of(date):
        return world.rows("select solar_hijri_year, solar_hijri_month, solar_hijri_day, hijri_year, hijri_month, hijri_day, iso_week,"
                          " weekend_thu_fri from analytics_curated.dim_calendar where date = $1::date", date)[0]
    assert of("2021-03-21") == ["1400", "1", "1", "1442", "8", "7", "11", "f"]
    assert of("2025-03-20") == ["1403", "12", "30", "1446", "9", "20", "12", "t"]  # the last day of a leap year
    assert of("2024-07-08")[3:6] == ["1446", "1", "1"]
    assert world.value("select bool_and(next = date + 1) from (select date, lead(date) over (order by date) as next"
                       " from analytics_curated.dim_calendar) d where next is not null") == "t"


# ---- landing

def test_suspects_are_told_apart(world):
    first = confirmed("2024-01-01T10:00", ident("rsv", 1), [item("2024-01-10", "2024-01-12")])
    wh.land(world.ingestd, [first])
    with pytest.raises(PgError) as again:
        wh.land(world.ingestd, [first])
    assert again.value.sqlstate == "23505"
    world.ingestd.query("rollback")
    same = dict(reversed(first.items()))
    other = first | {"payload": first["payload"] | {"channel": "ota"}}
    new = reservation("cancelled", "2024-01-02T10:00", ident("rsv", 1))
    assert wh.land_suspects(world.ingestd, [same, other, new, new, new | {"payload": {}}]) == \
        ["duplicate", "conflict", "accepted", "duplicate", "conflict"]
    assert wh.land_suspects(world.ingestd, [other]) == ["conflict"]
    assert world.value("select count(*) from events_raw.event") == "2"
    assert world.rows("select domain, events, consumer from analytics_run.delta order by batch_id") == \
        [["reservation", "1", "reservation"], ["reservation", "1", "reservation"]]
    assert world.rows("select reason, times, convert_from(body, 'UTF8')::jsonb -> 'payload' ->> 'channel' from analytics_run.dead_letter"
                      " order by times desc") == [["conflict", "2", "ota"], ["conflict", "1", None]]


def test_dead_letters_count_up(world):
    def dead(n):
        return [("text", f"dlq_{n}"), ("bytea", hashlib.sha256(b"bad_json\0{").digest()), ("text", None), ("text", None), ("text", None),
                ("text", None), ("text", "bad_json"), ("text", "offset 1"), ("text", "warning"), ("bytea", b"{"), ("text", None), ("text", "http"), ("text", None)]
    for part in ([dead(1)], [dead(2), dead(3)]):
        world.ingestd.script(wh.script("land_batch_dead"), *[wh.binary([])] * 4, wh.binary(part))
    assert world.rows("select dead_letter_id, times from analytics_run.dead_letter") == [["dlq_1", "3"]]


def test_raw_is_out_of_reach(world):
    wh.land(world.ingestd, [reservation("cancelled", "2024-01-02T10:00", ident("rsv", 1))])
    for conn, statement in (
            (world.ingestd, "select body from events_raw.event"), (world.ingestd, "delete from events_raw.event"),
            (world.ingestd, "update events_raw.event set body = ''"), (world.ingestd, "select key from analytics_run.scope_key"),
            (world.etld, "delete from events_raw.event"), (world.etld, "update events_raw.event set body = ''"),
            (world.etld, "insert into events_raw.event select * from events_raw.event"),
            (world.connect("analytics_dqd"), "select 1 from events_raw.event"),
            (world.connect("analytics_queryd"), "select 1 from analytics_curated.fact_reservation")):
        with pytest.raises(PgError) as refused:
            conn.query(statement)
        assert refused.value.sqlstate == "42501", statement


def test_ids_that_are_no_ulid_land_and_a_missing_month_does_not(world):
    odd = [reservation("cancelled", "2024-01-02T10:00", ident("rsv", n)) | {"id": i} for n, i in enumerate(("payment-17", "~", "0", "01HZ"))]
    wh.land(world.ingestd, odd)
    assert wh.land_suspects(world.ingestd, odd) == ["duplicate"] * 4
    world.admin.query("drop table events_raw.event_203001")
    late = reservation("cancelled", "2030-01-02T10:00", ident("rsv", 1))
    with pytest.raises(PgError) as missing:
        wh.land(world.ingestd, [late])
    assert missing.value.sqlstate == "23514"
    world.ingestd.query("rollback")
    assert world.etld.statement(wh.ETLD + "ensure_partitions.sql", "2029-11-01", "2030-03-01") == [["1"]]
    wh.land(world.ingestd, [late])


# ---- taking turns

def in_shard(world, shard, count):
    """Tenants of that shard."""
    return [t for t in (ident("tnt", n) for n in range(400))
            if world.value("select analytics_run.shard_of($1)", t) == str(shard)][:count]


def cancelled(tenant, n):
    return event("reservation.cancelled", "2024-01-01T00:00", {"reservationId": str(n)}, tenant, n)


def take(conn, most):
    """(tenants, events) of the deltas that a unit gets."""
    _, tenants, _, events, *_ = conn.statement(wh.ETLD + "take_delta.sql", "reservation", most, None)[0]
    return set(tenants.strip("{}").split(",")) if tenants else set(), int(events)


def test_take_is_fair_and_bounded(world):
    tenants = in_shard(world, 3, 3)
    wh.land(world.ingestd, [cancelled(tenants[0], n) for n in range(100)], 10)
    wh.land(world.ingestd, [cancelled(t, n) for t in tenants[1:] for n in range(10)], 10)
    assert wh.begin_unit(world.etld, "reservation", 3) == [3]
    assert take(world.etld, 40) == (set(tenants), 40)
    assert take(world.etld, 1)[1] == 10  # one delta, however large
    world.etld.query("rollback")
    assert wh.begin_unit(world.etld, "reservation", 4) == [4]
    assert take(world.etld, 40) == (set(), 0)
    world.etld.query("rollback")
    assert world.value("select sum(events) from analytics_run.delta") == "120"
    assert wh.drain(world.etld) > 0 and world.value("select count(*) from analytics_run.delta") == "0"


def test_take_is_fair_and_bounded_over_shards(world):
    """Of several shards together as of one."""
    much, little = in_shard(world, 3, 1) + in_shard(world, 5, 1)
    wh.land(world.ingestd, [cancelled(much, n) for n in range(100)], 10)
    wh.land(world.ingestd, [cancelled(little, n) for n in range(10)], 10)
    assert wh.begin_unit(world.etld, "reservation", 3, 4, 5) == [3, 4, 5]
    assert take(world.etld, 40) == ({much, little}, 40)
    assert take(world.etld, 1000) == ({much}, 70)
    world.etld.query("rollback")


def test_a_unit_takes_from_shards_that_it_has(world):
    """Another's are left alone, also when that one ends in between."""
    mine, theirs = in_shard(world, 3, 1) + in_shard(world, 5, 1)
    wh.land(world.ingestd, [cancelled(t, n) for t in (mine, theirs) for n in range(10)], 10)
    world.etld.query("insert into analytics_run.touched (consumer, tenant_id, kind, key)"
                     " select 'reservation', t, 'key', 'k' from unnest($1::text[]) t", "{" + mine + "," + theirs + "}")
    other = world.connect("analytics_etld")
    assert wh.begin_unit(other, "reservation", 5) == [5]
    assert wh.begin_unit(world.etld, "reservation", 3, 5) == [3]
    other.query("rollback")
    assert take(world.etld, 40) == ({mine}, 10)
    assert world.etld.statement(wh.ETLD + "take_keys.sql", "reservation", 10, None)[0][0] == "{" + mine + "}"
    assert wh.begin_unit(other, "reservation", 3) == []
    other.query("rollback")
    world.etld.query("rollback")


def test_what_was_taken_is_read_and_nothing_beside_it(world):
    """Of a batch, the events of a tenant and a consumer."""
    mine, other, when = ident("tnt", 1), ident("tnt", 2), "2024-01-01T00:00"
    wh.land(world.ingestd, [event("reservation.cancelled", when, {}, mine, 1), event("payment.chargeback.won", when, {}, mine, 2),
                            event("reservation.cancelled", when, {}, other, 3)])
    batch, lo, hi = world.rows("select batch_id, min(key_lo), max(key_hi) from analytics_run.delta group by 1")[0]

    def read(consumer, tenant, hi=hi):
        return world.etld.query("select tenant_id, subject from events_raw.taken($1, array[$2::bigint], array[$3], $4, $5)",
                                consumer, batch, tenant, lo, hi)

    assert read("reservation", mine) == [[mine, "melmastoon.reservation.cancelled.v1"]]
    assert read("payment", mine) == [[mine, "melmastoon.payment.chargeback.won.v1"]]
    assert read("payment", other) == [] and read("reservation", mine, lo[:3]) == [] and read("reservation", mine, None) == []
    with pytest.raises(PgError) as refused:
        world.ingestd.query("select events_raw.taken('reservation', '{1}', '{t}', '0', 'Z')")
    assert refused.value.sqlstate == "42501"


def test_two_workers_and_one_key(world):
    rsv = ident("rsv", 1)
    shard = int(world.value("select analytics_run.shard_of($1)", TENANT))
    world.apply([confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")])])
    wh.land(world.ingestd, [reservation("checked_in", "2024-02-01T15:00", rsv)])
    other = world.connect("analytics_etld")
    other.query("set lock_timeout = '2s'")  # without the lock it would wait for the first worker, which is us
    seen = []

    def interfere(*_):
        """While the first worker stands between reading the queue and writing, newer events land and a second one tries."""
        if not seen:  # before the first of the consumer's rebuilds
            wh.land(world.ingestd, [reservation("checked_out", "2024-02-03T09:00", rsv)])
            seen.append(wh.unit(other, "reservation", shard))

    assert wh.unit(world.etld, "reservation", shard, on_rebuild=interfere)
    assert seen == [False]
    assert fact(world, rsv, "status") == ("checked_in",)
    assert wh.unit(other, "reservation", shard)
    assert fact(world, rsv, "status") == ("checked_out",)
