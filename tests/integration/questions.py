"""Who asks in prove-isolation, and what: random requests over all that queryd has.

The pools are small, so that users meet in the cache. What is named of other tenants in a request is
invented, except ids of what the canary made: they are random and none of the values searched for,
while the documents that they belong to are full of them.
"""

import collections

from boards import User
from events import ident
from hostile_sql import NAMES_OF_ROLES, STATEMENTS
from hotels import marks, properties, property_marks, word
from reaches import REACHES, WRITES, Reaches, Request
from services import sync_token

API = "/api/v1/analytics"
TABLES = ("fact_reservation", "fact_room_night", "fact_payment", "fact_inventory_day", "dim_property", "dim_room_type",
          "dim_room", "dim_tenant")
WINDOWS = ({"from": "2026-04-01", "to": "2026-04-30"}, {"from": "2026-04-01", "to": "2026-04-07"})
DAYS = ("pickup",)  # metrics that ask for a number of them
TILES = (("kpi_tile", {}), ("time_series", {"granularity": "day"}), ("breakdown", {"dimensions": ["channel"]}),
         ("heatmap", {"granularity": "week", "dimensions": ["market_segment"]}))


class Asker:
    """One principal: a token, what nothing he gets may hold, and the kinds of questions he has."""

    EVERYTHING = ("metric",) * 3 + ("structured",) * 2 + ("sql", "attack", "explain", "list", "bad", "board", "board_data",
                                                          "widget_data", "saved", "keep", "kept", "budget", *WRITES, *REACHES)

    def __init__(self, name, tenant, token, foreign, kinds=EVERYTHING):
        self.name, self.tenant, self.token, self.foreign, self.kinds = name, tenant, token, foreign, kinds
        self.of_canary = not foreign
        if self.of_canary:  # who would only find his own
            self.kinds = tuple(kind for kind in kinds if kind not in ("probe", "reach"))
        self.boards, self.tiles, self.queries, self.kept = [], [], [], []
        self.made, self.tokens, self.cursors = collections.defaultdict(list), [], {}  # see reaches.py
        self.cursor = None  # of a service, where its next pull goes on

    def note(self, path, answer):
        """What later questions are about."""
        if "/snapshots/" in (answer.headers["Location"] or ""):
            self.kept = self.kept[-5:] + [answer.headers["Location"].removeprefix(API)]
        if path.startswith("/internal/sync/pull") and answer.status == 200:
            self.cursor = answer.json()["cursor"]


def made(user, path, body):
    answer = user.post(path, body)
    assert answer.status in (200, 201), answer
    return answer.json()


def person(stack, tenant, foreign, role="tenant.admin", near=None):
    """A member of the tenant, of one property alone when `near` is given, with a saved query of his own."""
    name = f"{tenant}, {role}" + (f", {near}" if near else "")
    user = User(stack, tenant, ident("u", name)[2:], role, [near] if near else [])
    asker = Asker(name, tenant, user.token, foreign)
    for definition in ({"query": {"metrics": ["rooms_sold"], "dimensions": ["channel"], "dateRange": WINDOWS[0]}},
                       {"sql": "select * from dim_property"}):
        asker.queries.append(made(user, "/queries", {"name": word(tenant, "question"), **definition})["id"])
    return asker, user


def board(user, tenant):
    """(id of a dashboard with a tile of each kind, ids of the tiles)"""
    at = made(user, "/dashboards", {"name": word(tenant, "board"), "scope": "tenant"})["id"]
    return at, [made(user, f"/dashboards/{at}/widgets", {
        "kind": kind, "title": word(tenant, kind), "layout": {"x": 0, "y": 4 * n, "w": 8, "h": 4},
        "query": {"metrics": ["rooms_sold"], "dateRange": WINDOWS[0], **more}})["id"] for n, (kind, more) in enumerate(TILES)]


def services(stack, tenant, foreign, near=None):
    """sync-service for the tenant, or for one of its properties."""
    token = sync_token(stack, tenant, [near] if near else None)
    return Asker(f"sync-service of {tenant}" + (f", {near}" if near else ""), tenant, token, foreign, ("pull", "pull", "reach"))


def embedded(user, asker):
    """Who was given the first dashboard of a user."""
    shared = made(user, f"/dashboards/{asker.boards[0]}:share", {"audience": "https://desk.example", "ttlSeconds": 3600})
    holder = Asker(f"embed token of {asker.name}", asker.tenant, shared["token"], asker.foreign,
                   ("board_data", "board_data", "widget_data", "list", "reach", "probe", "make", "share"))
    holder.boards, holder.tiles = asker.boards, asker.tiles
    return holder


def everybody(stack, canary, others):
    """(askers who may see nothing of the canary, askers of the canary)"""
    foreign, host = marks(canary), others[0]
    near, far = properties(host)
    pairs = [person(stack, tenant, foreign) for tenant in others]
    limited = [person(stack, host, foreign + property_marks(host, 2), near=near),
               person(stack, host, foreign + property_marks(host, 1), "manager", far)]
    pairs += [person(stack, host, foreign, "tenant.owner"), *limited]
    own = [person(stack, canary, []), person(stack, canary, [], near=properties(canary)[0])]
    seen = {tenant: board(user, tenant) for tenant, user in
            [(canary, own[0][1])] + [(asker.tenant, user) for asker, user in pairs[:len(others)]]}
    for asker, _ in pairs + own:
        of = [seen[asker.tenant], seen[canary]]  # the second is not there for others
        asker.boards, asker.tiles = [at for at, _ in of], [tile for _, tiles in of for tile in tiles]
    for asker, _ in pairs:
        asker.queries += own[0][0].queries
    askers = [asker for asker, _ in pairs] + [embedded(pairs[0][1], pairs[0][0]), embedded(limited[0][1], limited[0][0])]
    askers += [services(stack, tenant, foreign) for tenant in others]
    askers.append(services(stack, host, foreign + property_marks(host, 2), near))
    return askers, [asker for asker, _ in own] + [services(stack, canary, []), embedded(own[0][1], own[0][0])]


