"""What queries cost: the cap of one, a tenant's budget of a day, what is told and kept of them."""

import json
import re

from boards import User
from events import ident
from harness import another_queryd, http_request, wait_until
from hotel import API, CODES, STAYED, Hotel

CAP, BUDGET = CODES + "ANALYTICS.QUERY_BYTE_CAP_EXCEEDED", CODES + "ANALYTICS.BUDGET_EXCEEDED"
SQL = "select count(*) as n from fact_room_night"


def hotel_of(stack, name):
    hotel = Hotel(name)
    hotel.property("p", 5)
    for n in range(40):
        hotel.stay("p", n, f"2024-03-{n % 28 + 1:02d}", 2, then=STAYED)
    hotel.send(stack)
    return hotel


class Asker:
    """Queries of one tenant at one of the processes; each is another one unless it is said."""

    def __init__(self, stack, hotel, url=None, role="tenant.owner"):
        self.base = url or stack.env["QUERYD_URL"]
        self.headers = {"Authorization": "Bearer " + stack.token(hotel.tenant, "--role", role)}
        self.n = 0

    def ask(self, method, path, body=None):
        return http_request(method, self.base + API + path, body, self.headers)

    def metric(self, days=None, dry=False):
        self.n += 1
        query = {"metrics": ["rooms_sold"], "dateRange": {"from": "2024-01-01", "to": f"2024-12-{days or self.n % 28 + 1:02d}"}}
        return self.ask("POST", "/queries:run", {"query": query, "dryRun": dry})

    def sql(self, **more):
        return self.ask("POST", "/queries:run", {"sql": SQL, **more})

    def explain(self, since="2024-03-01"):
        return self.ask("GET", f"/metrics/rooms_sold/explain?from={since}&to=2024-12-31")

    def budget(self):
        answer = self.ask("GET", "/budget")
        assert answer.status == 200, answer
        return answer.json()


def events(stack, tenant, subject):
    return [json.loads(row[0])["payload"] for row in stack.query(
        "select envelope from analytics_run.outbox where tenant_id = $1 and subject = $2 order by outbox_id",
        tenant, f"melmastoon.analytics.{subject}.v1")]


def log(stack, tenant):
    return [tuple(row) for row in stack.query(
        "select kind, outcome, times from analytics.query_log where tenant_id = $1 order by kind, outcome", tenant)]


def test_a_query_has_a_cap(stack):
    """Whether it is over is all that is said: the figure is made of every tenant's statistics."""
    tenant = hotel_of(stack, "capped")
    user = User(stack, tenant.tenant, "capped")
    board = user.board()["id"]
    query = {"metrics": ["rooms_sold"], "dateRange": {"from": "2024-03-01", "to": "2024-03-31"}}
    widget = user.post(f"/dashboards/{board}/widgets", {
        "kind": "kpi_tile", "title": "Sold", "query": query, "layout": {"x": 0, "y": 0, "w": 4, "h": 4}}).json()["id"]
    assert user.get(f"/widgets/{widget}/data").status == 200
    free = Asker(stack, tenant)
    with another_queryd(stack, query_byte_cap="8KiB", cache_ttl="1s") as url:
        capped = Asker(stack, tenant, url)
        refused = [capped.metric(), capped.metric(dry=True), capped.sql(), capped.sql(dryRun=True), capped.explain()]
        for answer in refused:
            assert (answer.status, answer.json()["code"]) == (413, CAP), answer
            assert not re.search(r"\d", answer.json()["detail"]) and answer.headers["X-Bytes-Scanned"] == "0"
        answer = capped.ask("GET", f"/widgets/{widget}/data?from=2024-02-01&to=2024-03-31")
        assert (answer.status, answer.json()["code"]) == (413, CAP)
        board = capped.ask("GET", f"/dashboards/{board}/data?from=2024-02-02&to=2024-03-31")
        assert board.status == 200 and board.json()["widgets"][0]["status"] == 413
        # nothing was read; what the first process holds for a moment counts until it is given back
        wait_until(lambda: capped.budget()["bytesUsed"] == free.budget()["bytesUsed"])
    for answer in (free.metric(), free.metric(dry=True), free.sql(), free.sql(dryRun=True), free.explain()):
        assert answer.status == 200, answer
    wait_until(lambda: ("sql", CAP, "1") in log(stack, tenant.tenant))

    def told():
        return [e for e in events(stack, tenant.tenant, "query.executed") if e["outcome"] == CAP]

    # every one, the dry ones, those of the board and the explanation as well
    wait_until(lambda: sum(e["times"] for e in told()) >= 7)
    assert sum(e["times"] for e in told() if e["kind"] == "structured") == 5 and sum(e["times"] for e in told()) == 7
    assert all(e["bytesScanned"] == 0 and not e["sampled"] for e in told())


