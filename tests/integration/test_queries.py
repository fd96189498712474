"""POST queries:run over a simulated hotel group: several metrics at once, compared with SQL of the
test's own over the curated tables, for random questions; windows, calendars, order and pages."""

import datetime as dt
import itertools
import json
import os
import random
import re
import socket
import subprocess
import threading
import urllib.parse
from fractions import Fraction

import pytest

from harness import BIN, another_queryd, http_request, wait_until
from hotel import API, CODES, Hotel, day

FROM, TO = dt.date(2025, 10, 10), dt.date(2025, 12, 8)
WINDOW = {"from": str(FROM), "to": str(TO)}
STAY = ("property_id", "room_type_id", "channel", "market_segment", "rate_plan_id")
SOLD = "kind = 'sold' and state in ('on_books', 'in_house', 'stayed')"

# what a metric is, in the test's words: (table, date, numerator, denominator, dimensions); an amount
# has its currency in the table, or (c) in its property
NIGHT, DAYS, RSV = "fact_room_night", "fact_inventory_day", "fact_reservation"
EVER = f"(select * from analytics_curated.{RSV} where confirmed_at is not null)"
ENDED = f"(select * from analytics_curated.{RSV} where status = 'checked_out' and nights >= 1)"
NIGHTS = f"(select * from analytics_curated.{NIGHT})"
ROOMS = f"(select d.*, date as stay_date, p.currency from analytics_curated.{DAYS} d" \
        " left join analytics_curated.dim_property p using (tenant_id, property_id))"
METRICS = {
    "rooms_sold": ((NIGHTS, "stay_date", f"count(*) filter (where {SOLD})"), None, STAY),
    "room_revenue": ((NIGHTS, "stay_date", f"sum(rate_micro) filter (where {SOLD})"), None, STAY),
    "adr": ((NIGHTS, "stay_date", f"sum(rate_micro) filter (where {SOLD})"),
            (NIGHTS, "stay_date", f"count(*) filter (where {SOLD})"), STAY),
    "occupancy_pct": ((NIGHTS, "stay_date", f"count(*) filter (where {SOLD})"),
                      (ROOMS, "stay_date", "sum(rooms_available)"), STAY[:2]),
    "rooms_available": ((ROOMS, "stay_date", "sum(rooms_available)"), None, STAY[:2]),
    "revpar": ((NIGHTS, "stay_date", f"sum(rate_micro) filter (where {SOLD})"),
               (ROOMS, "stay_date", "sum(rooms_available)"), STAY[:2]),
    "cancellation_rate": ((EVER, "arrival_date", "count(*) filter (where status = 'cancelled')"),
                          (EVER, "arrival_date", "count(*)"), STAY),
    "no_show_rate": ((EVER, "arrival_date", "count(*) filter (where status = 'no_show')"),
                     (EVER, "arrival_date", "count(*) filter (where status in ('checked_in', 'checked_out', 'no_show'))"),
                     STAY),
    "lead_time_days": ((EVER, "arrival_date", "sum(lead_time_days)"), (EVER, "arrival_date", "count(*)"), STAY),
    "alos": ((ENDED, "departure_date", "sum(nights)"), (ENDED, "departure_date", "count(*)"), STAY),
}
AMOUNTS = ("room_revenue", "adr", "revpar")


