"""What a query was estimated to read against what it read (Q5): every metric over windows of many
lengths, and SQL such as people write, of tenants of many sizes.

BENCH_COST_RESERVATIONS=1000 of BENCH_COST_TENANTS=6 tenants; the estimate is the difference that a
query makes to queryd's counter of estimated bytes, what was read is what its answer says.
"""

import datetime
import itertools
import os
import random
import re
import statistics
import subprocess

import context as cx
from table import Wrong

RESERVATIONS = int(os.environ.get("BENCH_COST_RESERVATIONS", "1000"))
TENANTS = int(os.environ.get("BENCH_COST_TENANTS", "6"))
FROM, TO = "2024-01-01", "2025-12-31"
ROW = 256
RUN = "/api/v1/analytics/queries:run"
SHAPES = ((7, None), (30, "day"), (90, "week"), (365, "month"), (731, None))

# {f} and {t}: the window
SQL = (
    "select count(*) as n from fact_room_night",
    "select count(*) as n from fact_room_night where stay_date between '{f}' and '{t}'",
    "select property_id, sum(rate_micro) as revenue from fact_room_night where stay_date >= date '{f}' and "
    "stay_date <= date '{t}' and kind = 'sold' and state in ('on_books', 'in_house', 'stayed') group by 1 order by 2 desc",
    "select channel, count(*) as n from fact_reservation where arrival_date between '{f}' and '{t}' group by 1",
    "select status, avg(nights) as nights from fact_reservation where departure_date > '{f}' and departure_date < '{t}' group by 1",
    "select date_trunc('month', booked_at) as month, count(*) as n from fact_reservation group by 1 order by 1",
    "select method, sum(amount_micro) as paid from fact_payment where business_date between '{f}' and '{t}' group by 1",
    "select p.name, count(*) as n from fact_room_night n join dim_property p on p.property_id = n.property_id "
    "where n.stay_date between '{f}' and '{t}' group by 1",
    "select r.channel, count(*) as nights from fact_reservation r join fact_room_night n on n.reservation_id = r.reservation_id "
    "where r.arrival_date between '{f}' and '{t}' and n.stay_date between '{f}' and '{t}' group by 1",
    "with sold as (select property_id, stay_date, count(*) as rooms from fact_room_night where kind = 'sold' and "
    "stay_date between '{f}' and '{t}' group by 1, 2) select d.date, coalesce(sum(s.rooms), 0) as rooms from dim_calendar d "
    "left join sold s on s.stay_date = d.date where d.date between '{f}' and '{t}' group by 1 order by 1",
    "select property_id, room_type_id, avg(rooms_available) as rooms from fact_inventory_day where date between '{f}' and '{t}' "
    "group by 1, 2",
    "select reservation_id, arrival_date from fact_reservation order by arrival_date desc limit 20",
    "select count(*) as n from fact_reservation where arrival_date >= '{f}' and channel in (select channel from fact_reservation "
    "where arrival_date < '{f}')",
    "select count(*) as n from fact_reservation r where arrival_date between '{f}' and '{t}' and exists (select 1 from "
    "fact_payment y where y.business_date between '{f}' and '{t}' and y.property_id = r.property_id)",
    "select property_id, max(stay_date) as last from fact_room_night group by 1",
    "select count(*) as n from fact_housekeeping_task where business_date between '{f}' and '{t}'",
    "select count(*) as n from fact_room_night_history where stay_date between '{f}' and '{t}' and rooms_delta < 0",
    "select a.n, b.n as m from (select count(*) as n from fact_room_night where stay_date <= '{t}') a, (select count(*) as n from "
    "fact_payment where business_date <= '{t}') b",
    "select stay_date, count(*) as n, lag(count(*)) over (order by stay_date) as before from fact_room_night where stay_date between "
    "'{f}' and '{t}' group by 1",
    "select p.property_id, (select count(*) from fact_room_night n where n.property_id = p.property_id and n.stay_date between "
    "'{f}' and '{t}') as nights from dim_property p",
)