def test_what_was_read_is_what_is_charged(stack):
    tenant = hotel_of(stack, "charged")
    asker = Asker(stack, tenant)
    assert asker.budget()["bytesUsed"] == 0
    read = 0
    for answer in [asker.metric() for _ in range(5)] + [asker.sql() for _ in range(3)]:
        assert answer.status == 200, answer
        read += answer.json()["bytesScanned"]
    explained = asker.explain()
    assert int(explained.headers["X-Bytes-Scanned"]) > 0
    read += int(explained.headers["X-Bytes-Scanned"])
    wait_until(lambda: asker.budget()["bytesUsed"] == read)
    # given back to the database too, where other processes look
    wait_until(lambda: stack.query("select used_bytes from analytics.budgets where tenant_id = $1", tenant.tenant) ==
               [[str(read)]])
    assert asker.metric(days=2).headers["X-Cache"] == "HIT" and asker.budget()["bytesUsed"] == read
    wait_until(lambda: stack.query(
        "select sum(bytes_scanned), sum(times) from analytics.query_log where tenant_id = $1",
        tenant.tenant) == [[str(read), "9"]])


def test_a_dry_run_gives_nothing_back(stack):
    """It was charged nothing. Corrected by its estimate, it would make the budget larger."""
    tenant = hotel_of(stack, "dry")
    asker = Asker(stack, tenant)
    read = asker.sql().json()["bytesScanned"]
    wait_until(lambda: asker.budget()["bytesUsed"] == read > 0)
    for _ in range(3):
        assert asker.sql(dryRun=True).status == asker.metric(dry=True).status == 200
        assert asker.ask("POST", "/queries:run", {"sql": "select no_such_column from fact_room_night"}).status == 422
    assert asker.budget()["bytesUsed"] == read


# What is read of the rows of hotel_of(): all of them, some days of them, for each of others, as many as are asked for.
ESTIMATED = [
    {"query": {"metrics": ["rooms_sold"], "dateRange": {"from": "2024-03-01", "to": "2024-03-31"}}},
    {"query": {"metrics": ["occupancy_pct", "adr", "cancellation_rate"], "dateRange": {"from": "2024-03-05", "to": "2024-03-11"},
               "granularity": "day", "compareTo": "previous_period"}},
    {"sql": SQL},
    {"sql": "select stay_date from fact_room_night limit 5"},
    {"sql": "select channel, count(*) as n from fact_reservation where arrival_date between '2024-03-10' and '2024-03-20' group by 1"},
    {"sql": "select count(*) as n from fact_room_night n join fact_reservation r on r.reservation_id = n.reservation_id"},
    {"sql": "select p.name, (select count(*) from fact_room_night n where n.property_id = p.property_id) as n from dim_property p"},
]
# a hundred times what hotel_of() has, of another tenant, on the same days
NEIGHBOUR = """
insert into analytics_curated.fact_reservation_v1 (tenant_id, reservation_id, channel, status, arrival_date, departure_date, booked_at,
    rooms, room_revenue_micro, modifications, last_event_at, night_rows, _batch_id, _updated_at)
select $1, 'rsv_' || n, 'direct', 'checked_in', date '2024-03-01' + n % 28, date '2024-03-03' + n % 28, now(), 1, 0, 0, now(), 2, 1, now()
from generate_series(1, 4000) n;
insert into analytics_curated.fact_room_night_v1 (tenant_id, reservation_id, item_id, stay_date, channel, kind, state,
    rate_micro, currency, booked_at, lead_time_days, _batch_id, _updated_at)
select $1, 'rsv_' || n, 'i' || k, date '2024-03-01' + n % 28 + k, 'direct', 'sold', 'in_house', 1000000, 'USD', now(), 1, 1, now()
from generate_series(1, 4000) n cross join generate_series(0, 1) k;
analyze analytics_curated.fact_reservation_v1;
analyze analytics_curated.fact_room_night_v1;
"""


