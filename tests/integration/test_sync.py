"""GET /internal/sync/pull: everything, then what changed, then what is gone; nobody else's."""

import hmac
import re

import pgcluster
import pytest

from boards import BOARD, User, code, fields
from events import ident
from harness import http_request
from hotels import hotel_group, properties
from services import sync_token

INVALID = (400, "GENERAL.VALIDATION_FAILED")
DENIED = (403, "IAM.PERMISSION_DENIED")
QUERY = {"metrics": ["rooms_sold"], "dateRange": {"from": "2026-04-01", "to": "2026-04-30"}}


class Copy:
    """What a desktop has: pulls what changed and applies it."""

    def __init__(self, stack, tenant, limits=None, url=None):
        self.stack, self.url, self.cursor, self.items = stack, url or stack.env["QUERYD_URL"], None, {}
        self.token = sync_token(stack, tenant, limits)

    def ask(self, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items() if value is not None)
        return http_request("GET", f"{self.url}/internal/sync/pull?{text}", headers={"Authorization": "Bearer " + self.token})

    def pull(self, limit=100):
        """{(kind, id): data, None when gone} of what came, in however many pages."""
        came, more = {}, True
        while more:
            answer = self.ask(since=self.cursor, limit=limit)
            assert answer.status == 200, answer
            page = answer.json()
            self.cursor, more = page["cursor"], page["more"]
            for item in page["items"]:
                assert item["deleted"] == (item["data"] is None)
                assert (item["kind"], item["id"]) not in came, "twice in one pull"
                came[item["kind"], item["id"]] = item["data"]
        self.items = {key: data for key, data in {**self.items, **came}.items() if data is not None}
        return came

    def of(self, kind):
        return {name: data for (k, name), data in self.items.items() if k == kind}


def quiet(came):
    """Without what the stream changes by itself."""
    return {key for key in came if key[0] not in ("projection", "alert", "snapshot")}


def widget(user, board, title="Sold", y=0):
    return user.post(f"/dashboards/{board}/widgets", {
        "kind": "kpi_tile", "title": title, "query": QUERY, "layout": {"x": 0, "y": y, "w": 4, "h": 4}}).json()["id"]


@pytest.fixture(name="tenant")
def a_tenant_with_data(stack, request):
    tenant = ident("tnt", "sync", request.node.name)
    stack.send_events(hotel_group(tenant))
    stack.wait()
    return tenant


def test_a_cursor_says_nothing(stack, tenant):
    """It goes on after a number of transactions of all tenants: how many there were is nobody's business."""
    copy = Copy(stack, tenant)
    copy.pull()
    assert not re.search(rb"[0-9]+:[0-9]+:", bytes.fromhex(copy.cursor.rpartition(".")[2]))


def test_from_nothing_and_on(stack, tenant):
    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    copy.pull(limit=5)
    assert len(copy.of("metric")) > 20 and "fact_reservation" in copy.of("projection") and not copy.of("dashboard")
    assert copy.of("projection")["fact_reservation"]["watermark"]
    assert not quiet(copy.pull())

    board = user.board()["id"]
    tile, private = widget(user, board), user.board(scope="user")["id"]
    user.board(scope="role", roles=["manager"])  # roles are not what a service has
    assert quiet(copy.pull()) == {("dashboard", board), ("widget", tile)}
    assert copy.of("widget")[tile]["title"] == "Sold" and not quiet(copy.pull())
    user.put(f"/dashboards/{board}", {**BOARD, "name": "New"}, "*")
    assert quiet(copy.pull()) == {("dashboard", board)} and copy.of("dashboard")[board]["name"] == "New"
    assert user.put(f"/dashboards/{private}", {**BOARD, "scope": "user", "name": "Mine"}, "*").status == 200
    assert not quiet(copy.pull())

    # gone: deleted, or private now
    assert user.delete(f"/dashboards/{board}/widgets/{tile}").status == 204
    assert quiet(copy.pull()) == {("widget", tile), ("dashboard", board)} and not copy.of("widget")
    other = widget(user, board, "Other")
    copy.pull()
    assert user.put(f"/dashboards/{board}", {**BOARD, "scope": "user"}, "*").status == 200
    assert quiet(copy.pull()) == {("widget", other), ("dashboard", board)}
    assert not copy.of("widget") and not copy.of("dashboard")
    again = Copy(stack, tenant)
    assert ("dashboard", board) not in again.pull()  # a new copy hears nothing of what is gone


def test_a_transaction_that_commits_late(stack, tenant):
    """It began before a pull, and others that began after it were pulled already."""
    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    late, early = user.board()["id"], user.board()["id"]
    copy.pull()
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as held:
        held.query("begin")
        held.query("update analytics.dashboards set name = 'late' where dashboard_id = $1", late)
        assert user.put(f"/dashboards/{early}", {**BOARD, "name": "early"}, "*").status == 200
        assert quiet(copy.pull()) == {("dashboard", early)}
        assert not quiet(copy.pull())  # nothing waits for it, nothing comes twice
        held.query("commit")
    assert quiet(copy.pull()) == {("dashboard", late)} and copy.of("dashboard")[late]["name"] == "late"


