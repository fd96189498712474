"""The cache of queryd, the age of its answers, and what it does while a neighbour is away or slow."""

import collections
import contextlib
import datetime as dt
import fractions
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

import pgcluster
from boards import User
from harness import Stack, another_queryd, http_request, wait_until
from hotel import API, CODES, METRICS, STAYED, UTC, WINDOW, Hotel, compute, day
from instance import Instance


def test_cached_answers_are_the_same_until_the_data_change(stack):
    hotel = Hotel("cached")
    hotel.property("p", 5)
    hotel.stay("p", 1, "2024-03-01", 2, then=STAYED)
    hotel.send(stack)
    token = stack.token(hotel.tenant)
    first, second = (stack.compute(token, "adr", dateRange=WINDOW) for _ in range(2))
    assert second.headers["X-Cache"] == "HIT"
    assert first.headers["ETag"] == second.headers["ETag"]
    for answer in (first, second):
        db, total = map(float, re.fullmatch(r"db;dur=(\d+\.\d{3}), total;dur=(\d+\.\d{3})", answer.headers["Server-Timing"]).groups())
        assert 0 <= db <= total and (db > 0) == (answer is first)  # ms
    changing = ("asOf", "bytesScanned", "cache")
    a, b = ({k: v for k, v in x.json().items() if k not in changing} for x in (first, second))
    assert a == b

    etag = {"If-None-Match": second.headers["ETag"]}
    path, body = f"{API}/metrics/adr:compute", {"dateRange": WINDOW}
    unchanged = stack.http("POST", "queryd", path, body, token, etag)
    assert unchanged.status == 304 and unchanged.body == b"" and unchanged.headers["ETag"] == second.headers["ETag"]
    listed = {"If-None-Match": 'W/"x", ' + second.headers["ETag"]}
    assert stack.http("POST", "queryd", path, body, token, listed).status == 304
    assert stack.http("POST", "queryd", path, body, token, {"If-None-Match": '"x"'}).status == 200

    for n in range(2, 6):  # each commit is seen at once, by everybody
        hotel.stay("p", n, "2024-03-05", 1, rate=100 * n, then=STAYED)
        hotel.send(stack)
        revenue = 200 + sum(100 * k for k in range(2, n + 1))
        want = [{"currency": "USD", "adr": str(round(fractions.Fraction(revenue * 10**6, n + 1)))}]
        wait_until(lambda: compute(stack, token, "adr")["rows"] == want)
    assert stack.http("POST", "queryd", path, body, token, etag).status == 200


def random_question(rng):
    start = day(WINDOW["from"]) + dt.timedelta(rng.randrange(20))
    question = {"metrics": rng.sample(METRICS, rng.randrange(1, 4)),
                "dateRange": {"from": str(start), "to": str(start + dt.timedelta(rng.randrange(1, 40)))}}
    if rng.random() < 0.7:
        question["dimensions"] = ["property_id"]
    if rng.random() < 0.7:
        question["granularity"] = rng.choice(("day", "week", "month"))
    return question