def estimates(stack, tenant):
    """What a process that knows nothing yet charges for each of ESTIMATED, and what was read of it."""
    def counted(url):
        text = http_request("GET", url + "/metrics").body.decode()
        return int(float(re.search(r"^query_estimated_bytes_total (\S+)$", text, re.M)[1]))

    found = []
    with another_queryd(stack, redis_url="redis://127.0.0.1:1") as url:  # every answer is computed
        asker = Asker(stack, tenant, url)
        for body in ESTIMATED:
            before = counted(url)
            answer = asker.ask("POST", "/queries:run", body)
            assert answer.status == 200, answer
            found.append((counted(url) - before, answer.json()["bytesScanned"]))
    return found


def test_an_estimate_knows_one_tenant(stack):
    """Whatever the others have, what would be refused is the same; and it is what is read, give or take."""
    tenant, other = hotel_of(stack, "estimated"), hotel_of(stack, "large neighbour")
    stack.query("analyze")
    before = estimates(stack, tenant)
    for estimate, read in before:
        assert 0 < read and 0.5 <= estimate / read <= 2, before
    for statement in NEIGHBOUR.strip().rstrip(";").split(";\n"):
        stack.query(statement, *[other.tenant] * ("$1" in statement))
    assert [estimate for estimate, _ in estimates(stack, tenant)] == [estimate for estimate, _ in before]
    # a day later, so to speak, of more rows of its own
    tenant.events.clear()
    for n in range(40, 80):
        tenant.stay("p", n, f"2024-03-{n % 28 + 1:02d}", 2, then=STAYED)
    tenant.send(stack)
    after = estimates(stack, tenant)
    assert after[2][0] == 2 * before[2][0] and after[2][1] == 2 * before[2][1]


def test_only_owners_see_the_budget(stack):
    hotel = Hotel("nothing read")
    for role in ("tenant.admin", "manager", "staff"):
        assert Asker(stack, hotel, role=role).ask("GET", "/budget").status == 403
    budget = Asker(stack, hotel).budget()
    assert budget["bytesCap"] == 100 << 30 and budget["resetsAt"].endswith("T00:00:00Z")


def test_a_budget_ends(stack):
    """Over processes, for one tenant, but not for answers that are there; told once at 80 and at 100 per cent."""
    tenant, other = hotel_of(stack, "poor"), hotel_of(stack, "neighbour")
    stack.query("insert into analytics.budgets (tenant_id, day, cap_bytes, own_cap) "
                "values ($1, (now() at time zone 'UTC')::date - 1, 524288, true)", tenant.tenant)
    one = Asker(stack, tenant)
    kept = one.metric(days=1)
    assert kept.status == 200 and one.budget()["bytesCap"] == 1 << 19
    with another_queryd(stack) as url:
        two = Asker(stack, tenant, url)
        for n in range(400):  # each reads some 12 kB
            answer = (one, two)[n % 2].sql()
            if answer.status != 200:
                break
        assert (answer.status, answer.json()["code"]) == (429, BUDGET), answer
        assert 0 < int(answer.headers["Retry-After"]) <= 86400
        for asker in (one, two):
            wait_until(lambda a=asker: a.sql().status == 429)
            refused = asker.explain()
            assert (refused.status, refused.json()["code"]) == (429, BUDGET) and 0 < int(refused.headers["Retry-After"]) <= 86400
            assert asker.metric(days=1).headers["X-Cache"] == "HIT"
            assert asker.budget()["bytesUsed"] <= 1.1 * (1 << 19)  # the last ones read more than estimated
            assert asker.sql(dryRun=True).status == 200  # reads nothing
            assert Asker(stack, other, asker.base).sql().status == 200
    wait_until(lambda: len(events(stack, tenant.tenant, "data_quality.alert")) == 2)
    alarms = events(stack, tenant.tenant, "data_quality.alert")
    assert [e["percent"] for e in alarms] == [80, 100] and {e["kind"] for e in alarms} == {"budget"}
    assert all(e["expected"] == 1 << 19 and e["observed"] >= 0.8 * e["expected"] for e in alarms)
    assert not events(stack, other.tenant, "data_quality.alert")
    wait_until(lambda: [e for e in events(stack, tenant.tenant, "query.executed") if e["outcome"] == BUDGET])
    # the next day begins anew
    stack.query("update analytics.budgets set day = day - 2 where tenant_id = $1", tenant.tenant)
    wait_until(lambda: one.sql().status == 200)