class Questions(Reaches):
    """Random requests."""

    def __init__(self, rng, tenants, metrics, theirs):
        self.rng, self.metrics, self.theirs = rng, metrics, theirs  # {key: its dimensions}; what is known of the canary's
        nobody = ident("tnt", "prove", "nobody")
        known = {"mine": tenants[0], "other": nobody, "near": properties(tenants[0])[0], "far": properties(tenants[0])[1],
                 "theirs": properties(nobody)[0], "rsv": ident("rsv", nobody, 1), "forged": "9999999999|all|00",
                 "stale": "1|all|00"}
        self.hostile = [sql.format(**known) for group in STATEMENTS.values() for sql in group] + NAMES_OF_ROLES

    def ask(self, asker, kind=None):
        """(kind, request)"""
        kind = kind or self.rng.choice(asker.kinds)
        return kind, Request(*getattr(self, kind)(asker))

    def some(self, pool, most=2):
        return self.rng.sample(pool, self.rng.randint(0, min(most, len(pool))))

    def metric(self, _):
        key = self.rng.choice(list(self.metrics))
        always = ["channel"] if key.startswith("channel_mix") else []
        free = [name for name in self.metrics[key] if name != "date" and name not in always]
        return "POST", f"{API}/metrics/{key}:compute", {
            "dateRange": self.rng.choice(WINDOWS), "dimensions": always + self.some(free, 1),
            **({"params": {"days": 7}} if key in DAYS else {})}

    def structured(self, _):
        return "POST", API + "/queries:run", {"query": {
            "metrics": [self.rng.choice(("rooms_sold", "adr", "room_revenue")), "rooms_occupied"],
            "dateRange": self.rng.choice(WINDOWS), "granularity": self.rng.choice(("day", "week", "month")),
            "dimensions": self.some(("property_id", "room_type_id", "channel", "market_segment", "rate_plan_id"))}}

    def sql(self, _):
        return "POST", API + "/queries:run", {"sql": self.rng.choice((
            "select * from {}", "select count(*) as n from {}", "select * from {} order by 1, 2, 3 limit 5",
            "with t as (select * from {}) select * from t")).format(self.rng.choice(TABLES))}

    def attack(self, _):
        return "POST", API + "/queries:run", {"sql": self.rng.choice(self.hostile), "deadlineMs": 2000}

    def explain(self, _):
        return "GET", f"{API}/metrics/{self.rng.choice(list(self.metrics))}/explain?from=2026-04-01&to=2026-04-30", None

    def list(self, _):
        return "GET", API + self.rng.choice((
            "/metrics?limit=100", "/projections", "/data-quality?limit=100", "/dashboards", "/queries", "/data-quality/checks",
            "/etl/jobs/job_01KJM000000000000000000000")), None

    def bad(self, _):
        method, path, body = self.rng.choice((
            ("POST", "/queries:run", {"query": {"metrics": ["none"]}}), ("POST", "/queries:run", b"{"), ("GET", "/nowhere", None),
            ("POST", "/metrics/adr:compute", {"dateRange": {"from": "x", "to": "y"}}), ("GET", "/metrics?cursor=AAAA", None),
            ("POST", "/metrics/adr:compute", {"dateRange": WINDOWS[0], "filters": [
                {"dimension": "property_id", "op": "in", "values": ["ppt_nobody"]}]}),
            ("GET", "/dashboards/dsh_01KJM000000000000000000000", None), ("DELETE", "/metrics", None)))
        return method, API + path, body

    def board(self, asker):
        return "GET", f"{API}/dashboards/{self.rng.choice(asker.boards)}{self.rng.choice(('', '/history', '/history/1'))}", None

    def board_data(self, asker):
        return "GET", f"{API}/dashboards/{self.rng.choice(asker.boards)}/data", None

    def widget_data(self, asker):
        window = self.rng.choice(("", "?from=2026-04-01&to=2026-04-07"))
        return "GET", f"{API}/widgets/{self.rng.choice(asker.tiles)}/data{window}", None

    def saved(self, asker):
        query = self.rng.choice(asker.queries)
        return self.rng.choice((("GET", f"{API}/queries/{query}", None), ("GET", f"{API}/queries/{query}/history", None),
                                ("POST", API + "/queries:run", {"queryId": query})))

    def keep(self, asker):
        return "POST", API + "/queries:run", {"queryId": self.rng.choice(asker.queries), "snapshot": True}

    def kept(self, asker):
        return self.keep(asker) if not asker.kept else ("GET", API + self.rng.choice(asker.kept), None)

    def budget(self, _):
        return "GET", API + "/budget", None

    def pull(self, asker):
        known = self.theirs.any(self.rng, "pull") if self.rng.random() < 0.2 else asker.cursor
        since = f"&since={known}" if known and self.rng.random() < 0.7 else ""
        return "GET", f"/internal/sync/pull?limit=100{since}", None
