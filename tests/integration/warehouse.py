"""Stands in for ingestd and etld where a test is about the SQL alone; fixtures of such tests.

land() puts NDJSON-like events (dicts of the envelopes E1, E6, E12 and E15) into raw with the statements of
ingestd, drain() runs etld's units of work until nothing is pending. Both use the statement files as
the daemons do; neither is an example of how to read an envelope.
"""
import datetime as dt
import hashlib
import json
import re
import struct

import pytest

import pgcluster
from events import ident
from pgcluster import SQL

INGESTD = "warehouse/postgres/ingestd/"
ETLD = "warehouse/postgres/etld/"
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.timezone.utc)
MICROSECOND = dt.timedelta(microseconds=1)

# consumer -> its rebuild statements, in order
REBUILDS = {
    "tenant": ["rebuild_tenant"],
    "property": ["rebuild_property", "rebuild_room_type", "rebuild_room", "rebuild_inventory_day"],
    "reservation": ["rebuild_reservation", "rebuild_history"],
    "payment": ["rebuild_payment"],
    "housekeeping": ["rebuild_housekeeping"],
    "fx": ["rebuild_fx"],
    "lock": ["rebuild_lock"],
    "ai": ["rebuild_suggestion", "rebuild_forecast"],
    "audit": ["rebuild_audit"],
    "funnel": ["rebuild_funnel"],
}


