"""Snapshots of widgets for desktops: whose, when they are made anew, how large, by whom."""

import json
import signal
import time

import pytest

import pgcluster
from boards import User
from events import ident
from harness import another_queryd, wait_until
from hotels import NIGHTS, hotel_group, properties, stay
from test_sync import Copy, widget


@pytest.fixture(name="tenant")
def a_tenant_with_data(stack, request):
    tenant = ident("tnt", "snapshots", request.node.name)
    stack.send_events(hotel_group(tenant))
    stack.wait()
    return tenant


def snapshots(copy):
    copy.pull()
    return {data["widgetId"]: data for data in copy.of("snapshot").values()}


def sold(snapshot):
    return json.dumps(snapshot["result"]["data"])


def due_now(stack, tenant):
    stack.query("update analytics.sync_snapshots set due_at = now() where tenant_id = $1", tenant)


def test_each_scope_gets_its_own(stack, tenant):
    mine, theirs = properties(tenant)
    user = User(stack, tenant, "author")
    everybody, hidden = user.board()["id"], user.board(scope="property", propertyId=theirs)["id"]
    tile, other, private = widget(user, everybody), widget(user, hidden), widget(user, user.board(scope="user")["id"])
    whole, part = Copy(stack, tenant), Copy(stack, tenant, [mine])
    wait_until(lambda: set(snapshots(whole)) == {tile, other})
    wait_until(lambda: set(snapshots(part)) == {tile})
    seen, limited = snapshots(whole), snapshots(part)[tile]
    assert private not in seen and seen[tile]["properties"] is None and limited["properties"] == [mine]
    assert seen[other]["properties"] == [theirs]
    # each shows what a reader with that scope reads
    for reader, one in ((user, seen[tile]), (User(stack, tenant, "m", "manager", [mine]), limited)):
        answer = reader.get(f"/widgets/{tile}/data").json()
        assert one["result"]["data"] == answer["data"] and one["result"]["dataVersion"] == answer["dataVersion"]
    assert sold(seen[tile]) != sold(limited)
    assert one["generatedAt"] and one["paramsHash"] and one["cadence"] == "hot" and not one["omitted"]
    text = str(part.items)
    assert theirs not in text and hidden not in text and other not in text

    # unchanged data: looked at again, not made again
    due_now(stack, tenant)
    wait_until(lambda: stack.query("select count(*) from analytics.sync_snapshots where tenant_id = $1 and due_at > now()",
                                   tenant)[0][0] == "3")
    assert not [key for key in whole.pull() if key[0] == "snapshot"]
    more = stay(tenant, 1, NIGHTS + 1)
    stack.send_events([{**more, "id": ident("evt", tenant, "more"), "occurredAt": "2026-03-02T10:00:00Z"}])
    stack.wait()
    before = snapshots(whole)[tile]
    due_now(stack, tenant)
    after = wait_until(lambda: (one := snapshots(whole)[tile])["snapshotId"] != before["snapshotId"] and one)
    assert sold(after) != sold(before)

    # a widget that goes takes them along, a changed one has them made again
    assert user.delete(f"/dashboards/{everybody}/widgets/{tile}").status == 204
    assert tile not in snapshots(whole) and not snapshots(part)


def test_what_is_too_large_says_so(stack, tenant):
    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    board = user.board()["id"]
    user.post(f"/dashboards/{board}/widgets", {
        "kind": "time_series", "title": "Long", "layout": {"x": 0, "y": 0, "w": 8, "h": 4},
        "query": {"metrics": ["rooms_sold"], "granularity": "day", "dateRange": {"from": "2018-01-01", "to": "2027-12-31"}}})
    one, = wait_until(lambda: list(snapshots(copy).values()))
    assert one["omitted"] == "too_large" and one["result"] is None and len(json.dumps(one)) < 1024


def test_a_used_up_budget_pauses(stack, tenant):
    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    copy.pull()
    stack.query("insert into analytics.budgets (tenant_id, day, cap_bytes, used_bytes, alarmed) values"
                " ($1, (now() at time zone 'UTC')::date, 1048576, 1048576, 100)", tenant)
    tile = widget(user, user.board()["id"])
    neighbour = ident("tnt", "snapshots", "neighbour")
    stack.send_events(hotel_group(neighbour))
    stack.wait()
    beside = Copy(stack, neighbour)
    theirs = User(stack, neighbour, "author")
    shown = widget(theirs, theirs.board()["id"])
    wait_until(lambda: shown in snapshots(beside))  # others go on; it had its turns
    assert not snapshots(copy)
    stack.query("delete from analytics.budgets where tenant_id = $1", tenant)
    wait_until(lambda: tile in snapshots(copy))