class Group:
    """One simulated tenant, its token and what SQL says of it."""

    def __init__(self, stack, tenant):
        self.stack, self.tenant = stack, tenant
        self.token = stack.token(tenant)
        # ISO weekday after the weekend; the SQL of a period by its name
        weekend = stack.query("select weekend_days from analytics_curated.dim_tenant where tenant_id = $1", tenant)
        last = max(int(d) for d in weekend[0][0].strip("{}").split(",")) if weekend and weekend[0][0] else 7
        self.week_start = last % 7 + 1
        self.periods = {
            None: "null::date", "day": "{date}",
            "week": f"{{date}} - (extract(isodow from {{date}})::integer - {self.week_start} + 7) % 7",
            **{name: f"date_trunc('{name}', {{date}})::date" for name in ("month", "quarter", "year")}}

    def run(self, token=None, check=200, **query):
        body = {"query": {"dateRange": WINDOW, **query}}
        answer = self.stack.http("POST", "queryd", f"{API}/queries:run", body, token or self.token)
        assert answer.status == check, (query, answer)
        return answer.json()

    def sums(self, part, period, names, where):
        """{(period, names…): sum} of one part."""
        table, date, value = part
        keys = ", ".join([period.format(date=date) + " as period", *names])
        rows = self.stack.query(
            f"select {keys}, coalesce({value}, 0) from (select *, {date} as on_date from {table} t"
            f" where tenant_id = $1 and {date} between $2::date and $3::date) f"
            f" where {where} group by {', '.join(str(n + 1) for n in range(len(names) + 1))}",
            self.tenant, str(FROM), str(TO))
        return {tuple(row[:-1]): int(row[-1]) for row in rows}

    def values(self, metric, period, names, where):
        """{(period, names…): value}; an amount's names end with its currency."""
        numerator, denominator, _ = METRICS[metric]
        names = [*names, "currency"] if metric in AMOUNTS else names
        top = self.sums(numerator, period, names, where)
        if denominator is None:
            return {key: Fraction(value) for key, value in top.items()}
        bottom = self.sums(denominator, period, names, where)
        return {key: Fraction(top.get(key, 0), bottom[key]) if bottom.get(key) else None
                for key in top.keys() | bottom.keys()}


@pytest.fixture(scope="module")
def group(stack, tmp_path_factory):
    lines = subprocess.run(
        [os.path.join(BIN, "hotelsim"), "--seed", "11", "--tenants", "1", "--properties", "3", "--rooms", "9",
         "--from", str(FROM), "--to", str(TO), "--domains", "reservation,property,inventory,tenant"],
        capture_output=True, check=True, timeout=120).stdout
    stack.send_events(lines)
    stack.wait()
    tenant, = set(re.findall(r"\btnt_[0-9A-HJKMNP-TV-Z]{26}\b", lines.decode()))
    return Group(stack, tenant)


def same(served, wanted):
    if served is None or wanted is None:
        return served is None and wanted is None
    if isinstance(served, str):  # micro-units, halves to even
        return int(served) == round(wanted)
    return abs(served - float(wanted)) <= 1e-12 * max(1, abs(wanted))


def random_filters(rng, group, names):
    """(filters of the request, the same as SQL)"""
    filters, clauses = [], ["true"]
    for name in rng.sample(names, rng.randrange(0, min(3, len(names) + 1))):
        known = [row[0] for row in group.stack.query(
            f"select distinct coalesce({name}, 'unknown') from analytics_curated.{NIGHT} where tenant_id = $1"
            " order by 1", group.tenant)]
        op = rng.choice(("eq", "ne", "in", "not_in"))
        if name == "property_id" and op in ("ne", "not_in"):
            op = "in"
        values = rng.sample(known, 1 if op in ("eq", "ne") else min(2, len(known)))
        filters.append({"dimension": name, "op": op, "values": values})
        quoted = ", ".join("'" + v.replace("'", "''") + "'" for v in values)
        clauses.append(f"coalesce({name}, 'unknown') {'not ' if op in ('ne', 'not_in') else ''}in ({quoted})")
    return filters, " and ".join(clauses)


