"""Many tenants, many nights: a computed widget against its bare SQL (Q1), a cold tenant's first one, a
mixed load (the service's objectives), and a tenant's scan of all of its nights (Q6). Not among the parts
that run by default.

The facts are written by SQL, not by events. By default 200 tenants and 600,000 nights, three minutes; the
size that the objectives are about, some 20 minutes and 12 GB of disk:

  BENCH=slo BENCH_SLO_TENANTS=2000 BENCH_SLO_NIGHTS=20000000 make bench

BENCH_SLO_STACK=DIR keeps the stack in that directory, and what is loaded there already is measured again.
One night in ten is of one large tenant. queryd has no Redis here: every answer is computed.
"""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import statistics
import threading
import time
import urllib.parse

import context as cx
import pgcluster
from harness import Stack, another_queryd
from stacklib.home import Home
from stacklib.servers import Postgres
from table import Wrong

TENANTS = int(os.environ.get("BENCH_SLO_TENANTS", "200"))
NIGHTS = int(os.environ.get("BENCH_SLO_NIGHTS", "600000"))
KEPT = os.environ.get("BENCH_SLO_STACK")
ASKED = min(60, TENANTS - 1)  # tenants that are asked about
STAY = 3                      # nights of a reservation
DAYS = 900
TURNS = 9                     # of each tenant's widget; the first three warm it up
CLIENTS = 6
FIRST = datetime.date(2023, 1, 1)
SOURCE = "sql/warehouse/postgres/queryd/metric_room_night.sql"
COMPUTE = "/api/v1/analytics/metrics/rooms_sold:compute"
RUN = "/api/v1/analytics/queries:run"

# Reservation n arrives by its number, so that a tenant's rows lie apart as they do in time order.
TENANT = "'tnt_01BENCH' || lpad((case when n % 10 = 0 then 0 else n % {tenants} end)::text, 19, '0')"
ARRIVAL = "(date '{first}' + (n::bigint * {days} / {reservations})::integer)"
SEED = """
insert into analytics_curated.dim_property_v1 (tenant_id, property_id, name, timezone, currency, status, created_at,
    last_event_at, _batch_id, _updated_at)
select {tenant}, 'ppt_' || n, 'House', 'UTC', 'USD', 'published', now(), now(), 1, now()
from (select n from generate_series(1, {tenants}) n where n % 10 <> 0 union all select 0) n;
insert into analytics_curated.fact_reservation_v1 (tenant_id, reservation_id, property_id, room_type_id, channel,
    status, booked_at, confirmed_at, arrival_date, departure_date, nights, rooms, adults, lead_time_days,
    room_revenue_micro, total_micro, currency, modifications, last_event_at, night_rows, _batch_id, _updated_at)
select {tenant}, 'rsv_01BENCH' || lpad(n::text, 19, '0'), 'ppt_' || n % {tenants}, 'rmt_a',
    (array['direct', 'ota_a', 'ota_b', 'corporate'])[n % 4 + 1], 'checked_out', {arrival} - interval '31 days',
    {arrival} - interval '31 days', {arrival}, {arrival} + {stay}, {stay}, 1, 2, 31, 300000000, 300000000, 'USD', 0,
    now(), {stay}, 1, now()
from generate_series(1, {reservations}) n;
insert into analytics_curated.fact_room_night_v1 (tenant_id, reservation_id, item_id, stay_date, property_id,
    room_type_id, channel, kind, state, rate_micro, currency, booked_at, lead_time_days, _batch_id, _updated_at)
select {tenant}, 'rsv_01BENCH' || lpad(n::text, 19, '0'), 'i1', {arrival} + k, 'ppt_' || n % {tenants}, 'rmt_a',
    (array['direct', 'ota_a', 'ota_b', 'corporate'])[n % 4 + 1], 'sold', 'stayed', 100000000, 'USD',
    {arrival} - interval '31 days', 31 + k, 1, now()
from generate_series(1, {reservations}) n cross join generate_series(0, {stay} - 1) k;
insert into analytics_run.profile (tenant_id, table_name, day, rows, nulls)
select tenant_id, 'fact_room_night', stay_date, count(*), '{{}}'::jsonb from analytics_curated.fact_room_night_v1 group by 1, 3
union all
select tenant_id, 'fact_reservation', arrival_date, count(*), '{{}}'::jsonb from analytics_curated.fact_reservation_v1 group by 1, 3;
insert into analytics_run.table_state (tenant_id, table_name, data_version, watermark, refreshed_at, rows_in,
    rows_upserted, rows_deleted)
select t.tenant_id, name, 1, now(), now(), 1, 1, 0
from (select distinct tenant_id from analytics_curated.fact_room_night_v1) t
cross join unnest(array['fact_room_night', 'fact_reservation', 'dim_property']) name;
vacuum analyze analytics_curated.dim_property_v1;
vacuum analyze analytics_curated.fact_reservation_v1;
vacuum analyze analytics_curated.fact_room_night_v1;
vacuum analyze analytics_run.profile;
vacuum analyze analytics_run.table_state"""