def test_cached_is_computed_after_every_commit(stack):
    """Random commits; after each, random questions, some asked before: what a queryd with its caches says
    at once and again is what one without any computes, for whoever sees all and who sees one property."""
    seed = int(os.environ.get("CACHE_SEED", "0")) or random.randrange(1, 10**6)
    print(f"CACHE_SEED={seed}")
    rng, hotel = random.Random(seed), Hotel(f"compared {seed}")
    hotel.property("p", 9)
    hotel.property("q", 5, "AFN", "Asia/Kabul")
    headers = [{"Authorization": "Bearer " + stack.token(hotel.tenant, *limits)}
               for limits in ((), ("--property", hotel.id("ppt", "q")))]
    questions, compared, hits = [random_question(rng) for _ in range(6)], 0, 0

    def ask(url, question, who):
        answer = http_request("POST", f"{url}{API}/queries:run", {"query": question}, who)
        assert answer.status == 200, (question, answer)
        said = answer.json()
        return {name: said[name] for name in said.keys() - {"asOf", "bytesScanned", "cache"}}, said["cache"]

    with another_queryd(stack, redis_url="", cache_memory="0B") as bare:
        for commit in range(30):
            key = rng.choice("pq")
            hotel.stay(key, rng.randrange(25), str(day(WINDOW["from"]) + dt.timedelta(rng.randrange(30))), rng.choice((0, 1, 2, 5)),
                       rng.randrange(20, 500), then=rng.choice((STAYED, ("cancelled",), ("no_show",), ("checked_in",), ())),
                       currency="USD" if key == "p" else "AFN")
            hotel.send(stack)
            questions[rng.randrange(6)] = random_question(rng)
            for question in rng.sample(questions, 4):
                who = rng.choice(headers)
                (first, _), (again, how), (computed, none) = (ask(url, question, who) for url in (stack.url("queryd", ""),) * 2 + (bare,))
                assert first == again == computed and none == "BYPASS", (commit, question)
                assert computed["dataVersion"] > 0
                hits += how == "HIT"
                compared += len(computed["rows"]) > 0
    assert hits > 100 and compared > 60


def test_a_deleted_tenant_leaves_memory_at_once(stack):
    """Long before its answers would end by themselves, and before what is known of it is renewed."""
    hotel = Hotel("remembered")
    hotel.property("p", 5)
    hotel.stay("p", 1, "2024-03-01", 2, then=STAYED)
    hotel.send(stack)
    headers = {"Authorization": "Bearer " + stack.token(hotel.tenant)}
    with Instance(stack, "queryd", cache_ttl="1h") as queryd:
        def ask():
            return queryd.http("POST", f"{API}/metrics/rooms_sold:compute", {"dateRange": WINDOW}, headers)

        def remembered():
            text = queryd.http("GET", "/metrics").body.decode()
            return float(re.search(r"^query_cache_bytes (\S+)$", text, re.M)[1])

        assert ask().json()["rows"] == [{"rooms_sold": 2}] and remembered() > 0
        hotel.event("tenant.deleted", "2024-03-09T00:00", {})
        hotel.send(stack)
        wait_until(lambda: remembered() == 0)
        gone = wait_until(lambda: (lambda a: a if a.status == 403 else None)(ask()))
        assert gone.json()["code"] == CODES + "TENANT.NOT_FOUND"
        wait_until(lambda: remembered() == 0)  # what was asked while that became known


def test_scopes_do_not_share_answers(stack, random_hotel):
    kabul, dushanbe = (random_hotel.id("ppt", key) for key in ("kabul", "dushanbe"))
    tokens = [stack.token(random_hotel.tenant), stack.token(random_hotel.tenant, "--property", kabul),
              stack.token(random_hotel.tenant, "--property", dushanbe)]
    for _ in range(2):
        everything, one, other = (compute(stack, t, "rooms_sold")["rows"][0]["rooms_sold"] for t in tokens)
        assert everything == one + other and one and other
    assert {r["property_id"] for r in compute(stack, tokens[1], "rooms_available", dimensions=["property_id"])["rows"]} == {kabul}


@pytest.fixture(scope="module")
def own():
    """A stack whose parts are killed; each test leaves it whole."""
    made = Stack()
    try:
        yield made.up()
    finally:
        made.close()


def test_an_unapplied_event_is_told(own):
    hotel = Hotel("late")
    hotel.property("p", 2)
    hotel.send(own)
    token = own.token(hotel.tenant)
    assert compute(own, token, "rooms_available")["freshnessSeconds"] == 0
    own.kill("etld")
    hotel.stay("p", 1, "2024-03-01", 2)
    own.send_events(hotel.events)
    for cache in ("HIT", "MISS"):
        body = {} if cache == "HIT" else {"granularity": "day"}
        aged = wait_until(lambda: (lambda r: r if r["freshnessSeconds"] >= 1 else None)(
            compute(own, token, "rooms_available", **body)))
        assert aged["asOf"] < dt.datetime.now(UTC).isoformat()
    late = lambda: {p["key"] for p in own.http("GET", "queryd", f"{API}/projections", token=token).json()["items"]
                    if p["freshnessSeconds"] > 0}
    wait_until(lambda: late() == {"fact_reservation", "fact_room_night", "fact_room_night_history"})
    own.up()
    own.wait()
    wait_until(lambda: compute(own, token, "rooms_available")["freshnessSeconds"] == 0)


