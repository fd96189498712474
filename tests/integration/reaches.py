"""What askers of prove-isolation make and change, and how they reach for what is the canary's.

Of the canary's are known its documents' ids, cursors, ETags and idempotency keys: none is a value that is
searched for. Whoever reaches for an id of the canary's must be told the same as of one that nobody has.
"""

import collections
import json
import re
import uuid

from events import ident
from hotels import word

API = "/api/v1/analytics"
# method, path, body, headers; asked again of `twin`, a path of what is not there, the answer must be the same;
# what is the canary's in it, of which no answer may say that it is current
Request = collections.namedtuple("Request", "method path body headers twin foreign_tag", defaults=(None, {}, None, False))

KINDS = {"dashboards": "dsh", "widgets": "wid", "queries": "qry", "checks": "dqc"}
KEYS = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"prove {n}")) for n in range(6)]  # idempotency keys that all use
LISTS = ("/dashboards", "/queries", "/metrics", "/projections", "/data-quality", "/data-quality/checks")
MOST = 5  # documents of a kind that one asker keeps
QUERY = {"metrics": ["rooms_sold"], "dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}
PAGED = {"query": {**QUERY, "dimensions": ["channel", "property_id"], "granularity": "day", "limit": 1}}
WRITES = ("make", "make", "change", "drop", "share", "publish", "archive")
REACHES = ("guest", "dry", "page", "result_page", "known", "reach", "probe")


def invented(kind, n):
    return ident(KINDS.get(kind, "snp"), "prove", "invented", n)


class Theirs:
    """What was said to the canary's askers: the newest of each kind."""

    def __init__(self):
        self.kinds = collections.defaultdict(lambda: collections.deque(maxlen=20))

    def add(self, kind, value):
        if value and value not in self.kinds[kind]:
            self.kinds[kind].append(value)

    def any(self, rng, kind):
        values = list(self.kinds[kind])
        return rng.choice(values) if values else None


def made_of(answer):
    """(kind, id) of what a 201 has made, or None."""
    at = re.fullmatch(rf"{API}/(?:data-quality/)?(?:dashboards/[^/]+/)?(\w+)/([^/]+)", answer.headers["Location"] or "")
    return at.groups() if answer.status == 201 and at else None


def note(asker, request, answer, theirs):
    """What later questions are about; `theirs` gets what was said to one of the canary's."""
    keep = theirs.add if asker.of_canary else lambda kind, value: None
    path = request.path.partition("?")[0]
    made = made_of(answer)
    if made and made[0] in KINDS:
        asker.made[made[0]].append(made[1])
        keep(*made)
    if made and made[0] == "snapshots":
        keep(*made)
    if answer.status == 204 and path.rpartition("/")[2] in asker.made[path.split("/")[-2]]:
        asker.made[path.split("/")[-2]].remove(path.rpartition("/")[2])
    if answer.status not in (200, 201):
        return
    document = answer.json() if answer.body else {}
    if path.endswith(":share"):
        asker.tokens = asker.tokens[-3:] + [(document["token"], document["dashboardId"])]
    if request.method == "GET" and path.removeprefix(API) in LISTS:
        asker.cursors[path] = document["nextCursor"]
        keep("cursor", document["nextCursor"])
    if request.body == PAGED:
        asker.cursors["result"] = document["nextCursor"]
        keep("result cursor", document["nextCursor"])
    if path == "/internal/sync/pull":
        keep("pull", document["cursor"])
    if answer.headers["ETag"] and "." in answer.headers["ETag"]:
        keep("tag", answer.headers["ETag"])


def same_answer(one, other, ids):
    """Whether two problems say the same, but for the id asked for and that of the request."""
    def said(answer):
        text = answer.body.decode("utf-8", "replace")
        for name in ids:
            text = text.replace(name, "ID")
        document = json.loads(text) if text else {}
        document.pop("correlationId", None)
        return answer.status, document, answer.headers["ETag"], answer.headers["X-Cache"], answer.headers["X-Bytes-Scanned"]

    return said(one) == said(other)


class Reaches:
    """The kinds of requests; mixed into Questions, which has rng and theirs."""

    def key(self):
        return {"Idempotency-Key": self.rng.choice(KEYS) if self.rng.random() < 0.4 else str(uuid.uuid4())}

    def document(self, asker, kind):
        """A new body of the kind; half of them are the same for whoever makes them."""
        name = word(asker.tenant, kind) if self.rng.random() < 0.5 else "Front desk"
        return {"dashboards": {"name": name, "scope": "tenant"},
                "queries": {"name": name, "query": QUERY},
                "widgets": {"kind": "kpi_tile", "title": name, "query": QUERY, "layout": {"x": 8, "y": 40, "w": 4, "h": 4}},
                "checks": {"table": "fact_payment", "kind": "freshness", "severity": "info",
                           "limit": self.rng.randint(900, 9000)}}[kind]

    def own(self, asker, kind):
        return self.rng.choice(asker.made[kind]) if asker.made[kind] else None

    def target(self, asker, kind):
        """One of his own, or of the canary's."""
        theirs = None if asker.of_canary else self.theirs.any(self.rng, kind)
        own = self.own(asker, kind)
        return (theirs if self.rng.random() < 0.4 else own) or own or theirs or invented(kind, 1)

    @staticmethod
    def at(kind, name):
        return f"{API}/{'data-quality/' if kind == 'checks' else ''}{kind}/{name}"

    def make(self, asker):
        kind = self.rng.choice(list(KINDS))
        if len(asker.made[kind]) >= MOST:
            return Request("DELETE", self.at(kind, asker.made[kind][0]), headers={"If-Match": "*"})
        path = f"{API}/{'data-quality/' if kind == 'checks' else ''}{kind}"
        if kind == "widgets":
            path = self.at("dashboards", self.target(asker, "dashboards")) + "/widgets"
        return Request("POST", path, self.document(asker, kind), self.key())

    def change(self, asker):
        kind = self.rng.choice(list(KINDS))
        return Request("PUT", self.at(kind, self.target(asker, kind)), self.document(asker, kind), {"If-Match": "*"})

    def drop(self, asker):
        """Rarely his own."""
        kind = self.rng.choice(list(KINDS))
        name = self.target(asker, kind) if self.rng.random() < 0.3 or asker.of_canary else \
            self.theirs.any(self.rng, kind) or invented(kind, 2)
        return Request("DELETE", self.at(kind, name), headers={"If-Match": "*"})

    def share(self, asker):
        boards = asker.boards[:1] + [self.target(asker, "dashboards")]
        at = self.at("dashboards", self.rng.choice(boards))
        return Request("POST", at + ":share", {"audience": "https://desk.example", "ttlSeconds": 3600}, self.key())

    def publish(self, asker):
        """Of every tenant under the same few names."""
        return Request("POST", API + "/metrics", {
            "key": self.rng.choice(("paid_share", "their_share")), "version": self.rng.randint(1, 3),
            "display": {"default": word(asker.tenant, "metric")}, "unit": {"kind": "percent"}, "numerator": "rooms_sold",
            "denominator": "rooms_occupied", "dimensions": ["property_id", "channel"]}, self.key())

    def archive(self, asker):
        return self.rng.choice((
            Request("POST", API + "/metrics/their_share:archive", {"version": self.rng.randint(1, 3)}, self.key()),
            Request("POST", API + "/metrics/paid_share:compute", {"dateRange": QUERY["dateRange"], "dimensions": ["channel"]}),
            Request("GET", API + "/metrics/paid_share/explain?from=2026-04-01&to=2026-04-30")))

    def guest(self, asker):
        """With a token that was just shared: its own dashboard, or one of the canary's."""
        if not asker.tokens:
            return self.share(asker)
        token, its = self.rng.choice(asker.tokens)
        dashboard = its if self.rng.random() < 0.5 else self.rng.choice(asker.boards + [self.target(asker, "dashboards")])
        at = self.rng.choice((f"{API}/dashboards/{dashboard}/data",) * 2 +
                             (f"{API}/widgets/{self.rng.choice(asker.tiles)}/data", API + "/queries"))
        return Request("GET", at, headers={"Authorization": "Bearer " + token})

    def dry(self, asker):
        question = self.rng.choice(({"query": {**QUERY, "dimensions": ["channel", "property_id"]}},
                                    {"sql": "select * from dim_property"}, {"sql": "select channel, count(*) as n from fact_reservation group by 1"},
                                    {"queryId": self.rng.choice(asker.queries or [invented("queries", 3)])}))
        return Request("POST", API + "/queries:run", {**question, "dryRun": True})

    def page(self, asker):
        """The next page of a list, of his own or of the canary's."""
        path = API + self.rng.choice(LISTS)
        cursor = self.theirs.any(self.rng, "cursor") if self.rng.random() < 0.5 else asker.cursors.get(path)
        return Request("GET", f"{path}?limit=1" + (f"&cursor={cursor}" if cursor else ""))

    def result_page(self, asker):
        cursor = self.theirs.any(self.rng, "result cursor") if self.rng.random() < 0.5 else asker.cursors.get("result")
        if cursor is None:
            return Request("POST", API + "/queries:run", PAGED)
        return Request("POST", API + "/queries:run", {"query": {**PAGED["query"], "cursor": cursor}})

    def known(self, _):
        """What the canary was told is current is of nobody else."""
        tag = self.theirs.any(self.rng, "tag") or 'W/"none"'
        return Request("POST", API + "/queries:run", {"query": {
            "metrics": ["rooms_sold", "rooms_occupied"], "dateRange": QUERY["dateRange"], "granularity": "day"}},
                       {"If-None-Match": tag}, None, True)

    def reach(self, _):
        """One of the canary's, read or run."""
        kind = self.rng.choice((*KINDS, "snapshots"))
        name = self.theirs.any(self.rng, kind) or invented(kind, 4)
        more = {"dashboards": ("", "/history", "/history/1", "/data"), "queries": ("", "/history"), "widgets": ("/data",)}
        if kind == "queries" and self.rng.random() < 0.5:
            return Request("POST", API + "/queries:run", {"queryId": name, "dryRun": self.rng.random() < 0.5})
        return Request("GET", self.at(kind, name) + self.rng.choice(more.get(kind, ("",))))

    def probe(self, _):
        """The same of what is the canary's and of what is not there."""
        kind = self.rng.choice((*KINDS, "snapshots"))
        name, nobody = self.theirs.any(self.rng, kind) or invented(kind, 5), invented(kind, 6)
        if kind == "queries" and self.rng.random() < 0.3:
            return Request("POST", API + "/queries:run", {"queryId": name}, {}, {"queryId": nobody})
        end = self.rng.choice({"dashboards": ("", "/history", "/history/1", "/data"), "queries": ("", "/history"),
                               "widgets": ("/data",)}.get(kind, ("",)))
        method = self.rng.choice(("GET", "PUT", "DELETE", "POST")) if kind != "snapshots" else "GET"
        if method == "GET" or kind == "checks" and method == "POST":
            return Request("GET", self.at(kind, name) + end, None, {"If-None-Match": '"v1"'}, self.at(kind, nobody) + end)
        if method == "POST":
            end = {"dashboards": ":share", "queries": "/history/1", "widgets": "/history"}[kind]
            body = {"audience": "a", "ttlSeconds": 60}
            return Request("POST", self.at(kind, name) + end, body, {"Idempotency-Key": str(uuid.uuid4())}, self.at(kind, nobody) + end)
        body = None if method == "DELETE" else {"dashboards": {"name": "x", "scope": "tenant"}, "queries": {"name": "x", "query": QUERY}}.get(kind) or \
            self.document_of(kind)
        return Request(method, self.at(kind, name), body, {"If-Match": self.rng.choice(('"v1"', '"v9"', "*"))}, self.at(kind, nobody))

    @staticmethod
    def document_of(kind):
        return {"widgets": {"kind": "kpi_tile", "title": "x", "query": QUERY, "layout": {"x": 0, "y": 0, "w": 4, "h": 4}},
                "checks": {"table": "fact_payment", "kind": "freshness", "severity": "info", "limit": 1000}}[kind]
