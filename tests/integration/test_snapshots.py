"""Kept results of saved queries: byte for byte, for who asked, for 30 days."""

import hashlib

import pytest

from boards import User
from harness import another_queryd, wait_until
from hotel import API, CODES, STAYED, Hotel

QUERY = {"metrics": ["rooms_sold"], "dateRange": {"from": "2024-03-01", "to": "2024-03-31"}}
SQL = "select count(*) as n from fact_room_night"


@pytest.fixture(scope="module")
def hotel(stack):
    made = Hotel("snapshots")
    for key in ("p", "q"):
        made.property(key, 5)
        made.stay(key, 1, "2024-03-02", 2, then=STAYED)
    made.send(stack)
    return made


def saved(user, **definition):
    answer = user.post("/queries", {"name": "Kept", **definition})
    assert answer.status == 201, answer
    return answer.json()["id"]


def keep(user, query):
    answer = user.post("/queries:run", {"queryId": query, "snapshot": True})
    assert answer.status == 200, answer
    return answer, answer.headers["Location"]


@pytest.mark.parametrize("definition", [{"query": QUERY}, {"sql": SQL}])
def test_it_is_the_same_when_the_data_are_not(stack, hotel, definition):
    user = User(stack, hotel.tenant, "keeper", "tenant.admin")
    query = saved(user, **definition)
    first, place = keep(user, query)
    assert first.headers["ETag"] == f'"{hashlib.sha256(first.body).hexdigest()}"'
    hotel.stay("p", f"later {list(definition)}", "2024-03-10", 3, then=STAYED)
    hotel.send(stack)
    wait_until(lambda: user.post("/queries:run", {"queryId": query}).json()["rows"] != first.json()["rows"])
    again = user.get(place)
    assert again.status == 200 and again.body == first.body and again.headers["ETag"] == first.headers["ETag"]
    assert user.get(place, If_None_Match=first.headers["ETag"]).status == 304
    second, other = keep(user, query)
    assert other != place and second.json()["rows"] != first.json()["rows"]
    assert second.json()["dataVersion"] > first.json()["dataVersion"]
    row = stack.query("select query_id, body_hash, data_versions <> '', expires_at - created_at from analytics.query_snapshots "
                      "where snapshot_id = $1", place.rpartition("/")[2])
    assert row == [[query, hashlib.sha256(first.body).hexdigest(), "t", "30 days"]]


def test_a_cached_answer_is_kept_too(stack, hotel):
    user = User(stack, hotel.tenant, "cached", "manager", [hotel.id("ppt", "p")])
    query = saved(user, query={**QUERY, "granularity": "month"})
    keep(user, query)
    hit, place = keep(user, query)
    assert hit.headers["X-Cache"] == "HIT" and user.get(place).body == hit.body


def test_to_others_it_is_not_there(stack, hotel):
    p, q = hotel.id("ppt", "p"), hotel.id("ppt", "q")
    user = User(stack, hotel.tenant, "maker", "manager", [p, q])
    _, place = keep(user, saved(user, query=QUERY))
    assert user.get(place).status == 200
    missing = user.get(f"{API}/snapshots/snp_01HK153X0063TEMYMN263QDKYM")
    assert missing.status == 404
    strangers = [User(stack, hotel.tenant, "colleague", "manager", [p, q]),
                 User(stack, hotel.tenant, "maker", "manager", [p]),  # he sees less by now
                 User(stack, hotel.tenant, "chief", "tenant.owner"),
                 User(stack, Hotel("another").tenant, "maker", "tenant.owner")]
    for stranger in strangers:
        answer = stranger.get(place)
        assert answer.status == 404 and answer.json()["code"] == missing.json()["code"]
        assert answer.json()["detail"] == missing.json()["detail"]
    stack.query("update analytics.query_snapshots set expires_at = now() where snapshot_id = $1", place.rpartition("/")[2])
    assert user.get(place).status == 404
    with another_queryd(stack):  # looks for what is over when it begins
        wait_until(lambda: stack.query("select count(*) from analytics.query_snapshots where snapshot_id = $1",
                                       place.rpartition("/")[2]) == [["0"]])


def test_what_cannot_be_kept(stack, hotel):
    user = User(stack, hotel.tenant, "faults")
    query = saved(user, query=QUERY)
    for body in ({"query": QUERY, "snapshot": True}, {"sql": SQL, "snapshot": True},
                 {"queryId": query, "snapshot": True, "dryRun": True}, {"queryId": query, "snapshot": 1}):
        answer = user.post("/queries:run", body)
        assert answer.status == 400 and answer.json()["violations"][0]["field"] == "snapshot", answer
    assert "Location" not in user.post("/queries:run", {"queryId": query, "snapshot": False}).headers
    count = lambda: stack.query("select count(*) from analytics.query_snapshots where tenant_id = $1", hotel.tenant)
    before = count()
    bad = saved(user, sql="select 1 / (count(*) - count(*)) from fact_payment")
    answer = user.post("/queries:run", {"queryId": bad, "snapshot": True})
    assert answer.status == 422 and answer.json()["code"] == CODES + "ANALYTICS.QUERY_REJECTED"
    assert count() == before