def test_who_may_pull(stack, tenant):
    copy = Copy(stack, tenant)
    copy.pull()
    other = Copy(stack, ident("tnt", "sync", "other"))
    part = Copy(stack, tenant, properties(tenant)[:1])
    for asker in (other, part):
        answer = asker.ask(since=copy.cursor)
        assert code(answer) == INVALID and fields(answer) == {"since"}, answer
        assert "again without it" in answer.json()["violations"][0]["message"]
    for bad in ("x", "", copy.cursor[:-2], copy.cursor + "00", "0" * 32 + copy.cursor[32:]):
        assert code(copy.ask(since=bad)) == INVALID, bad
    assert code(copy.ask(limit=0)) == INVALID and code(copy.ask(tenant="x")) == INVALID
    user = User(stack, tenant, "u", "tenant.owner")
    assert code(user.get("/../../../internal/sync/pull")) != (200, "")
    copy.token = user.token
    assert code(copy.ask()) == DENIED
    for claims in ({"tenants": []}, {"tenants": [tenant, ident("tnt", "sync", "other")]}, {"aud": "other"}, {"exp": 1}):
        copy.token = sync_token(stack, tenant, **claims)
        assert code(copy.ask()) == (401, "IAM.AUTH_INVALID"), claims
    # a service reads nothing else
    copy.token = sync_token(stack, tenant)
    answer = stack.http("GET", "queryd", "/api/v1/analytics/dashboards", token=copy.token)
    assert code(answer) == DENIED


def covered(key, mac, place):
    """What is enciphered, or was."""
    stream = b"".join(hmac.digest(key, f"cover|{mac}|{n}".encode(), "sha256") for n in range(len(place) // 32 + 1))
    return bytes(a ^ b for a, b in zip(place, stream))


def aged(stack, cursor, days):
    """The cursor as if it had been given so long ago, signed as queryd does it."""
    tenant, scope, sealed = cursor
    with open(stack.path("secrets", "scope.key"), "rb") as file:
        key = file.read().strip()
    mac, _, place = sealed.partition(".")
    fields = covered(key, mac, bytes.fromhex(place)).decode().split("\n")
    fields[0] = str(int(fields[0]) - days * 86400)
    place, context = "\n".join(fields), f"sync|{tenant}|{scope}"
    mac = hmac.digest(key, f"cursor|{len(context)}|{context}|{place}".encode(), "sha256")[:16].hex()
    return mac + "." + covered(key, mac, place.encode()).hex()


def test_a_cursor_lives_for_thirty_days(stack, tenant):
    """Longer than that, tombstones are kept; so a cursor that is older is not good for what is gone."""
    copy = Copy(stack, tenant)
    copy.pull()
    scope = stack.query("select scope_id from analytics.sync_scopes where tenant_id = $1", tenant)[0][0]
    cursor = (tenant, scope, copy.cursor)
    assert aged(stack, cursor, 0) == copy.cursor
    assert copy.ask(since=aged(stack, cursor, 29)).status == 200
    answer = copy.ask(since=aged(stack, cursor, 30))
    assert code(answer) == INVALID and fields(answer) == {"since"}
    assert "at most 30 days old" in answer.json()["violations"][0]["message"]


def test_properties(stack, tenant):
    mine, theirs = properties(tenant)
    user = User(stack, tenant, "author")
    shown, hidden = (user.board(scope="property", propertyId=p)["id"] for p in (mine, theirs))
    tile = widget(user, hidden)
    copy, whole = Copy(stack, tenant, [mine]), Copy(stack, tenant)
    copy.pull()
    whole.pull()
    assert set(copy.of("dashboard")) == {shown} and set(whole.of("dashboard")) == {shown, hidden}
    assert not copy.of("widget") and set(whole.of("widget")) == {tile}
    assert copy.of("projection")["fact_reservation"]["watermark"] is None
    user.put(f"/dashboards/{hidden}", {**BOARD, "scope": "property", "propertyId": theirs, "name": "x"}, "*")
    assert user.delete(f"/dashboards/{hidden}").status == 204
    assert not quiet(copy.pull())  # not even that it is gone
    assert {("dashboard", hidden), ("widget", tile)} <= set(whole.pull())
    # moved away from the property that is pulled
    user.put(f"/dashboards/{shown}", {**BOARD, "scope": "property", "propertyId": theirs}, "*")
    assert copy.pull().get(("dashboard", shown), "") is None


def test_alerts(stack, tenant):
    copy = Copy(stack, tenant)
    copy.pull()
    check = stack.query("select check_id from analytics.dq_checks where tenant_id is null order by 1 limit 1")[0][0]

    def result(state):
        stack.query("insert into analytics.dq_results (check_id, tenant_id, result_id, state, since) values"
                    " ($1, $2, 'r', $3, now()) on conflict (tenant_id, check_id) do update set state = excluded.state",
                    check, tenant, state)

    stack.kill("dqd", 15)
    try:
        copy.pull()
        result("fail")
        assert copy.pull()["alert", check]["severity"]
        result("fail")
        assert ("alert", check) not in copy.pull()
        result("pass")
        assert copy.pull()["alert", check] is None
    finally:
        stack.up()
