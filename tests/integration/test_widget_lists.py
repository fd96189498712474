"""Widgets that queryd remembers: another process never shows what was before a change that was answered,
whoever may not see a dashboard any more does not, and what Redis was not told is known a second later."""

import random
import re
import threading

import pytest

from boards import User, code
from harness import another_queryd, http_request, wait_until
from hotel import Hotel, WINDOW

NIGHTS = {"metrics": ["rooms_sold"], "dateRange": WINDOW}


def tile(title, x=0):
    return {"kind": "kpi_tile", "title": title, "query": NIGHTS, "layout": {"x": x, "y": 0, "w": 2, "h": 2}}


def hotel_of(stack, name):
    hotel = Hotel(name)
    hotel.property("p", 3)
    hotel.stay("p", 0, "2024-03-01", 2)
    hotel.send(stack)
    return hotel


@pytest.fixture(scope="module")
def pair(stack):
    """One user at two processes: he changes at the first and looks at the second. And a colleague there."""
    hotel = hotel_of(stack, "lists of widgets")
    with another_queryd(stack) as url:
        yield [User(stack, hotel.tenant, "writer"), User(stack, hotel.tenant, "writer", url=url),
               User(stack, hotel.tenant, "colleague", url=url)]


def from_memory(user):
    text = http_request("GET", user.url + "/metrics").body.decode()
    return int(float(re.search(r'^query_widget_lists_total\{from="memory"\} (\S+)$', text, re.M)[1]))


def titles(user, board):
    answer = user.get(f"/dashboards/{board['id']}/data")
    assert answer.status in (200, 404), answer
    return [w["title"] for w in answer.json()["widgets"]] if answer.status == 200 else None


def test_what_was_answered_is_seen_elsewhere(pair):
    here, there, colleague = pair
    board, chance, made = here.board(), random.Random(7), []
    before = from_memory(there)
    for n in range(120):
        kind = chance.choice(("add", "change", "drop", "scope")) if made else "add"
        if kind == "add" and len(made) < 6:
            taken = {w["layout"]["x"] for w in made}
            made.append(here.post(f"/dashboards/{board['id']}/widgets",
                                  tile(f"made {n}", next(x for x in range(0, 12, 2) if x not in taken))).json())
        elif kind == "change":
            at = chance.randrange(len(made))
            answer = here.put(f"/widgets/{made[at]['id']}", tile(f"changed {n}", made[at]["layout"]["x"]), "*")
            assert answer.status == 200, answer
            made[at] = answer.json()
        elif kind == "drop" and len(made) > 1:
            assert here.delete(f"/widgets/{made.pop(chance.randrange(len(made)))['id']}").status == 204
        else:
            board = here.put(f"/dashboards/{board['id']}", {"name": f"n {n}", "scope": chance.choice(("user", "tenant"))}, "*").json()
        shown = [w["title"] for w in sorted(made, key=lambda w: w["layout"]["x"])]
        assert titles(there, board) == shown, (n, kind)
        assert titles(colleague, board) == (shown if board["scope"] == "tenant" else None), (n, kind)
        assert titles(there, board) == shown
        assert there.get(f"/widgets/{made[0]['id']}/data").json()["title"] == made[0]["title"]
    assert from_memory(there) - before >= 120  # the second look at least
    assert here.delete(f"/dashboards/{board['id']}").status == 204
    assert titles(there, board) is titles(colleague, board) is None
    assert code(there.get(f"/widgets/{made[0]['id']}/data")) == (404, "ANALYTICS.WIDGET_NOT_FOUND")


def test_roles_and_properties_have_lists_of_their_own(stack, pair):
    here, there, _ = pair
    hotel = Hotel("lists of widgets")
    for_managers = here.board(scope="role", roles=["manager"])
    of_property = here.board(scope="property", propertyId=hotel.id("ppt", "p"))
    for board in (for_managers, of_property):
        assert here.post(f"/dashboards/{board['id']}/widgets", tile("Sold")).status == 201
    mine, other = (hotel.id("ppt", "p"),), (hotel.id("ppt", "other"),)
    users = {  # the same id, so that only what else he is tells them apart; and what he sees of the two
        name: (User(stack, tenant, "same", role, properties, url=there.url), sees) for name, tenant, role, properties, sees in (
            ("manager", hotel.tenant, "manager", mine, (True, True)), ("staff", hotel.tenant, "staff", mine, (False, True)),
            ("elsewhere", hotel.tenant, "manager", other, (True, False)), ("nowhere", hotel.tenant, "staff", other, (False, False)),
            ("stranger", Hotel("another").tenant, "manager", mine, (False, False)))}
    for _ in range(3):
        for name, (user, sees) in users.items():
            seen = tuple(titles(user, board) is not None for board in (for_managers, of_property))
            assert seen == sees, name


def test_readers_beside_writers_never_go_back(pair):
    """Titles count: whoever saw a number, at either process, sees no smaller one later. Two who change dashboards of one
    tenant at the same time see nothing of each other's change in their own."""
    here, there, _ = pair
    made = [user.post(f"/dashboards/{user.board()['id']}/widgets", tile("0")).json() for user in (here, there)]
    answered, stop, wrong = [0, 0], threading.Event(), []

    def look(user, of):
        while not stop.is_set():
            least = answered[of]
            answer = user.get(f"/widgets/{made[of]['id']}/data")
            if answer.status != 200 or int(answer.json()["title"]) < least:
                wrong.append((of, least, answer))

    def write(user, of):
        for n in range(1, 100):
            answer = user.put(f"/widgets/{made[of]['id']}", tile(str(n)), "*")
            if answer.status != 200:
                wrong.append(answer)
            answered[of] = n

    readers = [threading.Thread(target=look, args=(user, of)) for user in (here, there) for of in (0, 1)]
    writers = [threading.Thread(target=write, args=(user, of)) for of, user in enumerate((here, there))]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong, wrong[:3]


def test_a_change_that_redis_missed(pair):
    """A process that was killed between its commit and Redis: here, somebody who knows nothing of Redis."""
    here, there, _ = pair
    board = here.board()
    made = here.post(f"/dashboards/{board['id']}/widgets", tile("before")).json()
    assert titles(there, board) == titles(there, board) == ["before"]
    here.stack.query("update analytics.widgets set title = 'after' where widget_id = $1", made["id"])
    wait_until(lambda: titles(there, board) == ["after"], 5)