def test_redis_comes_and_goes(own):
    hotel = Hotel("redis")
    hotel.property("p", 3)
    hotel.stay("p", 0, "2024-03-01", 1, then=STAYED)
    hotel.send(own)
    token = own.token(hotel.tenant)
    sold = lambda: compute(own, token, "rooms_sold")["rows"][0]["rooms_sold"]
    assert sold() == sold() == 1
    own.kill("redis")
    for n in range(1, 4):
        hotel.stay("p", n, "2024-03-02", 1, then=STAYED)
        hotel.send(own)
        answer = own.compute(token, "rooms_sold", dateRange=WINDOW)
        assert answer.headers["X-Cache"] == "BYPASS"
        assert answer.json()["rows"] == [{"rooms_sold": n + 1}]
    own.up()
    wait_until(lambda: own.compute(token, "rooms_sold", dateRange=WINDOW).headers["X-Cache"] == "HIT")
    assert sold() == 4
    assert own.http("GET", "queryd", "/ready").status == 200


def test_widgets_while_redis_comes_and_goes(own):
    hotel = Hotel("boards")
    hotel.property("p", 3)
    hotel.send(own)
    user = User(own, hotel.tenant, "writer")
    board = user.board()
    query = {"metrics": ["rooms_sold"], "dateRange": WINDOW}
    made = user.post(f"/dashboards/{board['id']}/widgets", {
        "kind": "kpi_tile", "title": "made", "query": query, "layout": {"x": 0, "y": 0, "w": 2, "h": 2}}).json()
    at = f"/widgets/{made['id']}"

    def changed(title):
        assert user.put(at, {**{k: made[k] for k in ("kind", "query", "layout")}, "title": title}, "*").status == 200
        return user.get(at + "/data").json()["title"] == title

    assert user.get(at + "/data").json()["title"] == "made" and changed("once")
    for n in (1, 2):
        own.kill("redis")
        assert changed(f"away {n}")
        own.up()
        assert all(changed(f"back {n} {k}") for k in range(10))


def test_a_paused_redis_does_not_stop_answers(own):
    hotel = Hotel("pause")
    hotel.property("p", 3)
    hotel.send(own)
    token = own.token(hotel.tenant)
    assert compute(own, token, "rooms_sold")["rows"] == [{"rooms_sold": 0}]
    os.kill(own.pid("redis"), signal.SIGSTOP)
    try:
        assert compute(own, token, "rooms_sold")["rows"] == [{"rooms_sold": 0}]
    finally:
        os.kill(own.pid("redis"), signal.SIGCONT)


def test_postgres_comes_and_goes(own):
    hotel = Hotel("postgres")
    hotel.property("p", 3)
    hotel.send(own)
    token = own.token(hotel.tenant)
    assert compute(own, token, "rooms_sold")["rows"] == [{"rooms_sold": 0}]
    own.kill("postgres")
    gone = own.compute(token, "rooms_sold", dateRange=WINDOW, granularity="day")
    assert gone.status == 503 and gone.json()["code"] == CODES + "GENERAL.UNAVAILABLE"
    assert gone.headers["Retry-After"]
    own.up()
    wait_until(lambda: own.compute(token, "rooms_sold", dateRange=WINDOW, granularity="day").status == 200)


# ---- figures while a neighbour is killed

