"""A tenant that moves to another region: what a warehouse of one region answers about it, and what it refuses."""

import os
import re

import pytest

from events import event, ident
from harness import BIN, CHECKOUT, run, wait_until
from hotels import hotel_group
from instance import Instance

API = "/api/v1/analytics"
MOVED = "2026-04-04"  # nights before: three at each hotel; from then on: three at the first
REJECTED = (422, "MELMASTOON.ANALYTICS.QUERY_REJECTED")


def store_region(stack, region):
    admin = {"ANALYTICS_MIGRATE_URL": stack.env["DATABASE_URL"]}
    run([os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), "-o", "region=" + region, "migrate"], env={**os.environ, **admin})


@pytest.fixture(scope="module")
def moved(stack):
    """A tenant that went from AF to the EU, in force; afterwards the warehouse is everybody's again."""
    tenant = ident("tnt", "region", "moved")
    move = event("tenant.region_changed", MOVED + "T10:00", {"fromRegion": "AF", "toRegion": "gcp-europe-west3"}, tenant)
    assert stack.send_events(hotel_group(tenant) + [move])["deadLettered"] == 0
    wait_until(lambda: stack.query("select noted_at from analytics_run.tenant_region where tenant_id = $1", tenant), 60)
    stack.wait()
    yield tenant
    store_region(stack, "*")


class Asker:
    """Asks one queryd, begun after the region was stored, so that it knows."""

    def __init__(self, queryd, stack, tenant):
        self.queryd = queryd
        self.headers = {"Authorization": "Bearer " + stack.token(tenant, "--role", "tenant.admin")}

    def post(self, path, body):
        key = {"Idempotency-Key": "01J" + os.urandom(12).hex()[:23].upper()}
        return self.queryd.http("POST", API + path, body, self.headers | key)

    def get(self, path):
        return self.queryd.http("GET", API + path, headers=self.headers)

    def sold(self, first, last, **more):
        return self.post("/metrics/rooms_sold:compute", {"dateRange": {"from": first, "to": last}, **more})

    def run(self, sql, **more):
        return self.post("/queries:run", {"sql": sql, **more})

    def sql(self, text):
        answer = self.run(text)
        assert answer.status == 200, answer
        return [list(row.values()) for row in answer.json()["rows"]]


def code(answer):
    return answer.status, answer.json()["code"]


NIGHTS = "select count(*) n, min(stay_date) a, max(stay_date) b from fact_room_night"
SINCE, BEFORE = f" where stay_date >= date '{MOVED}'", f" where stay_date < date '{MOVED}'"
STAYS = "select count(*) n from fact_reservation"


def follow(stack, tenant):
    """What was noted is no longer so young that the views wait for queryd."""
    stack.psql("update analytics_run.tenant_region set noted_at = noted_at - interval '1 hour' where tenant_id = '" + tenant + "'")


