"""A long history of reservations, made by SQL, and what is measured on it: E1, E2, Q1; what rebuilding keys costs
beside folding the same delta, warm and with nothing of the database in memory.

Event n of a reservation is its confirmation or its check-in; the facts are the rows that etld makes
of them. The same tenants in every database, so that only the size of the history differs. The one that the goal is
about, 5,000,000 reservations against 1,000,000 (a quarter of an hour, 15 GB):

  BENCH=history BENCH_HISTORY=10000000 BENCH_HISTORY_SMALL=2000000 make bench
"""

import datetime
import os
import statistics
import time

import context as cx
import pgcluster
from stacklib import tokens
from stacklib.home import Home
from stacklib.servers import Postgres
from table import Wrong

TENANTS = int(os.environ.get("BENCH_TENANTS", "300"))
EVENTS = int(os.environ.get("BENCH_HISTORY", "2000000"))
SMALL = int(os.environ.get("BENCH_HISTORY_SMALL", EVENTS // 10))
COLD_ROUNDS = 3
NIGHTS = 3  # of a reservation
ETLD = "warehouse/postgres/etld/"
METRIC = "warehouse/postgres/queryd/metric_room_night.sql"

# $1 reservations. A ULID is `tnt_` or so and 26 digits; a reservation is the tenant's n-th.
TENANT = "'tnt_01BENCH' || lpad((n % {tenants})::text, 19, '0')"
RESERVATION = "'rsv_01BENCH' || lpad(n::text, 19, '0')"
BOOKED = "timestamptz '2023-01-01Z' + (n::float8 / {reservations}) * interval '900 days'"
ARRIVAL = "(timestamp '2023-02-01' + (n::float8 / {reservations}) * interval '900 days')::date"
PROPERTY = "'ppt_01BENCH' || lpad((n % {tenants})::text, 19, '0')"

SEED = """
insert into analytics_curated.event_reservation (tenant_id, reservation_id, occurred_at, event_id, batch_id,
    verb, at, property_id, channel, booked_at, total_micro, currency, stay_start, stay_end, adults, item_id,
    item_type, item_kind, item_start, item_end, item_currency, night_item, night_date, night_rate)
select {tenant}, {reservation}, {booked}, '00CONF' || lpad(n::text, 20, '0'), 1, 'confirmed', {booked},
    {property}, (array['direct', 'ota_a', 'ota_b', 'corporate'])[n % 4 + 1], {booked}, 300000000, 'USD',
    {arrival}, {arrival} + {nights}, 2, '{{i1}}', '{{rmt_a}}', '{{sold}}', array[{arrival}],
    array[{arrival} + {nights}], '{{USD}}', '{{1,1,1}}', array[{arrival}, {arrival} + 1, {arrival} + 2],
    '{{100000000,100000000,100000000}}'
from generate_series(1, {reservations}) n;
insert into analytics_curated.event_reservation (tenant_id, reservation_id, occurred_at, event_id, batch_id,
    verb, at)
select {tenant}, {reservation}, {arrival} + time '15:00' at time zone 'UTC', '00CHCK' || lpad(n::text, 20, '0'),
    1, 'checked_in', {arrival} + time '15:00' at time zone 'UTC'
from generate_series(1, {reservations}) n;
insert into analytics_curated.fact_reservation_v1 (tenant_id, reservation_id, property_id, room_type_id, channel,
    status, booked_at, confirmed_at, arrival_date, departure_date, nights, rooms, adults, lead_time_days,
    room_revenue_micro, total_micro, currency, checked_in_at, modifications, last_event_at, night_rows,
    _batch_id, _updated_at)
select {tenant}, {reservation}, {property}, 'rmt_a', (array['direct', 'ota_a', 'ota_b', 'corporate'])[n % 4 + 1],
    'checked_in', {booked}, {booked}, {arrival}, {arrival} + {nights}, {nights}, 1, 2, 31, 300000000, 300000000,
    'USD', {arrival} + time '15:00' at time zone 'UTC', 0, {arrival} + time '15:00' at time zone 'UTC', {nights},
    1, now()
from generate_series(1, {reservations}) n;
insert into analytics_curated.fact_room_night_v1 (tenant_id, reservation_id, item_id, stay_date, property_id,
    room_type_id, channel, kind, state, rate_micro, currency, booked_at, lead_time_days, _batch_id, _updated_at)
select {tenant}, {reservation}, 'i1', {arrival} + k, {property}, 'rmt_a',
    (array['direct', 'ota_a', 'ota_b', 'corporate'])[n % 4 + 1], 'sold', 'in_house', 100000000, 'USD', {booked},
    31 + k, 1, now()
from generate_series(1, {reservations}) n cross join generate_series(0, {nights} - 1) k;
insert into analytics_curated.fact_room_night_history_v1 (tenant_id, reservation_id, item_id, stay_date, known_at,
    rooms_delta, property_id, room_type_id, channel, kind, rate_delta_micro, currency, _batch_id, _updated_at)
select {tenant}, {reservation}, 'i1', {arrival} + k, {booked}, 1, {property}, 'rmt_a',
    (array['direct', 'ota_a', 'ota_b', 'corporate'])[n % 4 + 1], 'sold', 100000000, 'USD', 1, now()
from generate_series(1, {reservations}) n cross join generate_series(0, {nights} - 1) k;
vacuum analyze analytics_curated.event_reservation, analytics_curated.fact_reservation_v1,
    analytics_curated.fact_room_night_v1, analytics_curated.fact_room_night_history_v1"""

# A delta: check-outs of reservations spread over the whole history, as ingestd would have landed them.
DELTA = """
insert into events_raw.event (dedupe_key, tenant_id, event_id, subject, domain, occurred_at, received_at, batch_id,
    aggregate_id, retention_class, sampling_rate, content_hash, payload_key, body)
select '01BENCH' || lpad({batch}::text, 4, '0') || lpad(i::text, 15, '0'), {tenant}, 'evt_' || i,
    'melmastoon.reservation.checked_out.v1', 'reservation', {arrival} + time '10:00' at time zone 'UTC' + interval '3 days',
    now(), {batch}, {reservation}, 'operational', 1, sha256(i::text::bytea), 'payload',
    json_build_object('payload', json_build_object('reservationId', {reservation}))::text
from generate_series(1, {events}) i
cross join lateral (select (i::bigint * {reservations} / {events})::integer as n) spread"""

# The same delta folded: its events typed as append_reservation.sql reads them, what is newer than the rows put into
# them. What comes late, again or in another order is not its business; nor are the profiles and the history.
FOLD = ("""
create temporary table bench_delta (tenant_id text collate "C", reservation_id text collate "C", at timestamptz)
    on commit drop""", """
insert into bench_delta
select e.tenant_id, analytics_run.id_of(e.p, 'reservationId'), e.occurred_at
from (select e.*, analytics_run.payload_of(e.body, e.payload_key) as p
    from events_raw.taken('reservation', $1::bigint[], $2::text[], $3::text, $4::text) e offset 0) e
order by 1, 2""", """
with folded as (
    update analytics_curated.fact_reservation_v1 f
    set status = 'checked_out', checked_out_at = d.at, last_event_at = d.at, _batch_id = 2, _updated_at = now()
    from bench_delta d
    where f.tenant_id = d.tenant_id and f.reservation_id = d.reservation_id and f.last_event_at < d.at
    returning 1), nights as (
    update analytics_curated.fact_room_night_v1 f
    set state = 'stayed', _batch_id = 2, _updated_at = now()
    from bench_delta d
    where f.tenant_id = d.tenant_id and f.reservation_id = d.reservation_id
    returning 1)
select (select count(*) from folded), (select count(*) from nights)""")


class History:
    """One database with its history, and the deltas that are rebuilt on it and rolled back."""

    def __init__(self, url, events):
        self.url, self.events = url, events
        self.reservations = events // 2
        self.connect()
        self.words = {"tenants": TENANTS, "reservations": self.reservations, "nights": NIGHTS}
        self.words |= {name: text.format(**self.words) for name, text in (
            ("tenant", TENANT), ("reservation", RESERVATION), ("booked", BOOKED), ("arrival", ARRIVAL),
            ("property", PROPERTY))}
        for statement in SEED.format(**self.words).split(";\n"):
            self.conn.query(statement)

    def connect(self):
        self.conn = pgcluster.Conn(self.url)
        # what etld's role has set
        self.conn.query("set work_mem = '64MB'; set enable_seqscan = off; set plan_cache_mode = force_custom_plan;"
                        " set jit = off")

    def land(self, batch, events):
        self.conn.query(DELTA.format(batch=batch, events=events, **self.words))
        self.conn.query("analyze events_raw.event")

    def taken(self, batch):
        """The batch as etld takes it."""
        pairs = self.conn.query(f"select tenant_id, min(dedupe_key), max(dedupe_key) from events_raw.event"
                                f" where batch_id = {batch} group by 1")
        return ("{" + ",".join([str(batch)] * len(pairs)) + "}", pgcluster.literal([tenant for tenant, _, _ in pairs]),
                min(pair[1] for pair in pairs), max(pair[2] for pair in pairs))

    def rebuild(self, batch, events):
        """Seconds from the batch to the facts, by etld's own statements, rolled back."""
        conn, taken = self.conn, self.taken(batch)
        conn.query("begin")
        began = time.monotonic()
        touched, keys, new, _ = conn.statement(ETLD + "append_reservation.sql", *taken)[0]
        done = conn.statement(ETLD + "rebuild_reservation.sql", touched, keys, 1, events)
        done += conn.statement(ETLD + "rebuild_history.sql", touched, keys, 1, events)
        took = time.monotonic() - began
        conn.query("rollback")
        conn.query("vacuum analytics_curated.event_reservation")
        changed = {row[0]: int(row[1]) + int(row[2]) for row in done}
        if int(new) != events or changed != {"fact_reservation": events, "fact_room_night": NIGHTS * events, "fact_room_night_history": 0}:
            raise Wrong(f"{events} events gave {new} new ones and changed {changed}")
        return took

    def fold(self, batch, events):
        """Seconds from the batch to the facts by FOLD, rolled back."""
        conn, taken = self.conn, self.taken(batch)
        conn.query("begin")
        began = time.monotonic()
        conn.query(FOLD[0])
        conn.query(FOLD[1], *taken)
        folded = conn.query(FOLD[2])
        took = time.monotonic() - began
        conn.query("rollback")
        if folded != [[str(events), str(NIGHTS * events)]]:
            raise Wrong(f"{events} events folded into {folded}")
        return took

    def rebuild_keys(self, keys):
        """Seconds to rebuild that many keys that nothing has changed, rolled back."""
        conn = self.conn
        rows = conn.query("select tenant_id, reservation_id from analytics_curated.fact_reservation_v1"
                          f" order by reservation_id limit {keys}")
        arrays = [pgcluster.literal([row[i] for row in rows]) for i in (0, 1)]
        conn.query("begin")
        began = time.monotonic()
        conn.statement(ETLD + "rebuild_reservation.sql", *arrays, 1, keys)
        took = time.monotonic() - began
        conn.query("rollback")
        return took


def seed(stack):
    """The history in the stack's own database, and a smaller one in a database beside it."""
    url = stack.env["DATABASE_URL"]
    name = stack.psql("select current_database()")[0][0]
    stack.psql(f'create database bench_small template "{name}"')
    began = time.monotonic()
    small = History(url.removesuffix(name) + "bench_small", SMALL)
    large = History(url, EVENTS)
    print(f"  {EVENTS:,} events, {EVENTS // 2:,} reservations, {EVENTS // 2 * NIGHTS:,} nights of {TENANTS} tenants"
          f" in {time.monotonic() - began:.0f} s", flush=True)
    return small, large


def bench_rebuild(table, small, large):
    table.part("rebuild of a delta")
    took = {}
    for batch, events in ((101, 10000), (102, 1000)):
        for history in (small, large):
            history.land(batch, events)
        for number in range(cx.ROUNDS + 1):
            for history in (small, large)[::1 if number % 2 else -1]:
                seconds = history.rebuild(batch, events)
                if number > 0:  # the first one warms up
                    took.setdefault((history, events), []).append(seconds * 1000)
    table.compare(f"E1 10,000 events rebuilt beside {EVENTS:,}, against beside {SMALL:,}",
                  took[large, 10000], took[small, 10000], "ms", most=1.25)
    sample = 20000
    whole = [large.rebuild_keys(sample) * 1000 * large.reservations / sample for _ in range(3)]
    table.compare("E2 1,000 events rebuilt, against all keys (extrapolated from 20,000)",
                  took[large, 1000], whole, "ms", most=0.005, ratio_digits=4)


# ---- rebuilding beside folding

def bench_fold(table, large):
    table.part("rebuild beside fold")
    took = {"rebuild": [], "fold": []}
    for number in range(cx.ROUNDS + 1):
        for name in sorted(took, reverse=number % 2):
            seconds = getattr(large, name)(102, 1000)
            if number > 0:
                took[name].append(seconds * 1000)
    table.compare("1,000 events, their keys rebuilt (stay, nights, history, profiles), against folded (stay, nights)",
                  took["rebuild"], took["fold"], "ms")


def forget_files(directory):
    """None of the database's files is in the memory of the system any more."""
    for folder, _, names in os.walk(os.path.join(directory, "base")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def bench_cold(table, stack, large):
    """Old reservations all over the history, when neither the server nor the system has read any of it."""
    table.part("rebuild on cold files")
    took = {"rebuild": [], "fold": []}
    for number in range(COLD_ROUNDS):
        for name in sorted(took, reverse=number % 2):
            large.conn.close()
            stack.down()
            forget_files(os.path.join(stack.dir, "data", "postgres"))
            stack.up("--no-daemons")
            large.connect()
            took[name].append(getattr(large, name)(102, 1000) * 1000)
    table.compare("1,000 events of old reservations rebuilt with cold files, against folded", took["rebuild"], took["fold"], "ms")


# ---- widgets

def parameters(n):
    """Of metric_room_night.sql: a quarter somewhere in the history, by day and channel."""
    first = datetime.date(2023, 3, 1) + datetime.timedelta(n * 37 % 720)
    days = [str(first + datetime.timedelta(day)) for day in range(90)]
    return [days[0], days[-1], pgcluster.literal(days), "{channel}"] + [None] * 16


class Widgets:
    """The statement of a widget through the views of the tenant that is logged in, scope signed as
    queryd signs it; and over the table, the tenant a literal, as superuser."""

    def __init__(self, stack, number):
        self.stack, self.number = stack, number
        home = Home(stack.dir)
        self.postgres = Postgres(home, home.load_state()["ports"]["postgres"])
        self.key = home.secret_text("scope.key")
        with open(os.path.join(cx.CHECKOUT, "sql", METRIC), encoding="utf-8") as text:
            self.sql = text.read()

    def tenant(self, n):
        return f"tnt_01BENCH{n % TENANTS:019}"

    def connections(self, n):
        """(connection, statement, scope or None) as the tenant and as superuser."""
        tenant = self.tenant(n)
        self.stack.psql(f"select analytics.provision_tenant('{tenant}', '{self.postgres.password(tenant)}')")
        mine = pgcluster.Conn(self.postgres.url(tenant))
        backend = int(mine.query("select pg_backend_pid()")[0][0])
        scope = tokens.scope_value(self.key, tenant, backend, int(time.time()) + 86400)
        plain = self.sql.replace("tenant_views.fact_room_night f\n where ",
                                 f"analytics_curated.fact_room_night_v1 f\n where f.tenant_id = '{tenant}' and ")
        if plain == self.sql:
            raise Wrong(f"{METRIC} does not read tenant_views.fact_room_night as it did")
        other = pgcluster.Conn(self.postgres.url())
        other.query("set jit = off")
        return (mine, self.sql, scope), (other, plain, None)

    @staticmethod
    def run(connection, sql, scope, params):
        """Milliseconds and rows of one widget."""
        began = time.perf_counter()
        connection.query("begin")
        if scope is not None:
            connection.query("select tenant_views.set_scope($1)", scope)
        rows = connection.query(sql, *params)
        connection.query("commit")
        return (time.perf_counter() - began) * 1000, rows

    def measure(self, table):
        table.part("warm widgets")
        took = ([], [])
        for n in range(0, TENANTS, max(1, TENANTS // self.number)):
            pair = self.connections(n)
            for turn in range(6):
                answers = []
                for which in (0, 1)[::1 if turn % 2 else -1]:
                    ms, rows = self.run(*pair[which], parameters(n))
                    answers.append(sorted(map(str, rows)))
                    if turn > 0:  # the first one warms up
                        took[which].append(ms)
                if answers[0] != answers[1] or not answers[0]:
                    raise Wrong(f"{self.tenant(n)} has not the rows that the superuser finds")
            for connection, _, _ in pair:
                connection.close()
        p95 = [statistics.quantiles(values, n=20)[18] for values in took]
        table.add(f"Q1 warm widget, p95 of {len(took[0])}, against a literal tenant as superuser",
                  f"{p95[0]:.2f} ms (p50 {statistics.median(took[0]):.2f})",
                  f"{p95[1]:.2f} ms (p50 {statistics.median(took[1]):.2f})", p95[0] / p95[1], "≤ 1.35",
                  p95[0] <= 1.35 * p95[1])


def bench_history(table, _):
    table.part("a long history")
    stack = cx.new_stack("--no-daemons")
    try:
        small, large = seed(stack)
        bench_rebuild(table, small, large)
        bench_fold(table, large)
        Widgets(stack, 60).measure(table)
        small.conn.close()
        bench_cold(table, stack, large)
        large.conn.close()
    finally:
        cx.close(stack)