def test_readers_come_first(stack, tenant):
    """Of a tenant one at a time, however many are due and slow."""
    def waiting():
        return int(stack.query("select count(*) from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'", tenant)[0][0])

    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    board = user.board()["id"]
    made = [user.post(f"/dashboards/{board}/widgets", {
        "kind": "time_series", "title": f"{n}", "layout": {"x": 0, "y": n, "w": 8, "h": 1},
        "query": {"metrics": ["rooms_sold"], "granularity": "day", "dateRange": {"from": f"2024-0{n + 1}-01", "to": "2024-12-31"}}})
        for n in range(6)]
    assert {m.status for m in made} == {201}
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as holder:
        holder.query("begin; lock table analytics_curated.fact_room_night_v1 in access exclusive mode")
        copy.pull()
        wait_until(lambda: int(stack.query("select count(*) from analytics.sync_snapshots where tenant_id = $1"
                                           " and lease_until > now()", tenant)[0][0]) >= 4)
        wait_until(lambda: waiting() >= 1)
        assert all(waiting() == 1 or time.sleep(0.02) for _ in range(25))
        answer = user.post("/queries:run", {"query": {"metrics": ["no_show_rate"], "dateRange": {"from": "2024-01-01", "to": "2024-12-31"}}})
        assert answer.status == 200, answer
        holder.query("commit")
    wait_until(lambda: len(snapshots(copy)) == 6)


def test_several_processes_share_the_work(stack, tenant):
    """One of them is killed with leases; each snapshot is made, and by one."""
    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    copy.pull()
    board = user.board()["id"]
    with another_queryd(stack, sync_hot="1h") as _:
        tiles = {widget(user, board, f"n {n}", 4 * n) for n in range(10)}
        stack.kill("queryd", signal.SIGKILL)
        try:
            # what it had is another's when the lease is over
            stack.query("update analytics.sync_snapshots set lease_until = now() where tenant_id = $1 and worker like $2",
                        tenant, "%")
            wait_until(lambda: int(stack.query(
                "select count(*) from analytics.sync_snapshots where tenant_id = $1 and snapshot_id is not null",
                tenant)[0][0]) == len(tiles))
        finally:
            stack.up()
    assert set(snapshots(copy)) == tiles
    made = copy.of("snapshot")
    assert len({one["snapshotId"] for one in made.values()}) == len(tiles)


def test_cadence(stack, tenant):
    """Metrics that may be old are looked at again later; what reads much, much later, and only for who pulls."""
    user, copy = User(stack, tenant, "author"), Copy(stack, tenant)
    copy.pull()
    board = user.board()["id"]

    def due_in(tile):
        """Minutes, of its next look; None while it is being made."""
        [[minutes]] = stack.query("select round(extract(epoch from due_at - now()) / 60) from analytics.sync_snapshots"
                                  " where tenant_id = $1 and widget_id = $2 and snapshot_id is not null and worker is null", tenant, tile) or [[None]]
        return minutes and int(minutes)

    hot, cold = widget(user, board), user.post(f"/dashboards/{board}/widgets", {
        "kind": "kpi_tile", "title": "Locks", "layout": {"x": 0, "y": 8, "w": 4, "h": 4},
        "query": {"metrics": ["lock_success_rate"], "dateRange": {"from": "2026-03-01", "to": "2026-03-31"}}}).json()["id"]
    wait_until(lambda: (due_in(hot), due_in(cold)) == (5, 15))
    assert {tile: one["cadence"] for tile, one in snapshots(copy).items()} == {hot: "hot", cold: "cold"}

    def look_now():
        stack.query("update analytics.sync_snapshots set due_at = now(), state = null where tenant_id = $1", tenant)

    stack.kill("queryd")
    try:
        with another_queryd(stack, sync_heavy_bytes="1B", sync_heavy="90m") as url:
            look_now()
            wait_until(lambda: due_in(hot) == 90)
            stack.query("update analytics.sync_scopes set pulled_at = now() - interval '2 hours' where tenant_id = $1", tenant)
            look_now()
            fresh = widget(User(stack, tenant, "author", url=url), board, y=16)
            wait_until(lambda: due_in(fresh) is not None)
            assert due_in(hot) == 0  # nobody asks for it
            stack.query("update analytics.sync_scopes set pulled_at = now() where tenant_id = $1", tenant)
            look_now()
            wait_until(lambda: due_in(hot) == 90)
    finally:
        stack.up()