def test_where_it_moved_to(stack, moved):
    store_region(stack, "EU")
    with Instance(stack, "queryd") as queryd:
        ask = Asker(queryd, stack, moved)
        # refused at once, while the views still show all
        assert code(ask.run(NIGHTS)) == code(ask.run(NIGHTS, dryRun=True)) == REJECTED
        refused = ask.sold("2026-04-01", "2026-04-30")
        assert code(refused) == REJECTED
        assert refused.json()["detail"] == (
            "The window 2026-04-01 to 2026-04-30 is not all readable here: until 2026-04-03 the tenant's data lies in "
            "me-central1. Readable: from 2026-04-04 on.")
        follow(stack, moved)
        # SQL as well, by what its conditions leave of the days of each table
        assert ask.run(NIGHTS).json()["detail"] == (
            "Of fact_room_night: The window of all dates is not all readable here: until 2026-04-03 the tenant's data lies in "
            "me-central1. Readable: from 2026-04-04 on.")
        assert ask.sql(NIGHTS + SINCE) == [[3, "2026-04-04", "2026-04-06"]] and code(ask.run(NIGHTS + BEFORE)) == REJECTED
        assert code(ask.run(STAYS)) == REJECTED and ask.sql(f"{STAYS} where departure_date >= date '{MOVED}'") == [[2]]
        assert code(ask.run(f"select (select count(*) from fact_payment) p, count(*) n from fact_room_night{SINCE}")) == REJECTED
        assert ask.sql("select count(*) n from dim_property") == [[2]]
        assert code(ask.sold("2026-03-01", "2026-03-31")) == REJECTED  # all of it
        assert [row["rooms_sold"] for row in ask.sold(MOVED, "2026-04-30").json()["rows"]] == [3]
        # whatever asks: what it is compared with, the year before, explained, estimated, on a dashboard
        window = {"from": MOVED, "to": "2026-04-30"}
        assert code(ask.sold(*window.values(), compareTo="previous_period")) == REJECTED
        assert code(ask.post("/metrics/pace:compute", {"dateRange": window})) == REJECTED
        assert code(ask.get("/metrics/rooms_sold/explain?from=2026-04-01&to=2026-04-30")) == REJECTED
        assert ask.get("/metrics/rooms_sold/explain?from=2026-04-04&to=2026-04-30").status == 200
        query = {"metrics": ["rooms_sold"], "dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}
        assert code(ask.post("/queries:run", {"query": query, "dryRun": True})) == REJECTED
        board = ask.post("/dashboards", {"name": "n", "scope": "tenant"}).json()["id"]
        widget = ask.post(f"/dashboards/{board}/widgets", {
            "kind": "kpi_tile", "title": "t", "query": query, "layout": {"x": 0, "y": 0, "w": 2, "h": 2}}).json()["id"]
        assert code(ask.get(f"/widgets/{widget}/data?from=2026-04-01&to=2026-04-30")) == REJECTED
        [shown] = ask.get(f"/dashboards/{board}/data?from=2026-04-01&to=2026-04-30").json()["widgets"]
        assert (shown["status"], shown["error"]["code"]) == REJECTED
        # and each is in the log
        wait_until(lambda: stack.query("select kind, sum(times) >= 4 from analytics.query_log where tenant_id = $1 and outcome = $2"
                                       " group by kind order by kind", moved, REJECTED[1]) == [["sql", "t"], ["structured", "t"]])


def test_where_it_was(stack, moved):
    store_region(stack, "gcp-me-central1")
    follow(stack, moved)
    with Instance(stack, "queryd") as queryd:
        ask = Asker(queryd, stack, moved)
        assert ask.sql(NIGHTS + BEFORE) == [[6, "2026-04-01", "2026-04-03"]] and code(ask.run(NIGHTS)) == REJECTED
        assert [row["rooms_sold"] for row in ask.sold("2026-04-01", "2026-04-03").json()["rows"]] == [6]
        refused = ask.sold("2026-04-03", "2026-04-04").json()["detail"]
        assert "from 2026-04-04 on the tenant's data lies in europe-west3. Readable: until 2026-04-03." in refused
        stayed = ident("tnt", "region", "stayed")  # who has never moved notices nothing
        assert stack.send_events(hotel_group(stayed))["deadLettered"] == 0
        stack.wait()
        other = Asker(queryd, stack, stayed)
        assert other.sql(NIGHTS) == [[9, "2026-04-01", "2026-04-06"]] and other.sold("2026-03-01", "2026-04-30").status == 200


def test_one_warehouse_for_all_reads_all(stack, moved):
    store_region(stack, "*")
    follow(stack, moved)
    with Instance(stack, "queryd") as queryd:
        ask = Asker(queryd, stack, moved)
        assert ask.sql(NIGHTS) == [[9, "2026-04-01", "2026-04-06"]]
        assert [row["rooms_sold"] for row in ask.sold("2026-04-01", "2026-04-30").json()["rows"]] == [9]


def test_there_and_back(stack):
    """Several moves, in any order of arrival and without saying where from."""
    tenant = ident("tnt", "region", "back")

    def periods(here):
        stack.psql(f"update analytics_run.setting set value = '{here}' where key = 'region'")
        return stack.query("select region, day_from, day_to, readable from analytics_run.residency($1, now())", tenant)

    try:
        for since, region in (("2026-06-01", "me-central1"), ("2026-05-01", "europe-west3"), ("2026-06-01 12:00", "asia-south1")):
            stack.query("insert into analytics_run.tenant_region (tenant_id, region, since) values ($1, $2, $3::timestamptz)",
                        tenant, region, since)
        at_home = [[None, None, "2026-04-30", "t"], ["europe-west3", "2026-05-01", "2026-05-31", "f"],
                   ["asia-south1", "2026-06-01", None, "f"]]
        assert periods("me-central1") == at_home
        assert [row[3] for row in periods("europe-west3")] == ["f", "t", "f"]
        assert [row[3] for row in periods("*")] == ["t", "t", "t"]
    finally:
        periods("*")
        stack.query("delete from analytics_run.tenant_region where tenant_id = $1", tenant)


def test_every_view_of_facts_follows(stack):
    views = dict(stack.query("select relname, pg_get_viewdef(oid) from pg_class where relkind = 'v'"
                             " and relnamespace = 'tenant_views'::regnamespace and relname ~ '^(fact|forecast)_'"))
    assert len(views) >= 13 and all("tenant_views.readable()" in text for text in views.values())


def test_ingestd_and_the_warehouse_spell_alike(stack):
    with open(os.path.join(CHECKOUT, "ingestd", "reading", "fold.c"), encoding="utf-8") as source:
        [rows] = re.findall(r"struct fold regions\[\] = \{(.*?)\};", source.read(), re.S)
    folded = sorted(map(list, re.findall(r'\{SLICE_INIT\("(.*?)"\), "(.*?)"\}', rows)))
    assert folded == stack.query("select spelling, region from analytics_run.region_spelling order by spelling")
    for spelling, region in folded + [["mars-1", "mars-1"]]:
        assert stack.query("select analytics_run.region_of(jsonb_build_object('toRegion', $1::text), 'toRegion')", spelling) == [[region]]