def test_computed_queries_are_told_as_a_sample(stack):
    tenant = hotel_of(stack, "sampled")
    with another_queryd(stack, query_sample="1") as url:
        asker = Asker(stack, tenant, url)
        answers = [asker.metric(days=1), asker.sql()]
        assert asker.metric(days=1).headers["X-Cache"] == "HIT"
        assert asker.ask("POST", "/queries:run", {"sql": "delete from fact_payment"}).status == 422
    # it has ended: nothing was left behind
    wait_until(lambda: len(events(stack, tenant.tenant, "query.executed")) == 3)
    told = {(e["kind"], e["outcome"]): e for e in events(stack, tenant.tenant, "query.executed")}
    assert set(told) == {("structured", "ok"), ("sql", "ok"), ("sql", CODES + "ANALYTICS.QUERY_REJECTED")}
    for answer, kind in zip(answers, ("structured", "sql")):
        event = told[kind, "ok"]
        assert event["bytesScanned"] == answer.json()["bytesScanned"] and event["rows"] == 1 and event["sampled"]
        assert event["cache"] == answer.headers["X-Cache"] and event["queryHash"] and event["times"] == 1


def test_one_in_a_hundred_is_told_and_every_refusal(stack):
    """Of a process's computed queries, whoever asks, the first of each hundred; what is refused counts for itself."""
    tenant = hotel_of(stack, "one in a hundred")
    with another_queryd(stack) as url:
        asker = Asker(stack, tenant, url)
        for n in range(150):  # all different: equal ones within a second are one row
            day = f"2024-{n // 28 + 1:02d}-{n % 28 + 1:02d}"
            query = {"metrics": ["rooms_sold"], "dateRange": {"from": "2024-01-01", "to": day}}
            assert asker.ask("POST", "/queries:run", {"query": query}).status == 200
            if n % 10 == 0:
                assert asker.ask("POST", "/queries:run", {"sql": f"delete from t{n}"}).status == 422
    # it has ended: all is written
    assert log(stack, tenant.tenant) == [("sql", CODES + "ANALYTICS.QUERY_REJECTED", "1")] * 15 + [("structured", "ok", "1")] * 150
    wait_until(lambda: len(events(stack, tenant.tenant, "query.executed")) >= 17)
    told = [(e["outcome"], e["sampled"], e["times"]) for e in events(stack, tenant.tenant, "query.executed")]
    assert sorted(told) == [(CODES + "ANALYTICS.QUERY_REJECTED", False, 1)] * 15 + [("ok", True, 1)] * 2


def test_a_flood_is_one_row(stack):
    """What is refused is not a way to fill tables: the same again within a second only counts."""
    tenant = ident("tnt", "flood")
    token = {"Authorization": "Bearer " + stack.token(tenant, "--role", "tenant.admin")}
    for _ in range(30):
        assert http_request("POST", stack.url("queryd", API + "/queries:run"), {"sql": "delete from x"}, token).status == 422
    wait_until(lambda: sum(int(times) for _, _, times in log(stack, tenant)) == 30)
    assert len(log(stack, tenant)) < 30