@pytest.mark.parametrize("seed", range(24))
def test_random_queries_are_what_sql_says(group, seed):
    rng = random.Random(seed)
    metrics = rng.sample(sorted(METRICS), rng.randrange(1, 6))
    common = [d for d in STAY if all(d in METRICS[m][2] for m in metrics)]
    names = sorted(rng.sample(common, rng.randrange(0, min(3, len(common)) + 1)), key=STAY.index)
    granularity = rng.choice(list(group.periods))
    filters, where = random_filters(rng, group, common)
    result = group.run(metrics=metrics, dimensions=names, filters=filters,
                       **({"granularity": granularity} if granularity else {}))
    wanted = {m: group.values(m, group.periods[granularity],
                              [f"coalesce({n}, 'unknown') as {n}" for n in names], where) for m in metrics}
    columns = [c["name"] for c in result["columns"]]
    assert columns == [*(["date"] if granularity else []), *names,
                       *(["currency"] if set(metrics) & set(AMOUNTS) else []), *metrics]
    seen = set()
    for row in result["rows"]:
        key = (row.get("date"), *(row[n] for n in names))
        seen.add(key)
        for m in metrics:
            at = (*key, row["currency"]) if m in AMOUNTS else key
            none = None if METRICS[m][1] else 0
            assert same(row[m], wanted[m].get(at, none)), (m, at, row[m], wanted[m].get(at))
    for m in metrics:  # nothing of SQL's is missing
        for at, value in wanted[m].items():
            assert not value or at[:len(names) + 1] in seen, (m, at)
    assert len(result["rows"]) == len({tuple(r.get(c) for c in columns if c not in metrics) for r in result["rows"]})


def test_a_metric_means_the_same_beside_others(group):
    """One by one and all at once; totals too."""
    keys = ["occupancy_pct", "rooms_sold", "cancellation_rate", "alos"]
    together = group.run(metrics=keys, granularity="month", dimensions=["property_id"])
    for key in keys:
        alone = group.run(metrics=[key], granularity="month", dimensions=["property_id"])
        pairs = {(r["date"], r["property_id"]): r[key] for r in alone["rows"]}
        assert all(pairs.get((r["date"], r["property_id"]), r[key]) == r[key] for r in together["rows"])
        assert together["totals"][key] == alone["totals"][key]
    assert together["metricVersions"] == dict.fromkeys(keys, 1)
    assert set(together["definitionHashes"]) == set(keys)
    whole = group.run(metrics=keys)
    assert len(whole["rows"]) == 1 and whole["totals"] == {k: whole["rows"][0][k] for k in keys}


def test_compared_windows_are_those_of_a_query_of_their_own(group):
    first = next(d for d in (dt.date(2025, 11, n) for n in range(8, 15)) if d.isoweekday() == group.week_start)
    window = {"from": str(first), "to": str(first + dt.timedelta(13))}  # two whole weeks
    for compare, granularity, shift in (("previous_period", None, 14), ("previous_period", "day", 14),
                                        ("previous_period", "week", 14), ("same_time_last_year", "day", 364)):
        periods = {"granularity": granularity} if granularity else {}
        both = group.run(metrics=["rooms_sold", "occupancy_pct"], dateRange=window, compareTo=compare, **periods)
        before = {k: str(day(v) - dt.timedelta(shift)) for k, v in window.items()}
        assert both["comparedTo"] == before
        there = group.run(metrics=["rooms_sold", "occupancy_pct"], dateRange=before, **periods)
        assert len(both["rows"]) == len(there["rows"])
        for row, old in zip(both["rows"], there["rows"]):
            assert row["rooms_sold_previous"] == old["rooms_sold"]
            assert row["occupancy_pct_previous"] == old["occupancy_pct"]
            base = old["rooms_sold"]
            change = (row["rooms_sold"] - base) / base if base else None
            assert row["rooms_sold_change"] == (pytest.approx(change) if base else None)
        assert both["totals"]["rooms_sold_previous"] == there["totals"]["rooms_sold"]


def test_solar_hijri_months(group):
    result = group.run(metrics=["rooms_sold"], granularity="month", calendar="solar_hijri")
    wanted = group.stack.query(
        f"select min(m.first)::date, count(*) filter (where {SOLD}) from analytics_curated.fact_room_night f"
        " join analytics_curated.dim_calendar c on c.date = f.stay_date join (select solar_hijri_year y,"
        " solar_hijri_month m, min(date) as first from analytics_curated.dim_calendar group by 1, 2) m"
        " on (m.y, m.m) = (c.solar_hijri_year, c.solar_hijri_month)"
        " where tenant_id = $1 and stay_date between $2::date and $3::date group by m.y, m.m order by 1",
        group.tenant, str(FROM), str(TO))
    assert [[r["date"], str(r["rooms_sold"])] for r in result["rows"]] == wanted
    assert [r["date"] for r in result["rows"]] == ["2025-09-23", "2025-10-23", "2025-11-22"]


