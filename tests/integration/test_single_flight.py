"""Equal questions are computed once, over all processes; what a process remembers by itself; stale answers."""

import concurrent.futures
import contextlib
import datetime as dt
import itertools
import json
import os
import re
import signal
import subprocess

import pytest

from boards import User, code
from harness import Stack, http_request, wait_until
from hotel import API, STAYED, UTC, WINDOW, Hotel, compute
from instance import Instance

TABLE = "analytics_curated.fact_room_night_v1"


def hotel_of(stack, name):
    hotel = Hotel(name)
    hotel.property("p", 5)
    hotel.stay("p", 0, "2024-03-01", 2, then=STAYED)
    hotel.send(stack)
    return hotel


@contextlib.contextmanager
def locked(stack, table=TABLE):
    """Nobody reads the table meanwhile: who computes is caught in the act."""
    locker = subprocess.Popen(["psql", "-XAtq", stack.env["DATABASE_URL"]], stdin=subprocess.PIPE, text=True)
    try:
        locker.stdin.write(f"begin; lock table {table} in access exclusive mode;\n")
        locker.stdin.flush()
        wait_until(lambda: stack.psql("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted"
                                      f" and relation = '{table}'::regclass") == [["1"]])
        yield
    finally:
        locker.communicate("rollback;\n")


def backends(stack, hotel):
    """Process ids of the server's that wait for the lock."""
    return {row[0] for row in stack.psql("select pid from pg_stat_activity where wait_event_type = 'Lock'"
                                         f" and usename = '{hotel.tenant}'")}


def computing(stack, hotel):
    return len(backends(stack, hotel))