def counter(stack):
    text = stack.http("GET", "queryd", "/metrics").body.decode()
    return int(float(re.search(r"^query_estimated_bytes_total (\S+)$", text, re.M)[1]))


def window(rng, days, first, last):
    begin = first + datetime.timedelta(rng.randrange(max(1, (last - first).days + 2 - days)))
    return {"from": str(begin), "to": str(begin + datetime.timedelta(days - 1))}


def questions(rng, metrics, first, last):
    """(what, body), some 250 of them, within days on which there is something."""
    for metric, (days, granularity) in itertools.product(metrics, SHAPES):
        query = {"metrics": [metric], "dateRange": window(rng, days, first, last)}
        if granularity:
            query["granularity"] = granularity
        yield metric, {"query": query}
    for sql, (days, _) in itertools.product(SQL, SHAPES):
        within = window(rng, days, first, last)
        yield "sql", {"sql": sql.format(f=within["from"], t=within["to"])}


def load(stack):
    path = os.path.join(cx.WORK, "cost.ndjson")
    with open(path, "wb") as out:
        subprocess.run([os.path.join(cx.CHECKOUT, "tools", "hotelsim"), "--tenants", str(TENANTS),
                        "--properties", str(TENANTS * 3), "--reservations", str(RESERVATIONS), "--from", FROM,
                        "--to", TO], stdout=out, check=True)
    subprocess.run([os.path.join(cx.CHECKOUT, "tools", "replay"), path, "--url", stack.env["INGESTD_URL"], "--batch", "500"],
                   env={**os.environ, "INGESTD_TOKEN": stack.env["INGESTD_TOKEN"]}, check=True, timeout=cx.WAIT,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.wait(cx.WAIT)
    stack.psql("vacuum analyze")
    return [row[0] for row in stack.psql("select tenant_id from analytics_curated.fact_room_night group by 1 order by 1")]


def measure(stack):
    """[(ratio, what, estimate, read)] of the questions that read something."""
    rng, tenants = random.Random(5), load(stack)
    metrics = [m["key"] for m in stack.http(
        "GET", "queryd", "/api/v1/analytics/metrics", token=stack.token(tenants[0], "--ttl", "86400")).json()["items"]]
    first, last = (datetime.date.fromisoformat(day) for day in stack.psql(
        "select min(stay_date), max(stay_date) from analytics_curated.fact_room_night")[0])
    tokens, found = [stack.token(tenant, "--ttl", "86400") for tenant in tenants], []
    for number, (what, body) in enumerate(questions(rng, metrics, first, last)):
        before = counter(stack)
        answer = stack.http("POST", "queryd", RUN, body, tokens[number % len(tokens)])
        if answer.status != 200:
            raise Wrong(f"{body}: {answer.status} {answer.body}")
        if answer.headers["X-Cache"] == "HIT":
            continue
        estimate, read = counter(stack) - before, answer.json()["bytesScanned"]
        found.append(((estimate + ROW) / (read + ROW), what, estimate, read, body))
    return found


def bench_cost(table, _):
    table.part("cost")
    stack = cx.new_stack()
    try:
        found = measure(stack)
    finally:
        cx.close(stack)
    ratios = [row[0] for row in found]
    within = sum(0.5 <= ratio <= 2 for ratio in ratios) / len(ratios)
    tenths = statistics.quantiles(ratios, n=10)
    for ratio, what, estimate, read, body in sorted(found, key=lambda row: row[0]):
        if not 0.5 <= ratio <= 2:
            print(f"    {ratio:.2f} {what}: {estimate // ROW} for {read // ROW} rows: {body}")
    table.add(f"Q5 estimate / read of {len(found)} queries, share within 0.5 to 2", f"{100 * within:.1f} %",
              f"p10 {tenths[0]:.2f}, p50 {statistics.median(ratios):.2f}, p90 {tenths[8]:.2f}", None, "≥ 95 %",
              within >= 0.95)
