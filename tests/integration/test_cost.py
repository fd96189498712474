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
        refused = [capped.metric(), capped.metric(dry=True), capped.sql(), capped.sql(dryRun=True)]
        for answer in refused:
            assert (answer.status, answer.json()["code"]) == (413, CAP), answer
            assert not re.search(r"\d", answer.json()["detail"]) and answer.headers["X-Bytes-Scanned"] == "0"
        answer = capped.ask("GET", f"/widgets/{widget}/data?from=2024-02-01&to=2024-03-31")
        assert (answer.status, answer.json()["code"]) == (413, CAP)
        board = capped.ask("GET", f"/dashboards/{board}/data?from=2024-02-02&to=2024-03-31")
        assert board.status == 200 and board.json()["widgets"][0]["status"] == 413
        # nothing was read; what the first process holds for a moment counts until it is given back
        wait_until(lambda: capped.budget()["bytesUsed"] == free.budget()["bytesUsed"])
    for answer in (free.metric(), free.metric(dry=True), free.sql(), free.sql(dryRun=True)):
        assert answer.status == 200, answer
    wait_until(lambda: ("sql", CAP, "1") in log(stack, tenant.tenant))
    told = wait_until(lambda: [e for e in events(stack, tenant.tenant, "query.executed") if e["outcome"] == CAP])
    assert {e["kind"] for e in told} == {"sql", "structured"} and not any(e["sampled"] for e in told)
    assert all(e["bytesScanned"] == 0 and e["times"] == 1 for e in told)


def test_what_was_read_is_what_is_charged(stack):
    tenant = hotel_of(stack, "charged")
    asker = Asker(stack, tenant)
    assert asker.budget()["bytesUsed"] == 0
    read = 0
    for answer in [asker.metric() for _ in range(5)] + [asker.sql() for _ in range(3)]:
        assert answer.status == 200, answer
        read += answer.json()["bytesScanned"]
    assert read > 0
    wait_until(lambda: asker.budget()["bytesUsed"] == read)
    # given back to the database too, where other processes look
    wait_until(lambda: stack.query("select used_bytes from analytics.budgets where tenant_id = $1", tenant.tenant) ==
               [[str(read)]])
    assert asker.metric(days=2).headers["X-Cache"] == "HIT" and asker.budget()["bytesUsed"] == read
    wait_until(lambda: stack.query(
        "select sum(bytes_scanned), sum(times) from analytics.query_log where tenant_id = $1",
        tenant.tenant) == [[str(read), "8"]])


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
                "values ($1, (now() at time zone 'UTC')::date - 1, 16777216, true)", tenant.tenant)
    one = Asker(stack, tenant)
    kept = one.metric(days=1)
    assert kept.status == 200 and one.budget()["bytesCap"] == 1 << 24
    with another_queryd(stack) as url:
        two = Asker(stack, tenant, url)
        for n in range(400):  # each reads some 400 kB
            answer = (one, two)[n % 2].sql()
            if answer.status != 200:
                break
        assert (answer.status, answer.json()["code"]) == (429, BUDGET), answer
        assert 0 < int(answer.headers["Retry-After"]) <= 86400
        for asker in (one, two):
            wait_until(lambda a=asker: a.sql().status == 429)
            assert asker.metric(days=1).headers["X-Cache"] == "HIT"
            assert asker.budget()["bytesUsed"] <= 1.1 * (1 << 24)  # the last ones read more than estimated
            assert asker.sql(dryRun=True).status == 200  # reads nothing
            assert Asker(stack, other, asker.base).sql().status == 200
    wait_until(lambda: len(events(stack, tenant.tenant, "data_quality.alert")) == 2)
    alarms = events(stack, tenant.tenant, "data_quality.alert")
    assert [e["percent"] for e in alarms] == [80, 100] and {e["kind"] for e in alarms} == {"budget"}
    assert all(e["expected"] == 1 << 24 and e["observed"] >= 0.8 * e["expected"] for e in alarms)
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


def test_a_flood_is_one_row(stack):
    """What is refused is not a way to fill tables: the same again within a second only counts."""
    tenant = ident("tnt", "flood")
    token = {"Authorization": "Bearer " + stack.token(tenant, "--role", "tenant.admin")}
    for _ in range(30):
        assert http_request("POST", stack.url("queryd", API + "/queries:run"), {"sql": "delete from x"}, token).status == 422
    wait_until(lambda: sum(int(times) for _, _, times in log(stack, tenant)) == 30)
    assert len(log(stack, tenant)) < 30