class Questioner:
    """A tenant's own figures by each way to them; they name its property, so nobody else's are equal."""

    WAYS = ("structured", "by day", "board", "sql")

    def __init__(self, stack, name, stays):
        self.stack, self.hotel, self.stays = stack, Hotel(name), 0
        self.hotel.property("p", 9)
        self.book(stays)
        self.user = User(stack, self.hotel.tenant, "constant")
        self.board = self.user.board()["id"]
        for n, metric in enumerate(("rooms_sold", "room_revenue", "adr")):
            tile = {"kind": "breakdown", "title": metric, "layout": {"x": 8 * n, "y": 0, "w": 8, "h": 4},
                    "query": {"metrics": [metric], "dateRange": WINDOW, "dimensions": ["property_id"]}}
            assert self.user.post(f"/dashboards/{self.board}/widgets", tile).status == 201

    def book(self, more):
        for n in range(self.stays, self.stays + more):
            self.hotel.stay("p", n, "2024-03-01", 2, 100 + n, then=STAYED)
        self.stays += more
        self.hotel.send(self.stack)

    def ask(self, way):
        """(status, figures, of which one is from the cache)"""
        user, query = self.user, {"metrics": ["rooms_sold", "adr"], "dateRange": WINDOW, "dimensions": ["property_id"]}
        if way == "board":
            answer = user.get(f"/dashboards/{self.board}/data")
            tiles = answer.json().get("widgets", [])
            bad = [tile["status"] for tile in tiles if tile["status"] != 200]
            return (bad or [answer.status])[0], [tile["result"] and tile["result"]["data"] for tile in tiles], answer.headers["X-Cache"]
        body = {"sql": "select property_id, sum(rate_micro) as rate, count(*) as n from fact_room_night group by property_id"}
        if way != "sql":
            body = {"query": {**query, "granularity": "day"} if way == "by day" else query}
        answer = user.post("/queries:run", body, Idempotency_Key=None)
        said = answer.json()
        return answer.status, [said.get("rows"), said.get("totals")], answer.headers["X-Cache"]

    def figures(self):
        """As they are; what they must be at least is known from what was booked."""
        found = {way: self.ask(way) for way in self.WAYS}
        assert {status for status, *_ in found.values()} == {200}, found
        told = {way: figures for way, (_, figures, _) in found.items()}
        mine, nights = self.hotel.id("ppt", "p"), 2 * self.stays
        assert told["sql"][0] == [{"property_id": mine, "rate": str(2_000_000 * sum(100 + n for n in range(self.stays))), "n": nights}]
        assert told["structured"][0][0]["rooms_sold"] == nights and mine in str(told["board"])
        return told


class Crowd:
    """Asks all the time, each tenant in each way; `heard`: (began, who, way, status, figures, cache)."""

    def __init__(self, questioners):
        self.heard, self.over = [], threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(who, way)) for who in questioners for way in who.WAYS]

    def ask(self, who, way):
        while not self.over.is_set():
            began = time.monotonic()
            try:
                self.heard.append((began, who, way, *who.ask(way)))
            except OSError as gone:
                self.heard.append((began, who, way, str(gone), None, None))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def hear(self, count):
        """Waits for so many more answers of each tenant in each way."""
        def counted():
            return collections.Counter((who, way) for _, who, way, status, *_ in list(self.heard) if status == 200)
        before = counted()
        wait_until(lambda: len(counted()) == len(self.threads) and not any(counted()[k] < before[k] + count for k in counted()))


@pytest.fixture(scope="module")
def questioners(own):
    return [Questioner(own, f"constant {n}", 2 + n) for n in range(2)]


def test_figures_after_postgres_are_those_before(own, questioners):
    """Killed under load and started again: what is answered meanwhile and afterwards is what was answered before."""
    before = [who.figures() for who in questioners]
    own.query("checkpoint")  # the stack of tests commits without waiting for its disk
    known = dict(zip(questioners, before))
    with Crowd(questioners) as crowd:
        crowd.hear(3)
        for number in (signal.SIGKILL, signal.SIGINT):
            own.kill("postgres", number)
            own.up()
            crowd.hear(3)
    assert {status for _, _, _, status, *_ in crowd.heard} <= {200, 503, 504}
    for _, who, way, status, figures, _ in crowd.heard:
        assert status != 200 or figures == known[who][way], (way, figures)
    assert [who.figures() for who in questioners] == before