def binary(rows):
    """A binary COPY stream; a row is a list of (type, value) pairs."""
    out = [b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)]
    for row in rows:
        out.append(struct.pack("!h", len(row)))
        for kind, value in row:
            if value is None:
                out.append(struct.pack("!i", -1))
                continue
            data = {"text": lambda v: v.encode(), "bytea": bytes, "int4": lambda v: struct.pack("!i", v),
                    "int8": lambda v: struct.pack("!q", v), "float4": lambda v: struct.pack("!f", v),
                    "time": lambda v: struct.pack("!q", (v - EPOCH) // MICROSECOND)}[kind](value)
            out.append(struct.pack("!i", len(data)) + data)
    out.append(struct.pack("!h", -1))
    return b"".join(out)


def instant(text):
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


def read(event):
    """The canonical record of an event, as a dict of the columns of events_raw.event."""
    body = event if isinstance(event, str) else json.dumps(event, separators=(",", ":"))
    e = json.loads(body)
    head = e.get("envelope", e)
    subject = head.get("eventType") or head.get("type") or head["subject"]
    event_id = head.get("eventId") or head["id"]
    payload_key = next((k for k in ("payload", "data") if k in e), None)
    said = {"subject": subject, "at": head.get("occurredAt") or head["time"], "payload": e.get(payload_key)}
    return {
        "dedupe_key": event_id.removeprefix("evt_").upper(), "tenant_id": head.get("tenantId") or head.get("tenantid") or "_platform",
        "event_id": event_id, "subject": subject, "domain": subject.split(".")[1],
        "occurred_at": instant(said["at"]), "aggregate_id": (e.get("aggregate") or {}).get("id"),
        "aggregate_version": e.get("version") if "aggregate" in e else None,
        "content_hash": hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest(),
        "payload_key": payload_key, "body": body,
    }


def tuple_of(r, batch_id):
    now = dt.datetime.now(dt.timezone.utc)
    return [("text", r["dedupe_key"]), ("text", r["tenant_id"]), ("text", r["event_id"]), ("text", r["subject"]),
            ("text", r["domain"]), ("time", r["occurred_at"]), ("time", None), ("time", now), ("int8", batch_id),
            ("text", None), ("text", r["aggregate_id"]), ("int8", r["aggregate_version"]), ("int4", 1),
            *[("text", None)] * 5, ("text", "operational"), ("text", None), ("text", None), ("float4", 1.0),
            ("bytea", r["content_hash"]), ("text", r["payload_key"]), ("text", None), ("text", r["body"])]


def deltas_of(records, batch_id):
    cells = {}
    for r in records:
        cells.setdefault((r["tenant_id"], r["domain"]), []).append(r["dedupe_key"])
    return [[("int8", batch_id), ("text", tenant), ("text", domain), ("int4", len(keys)), ("text", min(keys)), ("text", max(keys))]
            for (tenant, domain), keys in cells.items()]


def script(name):
    return (SQL / INGESTD / f"{name}.sql").read_text(encoding="utf-8")


def land(conn, events, batch=1000):
    """The fast path: events must be new."""
    records = [read(e) for e in events]
    for start in range(0, len(records), batch):
        part = records[start:start + batch]
        batch_id = int(conn.statement(INGESTD + "reserve_batch_ids.sql", 1)[0][0])
        conn.script(script("land_batch"), binary(tuple_of(r, batch_id) for r in part), binary(deltas_of(part, batch_id)),
                    binary([[("int8", batch_id), ("int4", len(part)), ("int8", sum(len(r["body"]) for r in part))]]))


def land_suspects(conn, events, dead=()):
    """The slow path; the outcome of each event."""
    batch_id = int(conn.statement(INGESTD + "reserve_batch_ids.sql", 1)[0][0])
    results = conn.script(script("land_suspects"),
                          binary([("int4", i), *tuple_of(read(e), batch_id)] for i, e in enumerate(events)), binary(dead))
    return [outcome for _, outcome in results[-2]]


def begin_unit(conn, consumer, *shards):
    """Its transaction, with the locks; which of the shards it has."""
    conn.query("begin")
    held = conn.statement(ETLD + "lock_unit.sql", consumer, "{" + ",".join(map(str, shards)) + "}")[0][0]
    return [int(shard) for shard in held.strip("{}").split(",") if shard]


def unit(conn, consumer, shard, max_events=10000, seed="seed", on_rebuild=None, portions=False):
    """One unit of work in one transaction; False when there was nothing to do or the shard is taken."""
    def run(name, *params):
        return conn.statement(f"{ETLD}{name}.sql", *params)

    if not begin_unit(conn, consumer, shard):
        conn.query("rollback")
        return False
    batches = tenants = landed = None
    events = 0
    if not portions:
        batches, tenants, landed, events, key_lo, key_hi, _ = run("take_delta", consumer, max_events, None)[0]
    keyed = []
    if batches is not None and consumer != "none":
        run("ensure_guest_keys", tenants, seed)
        touched_tenants, keys, *_ = run(f"append_{consumer}", batches, tenants, key_lo, key_hi)[0]
        keyed.append((touched_tenants, keys))
    take = "take_portion" if portions else "take_keys"
    touched = run(take, consumer, max_events, None)[0][:2] if consumer != "none" else [None, None]
    if touched[0] is not None:
        keyed.append(touched)
    for key_tenants, keys in keyed:
        if keys is None:
            continue
        for rebuild in REBUILDS[consumer]:
            if on_rebuild:
                on_rebuild(conn, rebuild)
            for table, upserted, deleted, changed, *impact in run(rebuild, key_tenants, keys, 1, 2**31 - 1):
                run("bump_version", table, changed, *impact[:2], tenants, landed, key_tenants)
                run("note_refresh", table, shard, events, upserted, deleted, 0)
                run("outbox_refreshed", table, changed, *impact, tenants, landed, None)
    conn.query("commit")
    return batches is not None or touched[0] is not None


def drain(conn, max_events=10000):
    """Units until nothing is due; how many did something."""
    done = 0
    while True:
        due = conn.statement(ETLD + "list_due.sql", None)
        worked = sum(unit(conn, consumer, int(shard), max_events, portions=portions == "t")
                     for consumer, shard, portions, *_ in due)
        if not worked:
            return done
        done += worked


# ---- a cluster for each process of tests, a database for each test

@pytest.fixture(scope="session")
def cluster():
    cluster = pgcluster.Cluster(max_connections="50")
    cluster.create("template_migrated")
    with cluster.connect("template_migrated") as admin:
        pgcluster.migrate(admin)
    yield cluster
    cluster.stop()


class World:
    """A migrated database and connections to it, by role."""

    def __init__(self, cluster, name, template="template_migrated"):
        self.cluster, self.name = cluster, cluster.create(name, template)
        self.open = []
        self.admin, self.ingestd, self.etld = map(self.connect, ("admin", "analytics_ingestd", "analytics_etld"))

    def connect(self, user, password=None):
        self.open.append(self.cluster.connect(self.name, user, password))
        return self.open[-1]

    def close(self):
        for conn in self.open:
            conn.close()
        self.cluster.drop(self.name)

    def apply(self, events, batch=1000):
        land(self.ingestd, events, batch)
        drain(self.etld)

    def rows(self, sql, *params):
        return self.admin.query(sql, *params)

    def value(self, sql, *params):
        return self.rows(sql, *params)[0][0]


@pytest.fixture
def world(cluster, request):
    world = World(cluster, re.sub(r"\W", "_", request.node.name)[:60])
    yield world
    world.close()


def nights(world, rsv):
    return [tuple(r) for r in world.rows("select item_id, stay_date, kind, state, rate_micro / 1000000 from analytics_curated.fact_room_night"
                                         " where reservation_id = $1 order by 1, 2", rsv)]


def fact(world, rsv, *columns):
    rows = world.rows(f"select {', '.join(columns)} from analytics_curated.fact_reservation where reservation_id = $1", rsv)
    return tuple(rows[0]) if rows else None


# ---- any order, any repetition, any split

def digests(world, tenant, tables):
    """A digest of each table's rows of a tenant, but for the columns that may differ."""
    return {t: world.value(f"select count(*) || ' ' || coalesce(md5(string_agg(row, e'\\n' order by row collate \"C\")), '')"
                           " from (select (to_jsonb(t) - '{tenant_id,_batch_id,_updated_at}'::text[])::text as row"
                           f" from analytics_curated.{t} t where tenant_id = $1) r", tenant) for t in tables}


def same_in_any_order(world, events_of, tables, rng, consumers=()):
    """events_of(tenant) applied at once and in order for one tenant, in pieces, shuffled and repeated for
    another: their rows are the same, and rebuilding every key of the consumers changes nothing."""
    name = rng.random()
    ordered, mixed = ident("tnt", "ordered", name), ident("tnt", "mixed", name)
    world.admin.query("insert into analytics_run.guest_key values ($1, $3::bytea), ($2, $3::bytea)", ordered, mixed, "\\x" + "07" * 32)
    land_suspects(world.ingestd, sorted(events_of(ordered), key=lambda e: (read(e)["occurred_at"], read(e)["dedupe_key"])))
    drain(world.etld)
    pieces = events_of(mixed)
    pieces += rng.sample(pieces, len(pieces) // 5)
    rng.shuffle(pieces)
    while pieces:
        part, pieces = pieces[:(k := rng.choice((1, 5, 20)))], pieces[k:]
        assert set(land_suspects(world.ingestd, part)) <= {"accepted", "duplicate"}
        if rng.random() < 0.5:
            drain(world.etld, rng.choice((1, 20, 10000)))
    drain(world.etld)
    expected = digests(world, ordered, tables)
    assert digests(world, mixed, tables) == expected
    versions = "select table_name, data_version from analytics_run.table_state where tenant_id = $1 order by 1"
    before = world.rows(versions, mixed)
    for consumer in consumers:
        world.etld.statement(ETLD + "touch_all_keys.sql", consumer, mixed)
    drain(world.etld, 7)
    assert digests(world, mixed, tables) == expected and world.rows(versions, mixed) == before
    assert world.value("select count(*) from analytics_run.touched") == "0"
    return expected