def counter(queryd, name):
    """A sample of its /metrics; 0 when there is none."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", queryd.http("GET", "/metrics").body.decode(), re.M)
    return int(float(found[1])) if found else 0


def lookups(queryd, outcome):
    return counter(queryd, f'query_cache_lookups_total{{outcome="{outcome}"}}')


def computed(queryd):
    return counter(queryd, "query_seconds_count")


class Asker:
    """Sends equal requests in the background."""

    def __init__(self, stack, hotel, **body):
        self.headers = {"Authorization": "Bearer " + stack.token(hotel.tenant)}
        self.body = {"dateRange": WINDOW, **body}
        self.pool = concurrent.futures.ThreadPoolExecutor(32)

    def ask(self, queryd, n):
        return [self.pool.submit(http_request, "POST", f"{queryd.url}{API}/metrics/rooms_sold:compute", self.body,
                                 self.headers) for _ in range(n)]

    def warm(self, queryd):
        """Its tenant is known: what comes next goes to the cache at once."""
        assert http_request("GET", f"{queryd.url}{API}/metrics", headers=self.headers).status == 200

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown()


def test_equal_cold_requests_are_one_computation(stack):
    hotel = hotel_of(stack, "once")
    with Asker(stack, hotel) as asker, Instance(stack, "queryd") as a, Instance(stack, "queryd") as b:
        for queryd in (a, b):
            asker.warm(queryd)
        with locked(stack):
            answers = asker.ask(a, 8) + asker.ask(b, 8)
            # every request has looked at least once, and the one that waits for the other process several times
            wait_until(lambda: all(lookups(q, "taken") + lookups(q, "miss") >= 8 for q in (a, b))
                       and sum(lookups(q, "taken") for q in (a, b)) >= 20 and computing(stack, hotel))
            assert computing(stack, hotel) == 1
        answers = [answer.result() for answer in answers]
        assert {answer.status for answer in answers} == {200}
        assert [answer.json()["rows"] for answer in answers] == [[{"rooms_sold": 2}]] * 16
        assert {answer.headers["ETag"] for answer in answers} == {answers[0].headers["ETag"]}
        assert computed(a) + computed(b) == 1
        assert sum(lookups(q, "miss") for q in (a, b)) == 1


def test_a_killed_process_delays_the_others_by_its_lease_only(stack):
    hotel = hotel_of(stack, "killed")
    with Asker(stack, hotel) as asker, Instance(stack, "queryd") as a, Instance(stack, "queryd") as b:
        asker.warm(b)
        with locked(stack):
            lost = asker.ask(a, 1)
            wait_until(lambda: computing(stack, hotel) == 1)
            answers = asker.ask(b, 4)
            # longer than a lease lasts: it is renewed
            wait_until(lambda: lookups(b, "taken") >= 40)
            assert computing(stack, hotel) == 1 and computed(b) == 0
            its_own = backends(stack, hotel)
            os.kill(a.process.pid, signal.SIGKILL)
            # its own backend ends when the server looks for its client; the other process takes over
            wait_until(lambda: backends(stack, hotel) - its_own)
            wait_until(lambda: not backends(stack, hotel) & its_own)
        assert [answer.result().json()["rows"] for answer in answers] == [[{"rooms_sold": 2}]] * 4
        assert computed(b) == 1
        with pytest.raises(OSError):
            lost[0].result()


def test_a_failure_is_not_waited_for(stack):
    """Who computes gives up at its own deadline: the next one does not wait for the lease to end."""
    hotel = hotel_of(stack, "failed")
    with (Asker(stack, hotel) as asker, Instance(stack, "queryd", query_timeout="4s") as a,
          Instance(stack, "queryd") as b):
        asker.warm(b)
        with locked(stack):
            # what the tenant has is no longer known of a day: to count it nobody waits for the table
            stack.query("insert into analytics_run.profile_dirty (tenant_id, table_name, day) values ($1, 'fact_room_night', '2024-03-01')",
                        hotel.tenant)
            refused = asker.ask(a, 2)
            wait_until(lambda: computing(stack, hotel) == 1)
            answers = asker.ask(b, 2)
            assert {answer.result().status for answer in refused} == {504}
            wait_until(lambda: lookups(b, "miss") == 1)
        assert [answer.result().json()["rows"] for answer in answers] == [[{"rooms_sold": 2}]] * 2


def test_who_waits_for_what_is_refused_is_refused(stack):
    """Each is logged and told, once and by his own name."""
    hotel = hotel_of(stack, "all refused")
    # today's is caught in the act of being looked up; it allows nothing
    stack.query("insert into analytics.budgets (tenant_id, day, cap_bytes, own_cap) values ($1, (now() at time zone 'UTC')::date - 1, 0, true)",
                hotel.tenant)
    with Instance(stack, "queryd") as queryd, concurrent.futures.ThreadPoolExecutor(8) as pool:
        users = [User(stack, hotel.tenant, name, url=queryd.url) for name in "abca"]
        assert users[0].get("/metrics").status == 200
        with locked(stack, "analytics.budgets"):
            answers = [pool.submit(user.post, "/metrics/rooms_sold:compute", {"dateRange": WINDOW}) for user in users]
            wait_until(lambda: sum(lookups(queryd, outcome) for outcome in ("taken", "miss", "unsure")) >= 4)
        assert {code(answer.result()) for answer in answers} == {(429, "ANALYTICS.BUDGET_EXCEEDED")}
        assert counter(queryd, 'query_admissions_total{verdict="MELMASTOON.ANALYTICS.BUDGET_EXCEEDED"}') < 4
    # it has ended: nothing was left behind
    assert stack.query("select actor_id, sum(times), max(duration_ms) < 60000 from analytics.query_log where tenant_id = $1"
                       " group by 1 order by 1", hotel.tenant) == [["usr_a", "2", "t"], ["usr_b", "1", "t"], ["usr_c", "1", "t"]]

    def told():
        return [json.loads(row[0])["payload"] for row in stack.query(
            "select envelope from analytics_run.outbox where tenant_id = $1 and subject = $2", hotel.tenant,
            "melmastoon.analytics.query.executed.v1")]

    wait_until(lambda: sum(event["times"] for event in told()) >= 4)
    assert sum(event["times"] for event in told()) == 4 and not any(event["sampled"] or event["bytesScanned"] for event in told())


def test_stale_answers_are_for_who_asks_for_them(stack):
    hotel = hotel_of(stack, "stale")
    token, scoped = stack.token(hotel.tenant), stack.token(hotel.tenant, "--property", hotel.id("ppt", "p"))
    path, body = f"{API}/metrics/rooms_sold:compute", {"dateRange": WINDOW}

    def ask(control, of=token):
        return stack.http("POST", "queryd", path, body, of, {"Cache-Control": control} if control else {})

    assert ask(None).json()["rows"] == ask(None).json()["rows"] == [{"rooms_sold": 2}]
    before = dt.datetime.now(UTC).isoformat()
    hotel.stay("p", 1, "2024-03-05", 1, then=STAYED)
    hotel.send(stack)
    for control in ("max-stale", "Max-Stale=600", "no-transform, max-stale=600"):
        old = ask(control)
        assert old.headers["X-Cache"] == old.json()["cache"] == "STALE"
        assert old.json()["rows"] == [{"rooms_sold": 2}] and old.json()["asOf"] <= before
    assert ask("max-stale=600", scoped).json()["rows"] == [{"rooms_sold": 3}]  # has no old answer of its own
    for control in (None, "max-stale=0", "max-stale=x", "no-cache"):
        new = ask(control)
        assert new.headers["X-Cache"] in ("MISS", "HIT") and new.json()["rows"] == [{"rooms_sold": 3}]
    assert ask("max-stale").headers["X-Cache"] == "HIT"  # what is current is better
    assert old.headers["ETag"] != new.headers["ETag"]


@pytest.fixture(scope="module")
def own():
    """A stack whose Redis is killed."""
    made = Stack()
    try:
        yield made.up()
    finally:
        made.close()


def test_a_process_remembers_while_redis_is_away(own):
    hotel = hotel_of(own, "away")
    token = own.token(hotel.tenant)

    def ask(**more):
        return own.compute(token, "rooms_sold", dateRange=WINDOW, **more)

    with Instance(own, "queryd", cache_memory="1MiB") as small:
        own.kill("redis")
        wait_until(lambda: ask().headers["X-Cache"] == "HIT")
        for n in range(1, 4):
            hotel.stay("p", n, "2024-03-05", 1, then=STAYED)
            hotel.send(own)
            first, second = ask(), ask()
            assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("BYPASS", "HIT")
            assert first.json()["rows"] == second.json()["rows"] == [{"rooms_sold": 2 + n}]
        # equal requests meet as they do with Redis, and what is kept stays within its bound
        with Asker(own, hotel, granularity="day") as asker:
            assert {a.result().status for a in asker.ask(small, 8)} == {200}
            for k in range(40):
                asker.body = {"dateRange": {"from": "2020-01-01", "to": str(dt.date(2023, 1, 1) + dt.timedelta(k))},
                              "granularity": "day"}
                assert asker.ask(small, 1)[0].result().status == 200
            assert 2**19 < counter(small, "query_cache_bytes") <= 2**20
        own.up()
        questions = ({"dateRange": {"from": "2024-01-01", "to": str(dt.date(2024, 2, 1) + dt.timedelta(k))}}
                     for k in itertools.count())
        wait_until(lambda: small.http("POST", f"{API}/metrics/rooms_sold:compute", next(questions), asker.headers)
                   .headers["X-Cache"] == "MISS")  # asked of Redis again
    assert compute(own, token, "rooms_sold")["rows"] == [{"rooms_sold": 5}]