def test_weeks_begin_after_the_tenants_weekend(stack):
    hotel = Hotel("friday")
    hotel.property("p", 2)
    hotel.event("tenant.created", "2024-01-01T00:00", {"name": "x", "timezone": "UTC", "weekendDays": [5]})
    hotel.stay("p", 1, "2024-06-14", 1)  # a Friday
    hotel.stay("p", 2, "2024-06-15", 1)
    hotel.send(stack)
    rows = Group(stack, hotel.tenant).run(metrics=["rooms_sold"], granularity="week", dateRange={
        "from": "2024-06-10", "to": "2024-06-16"})["rows"]
    assert rows == [{"date": "2024-06-08", "rooms_sold": 1}, {"date": "2024-06-15", "rooms_sold": 1}]


# ---- order and pages

def test_order_and_pages(group):
    query = {"metrics": ["adr", "rooms_sold"], "dimensions": ["property_id", "channel"], "granularity": "week"}
    whole = group.run(**query)
    for order in ([], [{"column": "adr", "direction": "desc"}, {"column": "date"}],
                  [{"column": "rooms_sold"}], [{"column": "channel", "direction": "desc"}]):
        ordered = group.run(**query, orderBy=order)
        assert sorted(map(json.dumps, ordered["rows"])) == sorted(map(json.dumps, whole["rows"]))
        for term in order[:1]:
            got = [r[term["column"]] for r in ordered["rows"]]
            known = [int(v) if term["column"] == "adr" else v for v in got if v is not None]
            assert got[len(known):] == [None] * (len(got) - len(known))
            assert known == sorted(known, reverse=term.get("direction") == "desc")
        rows, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            page = group.run(**query, orderBy=order, limit=17, **({"cursor": cursor} if cursor else {}))
            assert page["truncated"] == (page["nextCursor"] is not None)
            assert page["totals"] == ordered["totals"] and len(page["rows"]) <= 17
            rows, cursor, pages = rows + page["rows"], page["nextCursor"], pages + 1
        assert rows == ordered["rows"] and pages == -(-len(rows) // 17)


def test_foreign_and_forged_cursors(group):
    query = {"metrics": ["rooms_sold"], "dimensions": ["property_id"], "granularity": "day", "limit": 5}
    cursor = group.run(**query)["nextCursor"]
    one = group.run(metrics=["rooms_sold"], dimensions=["property_id"])["rows"][0]["property_id"]
    scoped = group.stack.token(group.tenant, "--role", "manager", "--property", one)
    group.run(**query, cursor=cursor)
    group.run(**{**query, "limit": 7}, cursor=cursor)  # the size of a page may change
    mac, _, position = cursor.partition(".")
    for forged in (cursor[:-2] + "00", "0" * 32 + "." + position, mac, mac + ".", position, "x", cursor + "0", "é"):
        assert group.run(**query, cursor=forged, check=400)["violations"][0]["field"] == "cursor"
    for other in ({"granularity": "week"}, {"metrics": ["rooms_occupied"]}, {"orderBy": [{"column": "date"}]},
                  {"dateRange": {"from": str(FROM), "to": "2025-12-01"}}):
        group.run(**{**query, **other}, cursor=cursor, check=400)
    group.run(token=scoped, **query, cursor=cursor, check=400)
    Group(group.stack, Hotel("stranger").tenant).run(**query, cursor=cursor, check=400)


# ---- limits, permissions, faults

def test_refused_queries(group):
    cases = [
        ({"metrics": []}, "metrics"), ({"metrics": "adr"}, "metrics"), ({"metrics": ["adr"] * 13}, "metrics"),
        ({"metrics": ["adr", "adr"]}, "metrics[1]"), ({"metrics": ["adr@x"]}, "metrics[0]"),
        ({"metrics": ["adr", "revpar"], "dimensions": ["channel"]}, "dimensions[0]"),
        ({"metrics": ["channel_mix", "occupancy_pct"]}, "metrics"),
        ({"metrics": ["adr"], "orderBy": [{"column": "date"}]}, "orderBy[0].column"),
        ({"metrics": ["adr"], "orderBy": [{"column": "adr", "direction": "up"}]}, "orderBy[0].direction"),
        ({"metrics": ["adr"], "limit": 0}, "limit"), ({"metrics": ["adr"], "version": 1}, "version"),
        ({"metrics": ["adr"], "asOf": "2025-01-01T00:00:00Z"}, "asOf"),
        ({"metrics": ["adr"], "params": {"days": 7}}, "params.days"),
        ({"metrics": ["rooms_sold"], "currency": "USD"}, "currency"),
    ]
    for query, field in cases:
        problem = group.run(**query, check=400)
        assert field in [v["field"] for v in problem["violations"]], (query, problem)
    for metrics in (["nothing"], ["adr@9"], ["adr", "x"]):
        assert group.run(metrics=metrics, check=404)["code"] == CODES + "ANALYTICS.METRIC_NOT_FOUND"
    wide = {"dateRange": {"from": "2016-01-01", "to": "2025-12-31"}, "granularity": "day"}
    code = group.run(metrics=["adr", "rooms_sold"], dimensions=["property_id", "channel", "market_segment"], **wide,
                     check=422)["code"]
    assert code == CODES + "ANALYTICS.QUERY_REJECTED"


def test_envelope(group):
    def ask(body, role="manager", path="queries:run"):
        one = group.run(metrics=["rooms_sold"], dimensions=["property_id"])["rows"][0]["property_id"]
        token = group.stack.token(group.tenant, "--role", role, "--property", one)
        return group.stack.http("POST", "queryd", f"{API}/{path}", body, token)

    query = {"metrics": ["rooms_sold"], "dateRange": WINDOW}
    assert ask({"query": query}).json()["rows"] == ask({"query": query}, path="queries/run").json()["rows"]
    assert ask({"query": query}, role="staff").status == 403
    for bad in ({}, {"query": 1}, {"query": query, "x": 1}, {"query": query, "dryRun": 1},
                {"query": query, "deadlineMs": 0}, {"query": query, "deadlineMs": "1"}):
        answer = ask(bad)
        assert answer.status == 400 and answer.headers["X-Cache"] == "BYPASS", bad
    dry = ask({"query": {**query, "compareTo": "previous_period"}, "dryRun": True, "deadlineMs": 9000})
    result = dry.json()
    assert dry.status == 200 and result["rows"] == [] and result["totals"] is None and result["bytesScanned"] == 0
    assert [c["name"] for c in result["columns"]] == ["rooms_sold", "rooms_sold_previous", "rooms_sold_change"]
    assert ask({"query": {**query, "limit": 0}, "dryRun": True}).status == 400


def lock_fact(stack):
    """A transaction that keeps readers of fact_payment waiting; commit it with the second value."""
    import pgcluster
    conn = pgcluster.Conn(stack.env["DATABASE_URL"])
    conn.query("begin")
    conn.query("lock table analytics_curated.fact_payment_v1 in access exclusive mode")
    return conn


def waiting(stack, tenant):
    return stack.query("select pid from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'", tenant)


def test_deadline(group):
    body = {"query": {"metrics": ["payment_success_rate"], "dateRange": WINDOW}, "deadlineMs": 150}
    conn = lock_fact(group.stack)
    answer = group.stack.http("POST", "queryd", f"{API}/queries:run", body, group.token)
    assert answer.status == 504 and answer.json()["code"] == CODES + "ANALYTICS.QUERY_TIMEOUT"
    wait_until(lambda: not waiting(group.stack, group.tenant))  # cancelled on the server too
    conn.query("commit")


def test_an_explanation_nobody_waits_for_ends_on_the_server(group):
    path = f"{API}/metrics/payment_success_rate/explain?from={FROM}&to={TO}"
    with another_queryd(group.stack, query_timeout="60s") as url:
        conn, to = lock_fact(group.stack), urllib.parse.urlsplit(url)
        with socket.create_connection((to.hostname, to.port)) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: q\r\nAuthorization: Bearer {group.token}\r\n\r\n".encode())
            wait_until(lambda: waiting(group.stack, group.tenant))
        wait_until(lambda: not waiting(group.stack, group.tenant), 20)
        conn.query("commit")
        assert http_request("GET", url + path, None, {"Authorization": f"Bearer {group.token}"}).status == 200


def test_a_lost_connection_is_replaced(group):
    """The server drops the connection with the statements on it: the client does not notice."""
    conn, answers = lock_fact(group.stack), []
    ask = threading.Thread(target=lambda: answers.append(group.run(metrics=["payment_success_rate"], granularity="day")))
    ask.start()
    first = wait_until(lambda: waiting(group.stack, group.tenant))[0][0]
    group.stack.query("select pg_terminate_backend($1)", first)
    again = wait_until(lambda: [w for w in waiting(group.stack, group.tenant) if w[0] != first])
    assert again
    conn.query("commit")
    ask.join()
    assert len(answers) == 1 and len(answers[0]["rows"]) == (TO - FROM).days + 1


# ---- who sees some properties only

def test_properties_outside_the_scope(group):
    mine, other = [r["property_id"] for r in group.run(metrics=["rooms_sold"], dimensions=["property_id"])["rows"]][:2]
    token = group.stack.token(group.tenant, "--role", "manager", "--property", mine)
    for op in ("eq", "in", "ne", "not_in"):
        problem = group.run(token=token, metrics=["rooms_sold"], check=403, filters=[
            {"dimension": "property_id", "op": op, "values": [other]}])
        assert problem["code"] == CODES + "ANALYTICS.PROPERTY_SCOPE_VIOLATION"
    for metric in METRICS:
        seen = group.run(token=token, metrics=[metric])
        only = group.run(metrics=[metric], filters=[{"dimension": "property_id", "op": "eq", "values": [mine]}])
        assert (seen["rows"], seen["totals"]) == (only["rows"], only["totals"])


def test_figures_of_all_properties_are_hidden(group):
    mine = group.run(metrics=["rooms_sold"], dimensions=["property_id"])["rows"][0]["property_id"]
    scoped = group.stack.token(group.tenant, "--role", "tenant.admin", "--property", mine)

    def get(path, token):
        return group.stack.http("GET", "queryd", API + path, token=token).json()

    full, part = get("/projections", group.token)["items"], get("/projections", scoped)["items"]
    hidden = ("watermark", "freshnessSeconds", "withinSlo", "lastRun")
    assert any(p["watermark"] and p["lastRun"] for p in full)
    assert all(p[h] is None for p in part for h in hidden)
    assert [p["key"] for p in part] == [p["key"] for p in full]
    wait_until(lambda: get("/data-quality", group.token)["items"])
    full, part = get("/data-quality?limit=100", group.token)["items"], get("/data-quality?limit=100", scoped)["items"]
    assert full and all(r["since"] and r["evaluatedAt"] for r in full)
    for checked in part:
        assert all(checked[h] is None for h in ("observed", "expected", "since", "evaluatedAt", "dataVersion"))
        assert checked["state"] in ("pass", "fail", "unknown")


def test_every_answer_has_its_headers(group):
    for token, method, path, body in itertools.product(
            (None, group.token), ("POST",), ("/queries:run", "/metrics/adr:compute", "/metrics/nope:compute"),
            (None, {}, {"query": {"metrics": ["adr"]}})):
        answer = group.stack.http(method, "queryd", API + path, body, token)
        assert answer.headers["X-Correlation-Id"] and int(answer.headers["X-RateLimit-Remaining"]) > 0
        if token:
            assert answer.headers["X-Bytes-Scanned"].isdigit() and answer.headers["X-Cache"]
        if answer.status == 200:
            assert answer.headers["ETag"]