def test_figures_while_redis_is_killed_and_comes_back(own, questioners):
    """It comes back with what it had before a commit. Every answer is the asker's own: of before the commit only when it
    was asked for before."""
    redis = ["redis-cli", "-s", own.path("run", "redis.sock")]
    old = {who: who.figures() for who in questioners}
    with Crowd(questioners) as crowd:
        crowd.hear(3)
        assert subprocess.run([*redis, "save"], capture_output=True, check=True, text=True).stdout == "OK\n"
        own.kill("redis")
        crowd.hear(3)
        sent = time.monotonic()
        for who in questioners:
            who.book(1)
        applied = time.monotonic()
        new = {who: who.figures() for who in questioners}
        assert all(new[who][way] != old[who][way] for who in questioners for way in who.WAYS)
        crowd.hear(3)
        own.up()
        assert "qr:" in subprocess.run([*redis, "--scan"], capture_output=True, check=True, text=True).stdout
        crowd.hear(3)
        wait_until(lambda: "HIT" in {cache for *_, cache in crowd.heard[-20:]})
    for began, who, way, status, figures, cache in crowd.heard:
        right = [new[who][way]] * (began > sent) + [old[who][way]] * (began < applied)
        assert status == 200 and figures in right, (way, cache, figures, right)


def test_a_slow_query_ends(stack):
    """It waits for a lock: 504 in time, and afterwards the connection is good again. One that a client has left ends. What it
    would cost is said without waiting, by a process that is new to the tenant, too."""
    hotel = Hotel("slow")
    hotel.property("p", 2)
    hotel.send(stack)
    headers = {"Authorization": "Bearer " + stack.token(hotel.tenant)}

    def ask(url, metric, **options):
        return http_request("POST", f"{url}{API}/metrics/{metric}:compute", {"dateRange": WINDOW}, headers, **options)

    def running():
        return int(stack.query("select count(*) from pg_stat_activity where state = 'active' and usename = $1", hotel.tenant)[0][0])

    def dry_run(url, metric, **options):
        body = {"query": {"metrics": [metric], "dateRange": WINDOW}, "dryRun": True}
        return http_request("POST", f"{url}{API}/queries:run", body, headers, **options)

    def leave(url, metric):
        with pytest.raises(TimeoutError):
            ask(url, metric, timeout=1)
        wait_until(lambda: running() == 0, timeout=30)

    @contextlib.contextmanager
    def locked(table):
        with pgcluster.Conn(stack.env["DATABASE_URL"]) as other:
            other.query("begin")
            other.query(f"lock table {table} in access exclusive mode")
            yield

    read = "analytics_curated.fact_inventory_day_v1"
    with another_queryd(stack, query_timeout="5s") as hasty, another_queryd(stack, query_timeout="60s") as patient:
        assert ask(hasty, "rooms_sold").status == 200
        with locked(read):
            answer = ask(hasty, "rooms_available")
            assert answer.status == 504 and answer.json()["code"] == CODES + "ANALYTICS.QUERY_TIMEOUT"
        assert ask(hasty, "rooms_available").status == 200
        with locked(read):
            assert dry_run(patient, "revpar").status == 200
            leave(patient, "revpar")


def test_limits(stack, random_hotel, token):
    headers = {"Authorization": "Bearer " + token}
    with another_queryd(stack, result_cells="100", tenant_rate="5") as url:
        answers = [http_request("GET", f"{url}{API}/metrics", headers=headers) for _ in range(60)]
        refused = [a for a in answers if a.status == 429]
        assert refused and refused[0].json()["code"] == CODES + "GENERAL.RATE_LIMITED" and refused[0].headers["Retry-After"]
        body = {"dateRange": {**WINDOW, "to": "2024-05-13"}, "granularity": "day", "dimensions": ["channel"]}
        large = wait_until(lambda: (lambda a: a if a.status != 429 else None)(http_request(
            "POST", f"{url}{API}/metrics/rooms_sold:compute", body, headers)))
        assert large.status == 422 and large.json()["code"] == CODES + "ANALYTICS.QUERY_REJECTED"