def tenant(n):
    return f"tnt_01BENCH{n:019}"


def asked_tenants():
    """Of those that have rows: 0 is the large one, and no other is a multiple of ten."""
    step = max(1, TENANTS // ASKED)
    return [tenant(n) for n in range(1, TENANTS, step) if n % 10 != 0][:ASKED]


def load(conn):
    """The last statement leaves a table that says what is loaded, so that half of it is not taken for all."""
    size = f"{TENANTS} tenants, {NIGHTS} nights"
    if conn.query("select to_regclass('public.bench_loaded')")[0][0] is not None:
        loaded = conn.query("select size from public.bench_loaded")[0][0]
        if loaded != size:
            raise Wrong(f"{KEPT} holds {loaded}, not {size}")
        return
    words = {"tenants": TENANTS, "reservations": NIGHTS // STAY, "stay": STAY, "days": DAYS, "first": FIRST}
    words |= {"tenant": TENANT.format(**words), "arrival": ARRIVAL.format(**words)}
    began = time.monotonic()
    for statement in SEED.format(**words).split(";\n"):
        conn.query(statement)
    conn.query(f"create table public.bench_loaded as select '{size}' as size")
    print(f"  {NIGHTS:,} nights of {TENANTS:,} tenants in {time.monotonic() - began:.0f} s", flush=True)


class Client:
    """One connection to queryd that stays open."""

    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        self.http = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
        self.headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}

    def ask(self, path, body):
        """(ms, answer)"""
        began = time.perf_counter()
        self.http.request("POST", path, json.dumps(body), self.headers)
        response = self.http.getresponse()
        text = response.read()
        took = (time.perf_counter() - began) * 1000
        if response.status != 200:
            raise Wrong(f"{body}: {response.status} {text}")
        return took, json.loads(text)


def window(number, days):
    first = FIRST + datetime.timedelta(30 + number * 37 % (DAYS - days - 60))
    return first, first + datetime.timedelta(days - 1)


def widget(number, days=90):
    first, last = window(number, days)
    return {"dateRange": {"from": str(first), "to": str(last)}, "granularity": "day", "dimensions": ["channel"]}


def percentiles(values):
    cut = statistics.quantiles(values, n=100)
    return f"p50/p95/p99 {cut[49]:.2f} / {cut[94]:.2f} / {cut[98]:.2f} ms"


# ---- Q1

class Widget:
    """The statement of a widget on a connection of its own, its values written into it: one message there and
    the rows back. As the tenant it is what queryd sends, in front of it the signed scope; as superuser it
    reads the table, the tenant a literal."""

    VIEW = "tenant_views.fact_room_night f\n where "

    def __init__(self, postgres, of, as_superuser):
        self.postgres, self.of, self.as_superuser = postgres, of, as_superuser
        self.conn = pgcluster.Conn(postgres.url() if as_superuser else postgres.url(of))
        self.conn.query("set plan_cache_mode = force_custom_plan; set jit = off; set max_parallel_workers_per_gather = 0;"
                        "set enable_seqscan = off")
        with open(os.path.join(cx.CHECKOUT, SOURCE), encoding="utf-8") as text:
            self.sql = text.read()
        if self.VIEW not in self.sql:
            raise Wrong(f"{SOURCE} does not read tenant_views.fact_room_night as it did")
        if as_superuser:
            self.sql = self.sql.replace(self.VIEW, f"analytics_curated.fact_room_night_v1 f\n where f.tenant_id = '{of}' and ")

    def scope(self):
        until = int(time.time()) + 60
        mac = hmac.new(self.postgres.home.secret_text("scope.key").encode(), f"{self.of}|all|{self.conn.pid}|{until}".encode(), hashlib.sha256)
        return f"{until}|all|{mac.hexdigest()}"

    def ask(self, number, days=90):
        """(ms, nights sold)"""
        first, last = window(number, days)
        periods = pgcluster.literal([str(first + datetime.timedelta(n)) for n in range(days)])
        values = [f"'{value}'" for value in (first, last, periods, "{channel}")] + ["null"] * 16
        sql = re.sub(r"\$(\d+)", lambda number: values[int(number[1]) - 1], self.sql)
        if not self.as_superuser:
            sql = (f"begin; select tenant_views.set_scope('{self.scope()}'); select tenant_views.group_by_hash();"
                   + sql.rstrip().rstrip(";"))
        began = time.perf_counter()
        rows = self.conn.query(sql)
        took = (time.perf_counter() - began) * 1000
        if not self.as_superuser:
            self.conn.query("commit")
        return took, sum(int(row[10]) for row in rows)


def ratio_of_p95(ours, theirs):
    return statistics.quantiles(ours, n=20)[18] / statistics.quantiles(theirs, n=20)[18]


def bench_widgets(table, url, tokens, postgres):
    """Each tenant is new to queryd, and so are all connections; who asks first alternates."""
    table.part("computed widgets")
    cold, took = [], {"queryd": [], "tenant": [], "bare": []}
    for of, token in tokens.items():
        client = Client(url, token)
        cold.append(client.ask(COMPUTE, widget(0))[0])
        asked = {"queryd": lambda number, client=client: client.ask(COMPUTE, widget(number)),
                 "tenant": Widget(postgres, of, False).ask, "bare": Widget(postgres, of, True).ask}
        for turn in range(TURNS):
            sold = set()
            for who in sorted(asked, reverse=turn % 2):
                ms, answer = asked[who](turn % 3)
                sold.add(answer if who != "queryd" else sum(row["rooms_sold"] for row in answer["rows"]))
                if turn >= 3:  # each window was read once by each
                    took[who].append(ms)
            if len(sold) != 1 or sold == {0}:
                raise Wrong(f"{of}: {sold} nights sold")
    ratio = ratio_of_p95(took["tenant"], took["bare"])
    table.add(f"Q1 warm widget of {len(tokens)} tenants, each on a connection logged in as it, p95 against its SQL with a literal tenant",
              percentiles(took["tenant"]), percentiles(took["bare"]), ratio, "≤ 1.35", ratio <= 1.35)
    table.add("the same over HTTP: request, estimate, budget, versions, JSON", percentiles(took["queryd"]),
              percentiles(took["bare"]), ratio_of_p95(took["queryd"], took["bare"]))
    more = statistics.median(cold) - statistics.median(took["queryd"])
    table.add("first query of a cold tenant: login and what it has, beside a warm one", percentiles(cold),
              percentiles(took["queryd"]), None, "≤ 15 ms more", more <= 15)


# ---- a mixed load

def mixed(number):
    """(kind, path, body)"""
    first, last = window(number, 365)
    within = f"between '{first}' and '{last}'"
    return (
        ("widget", COMPUTE, widget(number)),
        ("widget", COMPUTE, widget(number, 365)),
        ("widget", RUN, {"query": {"metrics": ["rooms_sold", "cancellation_rate", "alos", "lead_time_days"],
                                   "dateRange": {"from": str(first), "to": str(last)}, "granularity": "month",
                                   "compareTo": "same_time_last_year"}}),
        ("sql", RUN, {"sql": f"select property_id, channel, count(*) as n, sum(rate_micro) as revenue from fact_room_night "
                             f"where stay_date {within} group by 1, 2 order by 4 desc"}),
    )[number % 4]


def drive(url, token_list, seconds, offset, took):
    clients, number, until = [Client(url, token) for token in token_list], offset, time.monotonic() + seconds
    while time.monotonic() < until:
        kind, path, body = mixed(number)
        took[kind].append(clients[number % len(clients)].ask(path, body)[0])
        number += 1


def bench_mixed(table, url, tokens):
    table.part("a mixed load")
    shares = [{"widget": [], "sql": []} for _ in range(CLIENTS)]
    token_list = list(tokens.values())
    threads = [threading.Thread(target=drive, args=(url, token_list[n::CLIENTS], 2 * cx.SECONDS, n * 1000, shares[n]))
               for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind, limit, name in (("widget", 800, "widgets"), ("sql", 3000, "ad-hoc SQL")):
        took = [ms for share in shares for ms in share[kind]]
        if len(took) < CLIENTS:
            raise Wrong(f"a mixed load of {len(took)} {name}")
        p95 = statistics.quantiles(took, n=20)[18]
        table.add(f"{name} of {CLIENTS} clients that ask without a pause, {len(took) / (2 * cx.SECONDS):.0f} /s, p95",
                  percentiles(took), "", None, f"≤ {limit} ms", p95 <= limit)


# ---- Q6

def bench_scan(table, url, token, conn):
    """A tenant's count of all of its nights against the least that counts rows of that table: a sequential
    scan of it, which reads those of all tenants; and of a copy that has the tenant's alone, side by side."""
    table.part("a tenant's scan")
    conn.query("drop table if exists public.bench_rows")
    conn.query(f"create table public.bench_rows as select * from analytics_curated.fact_room_night_v1 where tenant_id = '{tenant(0)}'")
    conn.query("vacuum analyze public.bench_rows")
    rows, client = int(conn.query("select count(*) from public.bench_rows")[0][0]), Client(url, token)
    ours, table_scan, copy_scan = [], [], []
    for _ in range(cx.ROUNDS + 1):
        took, answer = client.ask(RUN, {"sql": "select count(*) as n from fact_room_night"})
        ours.append(took)
        if answer["rows"][0]["n"] != rows:
            raise Wrong(f"{answer['rows']} for {rows} rows")
        for name, took in (("analytics_curated.fact_room_night_v1", table_scan), ("public.bench_rows", copy_scan)):
            began = time.perf_counter()
            conn.query(f"select count(*) from {name}")
            took.append((time.perf_counter() - began) * 1000)
    table.compare(f"Q6 ad-hoc count of a tenant's {rows:,} nights, against a sequential count of the table's {NIGHTS:,}",
                  ours[1:], table_scan[1:], "ms", most=1.3, digits=1)
    table.compare("the same, against a sequential count of a copy of them", ours[1:], copy_scan[1:], "ms", digits=1)


def stack_to_load():
    """Of the daemons only queryd runs: the others would check, and count again, what nobody sent."""
    if KEPT is None:
        return cx.new_stack("--no-daemons")
    os.makedirs(KEPT, mode=0o755, exist_ok=True)
    return Stack("bench", directory=KEPT).up("--no-daemons")


def bench_slo(table, _):
    stack = stack_to_load()
    try:
        home = Home(stack.dir)
        postgres = Postgres(home, home.load_state()["ports"]["postgres"])
        conn = pgcluster.Conn(postgres.url())
        conn.query("set jit = off; set max_parallel_workers_per_gather = 0")
        load(conn)
        tokens = {of: stack.token(of, "--ttl", "86400") for of in asked_tenants()}
        large = stack.token(tenant(0), "--ttl", "86400")
        options = {"redis_url": "", "cache_memory": "0B", "query_byte_cap": "1024GiB", "budget_bytes": "1024GiB", "query_timeout": "60s"}
        with another_queryd(stack, **options) as url:  # makes their roles
            for token in (*tokens.values(), large):
                Client(url, token).ask(COMPUTE, widget(0))
        with another_queryd(stack, **options) as url:
            bench_widgets(table, url, tokens, postgres)
            bench_mixed(table, url, tokens)
            bench_scan(table, url, large, conn)
        conn.close()
    finally:
        stack.tool("down", *([] if KEPT else ["--wipe"]))
