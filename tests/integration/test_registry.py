"""The registry of metrics: what is published, by whom, and that it never changes."""

import json
import os

import pytest

from harness import BIN, run
from hotel import API, CODES, WINDOW, Hotel, compute, ulid

OWN = {"key": "nights_per_occupied", "version": 1, "display": {"default": "Paid share", "values": {"fr": "Part payante"}},
       "unit": {"kind": "percent"}, "numerator": "rooms_sold", "denominator": "rooms_occupied",
       "dimensions": ["property_id", "channel"]}


@pytest.fixture(scope="module")
def owner(stack, random_hotel):
    return stack.token(random_hotel.tenant, "--role", "tenant.owner")


def publish(stack, token, body, key=None):
    headers = {"Idempotency-Key": key or ulid("publish", os.urandom(8))}
    return stack.http("POST", "queryd", f"{API}/metrics", body, token, headers)


def archive(stack, token, metric, **body):
    return stack.http("POST", "queryd", f"{API}/metrics/{metric}:archive", body, token)


def listed(stack, token):
    items, cursor = [], ""
    while cursor is not None:
        page = stack.http("GET", "queryd", f"{API}/metrics?limit=7" + (f"&cursor={cursor}" if cursor else ""),
                          token=token).json()
        items, cursor = items + page["items"], page["nextCursor"]
    return items


def test_every_metric_says_what_it_is(stack, owner):
    items = listed(stack, owner)
    order = [(m["key"], m["version"]) for m in items]
    assert order == sorted(order)
    for m in (m for m in items if m["publisher"] == "platform"):
        names = m["display"]["values"]
        assert set(names) == {"en", "fa", "ps"} and len(set(names.values())) == 3 and m["display"]["default"] == names["en"], m["key"]
        assert len(m["definitionHash"]) == 64 and m["freshnessSloSeconds"] > 0
        assert m["granularities"] == ["day", "week", "month", "quarter", "year"]
        assert m["dimensions"][0] == "date" and m["sources"] and m["parts"]["numerator"]
    adr = next(m for m in items if m["key"] == "adr")
    assert adr["parts"] == {"numerator": "room_revenue", "denominator": "rooms_sold", "shareOf": None}


def test_hashes_are_those_of_the_definitions(stack):
    rows = stack.query("select count(*), count(*) filter (where definition_hash = encode(sha256(convert_to(concat_ws('|',"
                       " key, version, unit_kind, definition::text), 'UTF8')), 'hex')) from analytics.metric_definitions")
    assert int(rows[0][0]) > 0 and rows[0][0] == rows[0][1]


def test_publish_and_use(stack, random_hotel, token, owner):
    first = publish(stack, owner, OWN, "123e4567-e89b-12d3-a456-42661417a001")
    assert first.status == 201, first
    mine = next(m for m in listed(stack, owner) if m["key"] == OWN["key"])  # at once
    assert mine["publisher"] == "tenant" and mine["definitionHash"] == first.json()["definitionHash"]
    assert mine["display"] == OWN["display"] and mine["dimensions"] == ["date", "property_id", "channel"]
    parts = {m: compute(stack, token, m)["rows"][0][m] for m in ("rooms_sold", "rooms_occupied")}
    result = compute(stack, token, OWN["key"])
    assert result["rows"][0][OWN["key"]] == pytest.approx(parts["rooms_sold"] / parts["rooms_occupied"])
    assert result["definitionHashes"] == {OWN["key"]: mine["definitionHash"]}
    both = stack.http("POST", "queryd", f"{API}/queries:run", {"query": {
        "metrics": ["rooms_sold", OWN["key"] + "@1"], "dateRange": WINDOW}}, token).json()
    assert both["rows"] == [{"rooms_sold": parts["rooms_sold"], **result["rows"][0]}]
    said = stack.http("GET", "queryd", f"{API}/metrics/{OWN['key']}/explain?from={WINDOW['from']}&to={WINDOW['to']}",
                      token=token)
    assert said.json()["result"] == result["rows"] and said.headers["X-Cache"] == "BYPASS" and said.headers["ETag"]

    # the same request again, another body, another key
    again = publish(stack, owner, OWN, "123e4567-e89b-12d3-a456-42661417a001")
    assert again.status == 201 and again.json() == first.json()
    other = {**OWN, "denominator": "rooms_available", "dimensions": ["property_id"]}
    reused = publish(stack, owner, other, "123e4567-e89b-12d3-a456-42661417a001")
    assert reused.status == 409 and reused.json()["code"] == CODES + "SYNC.IDEMPOTENCY_KEY_REUSED"
    conflict = publish(stack, owner, other)
    assert conflict.status == 409 and conflict.json()["code"] == CODES + "ANALYTICS.METRIC_VERSION_CONFLICT"
    assert compute(stack, token, OWN["key"])["rows"] == result["rows"]

    # a new version is the one that counts, the old one still answers
    assert publish(stack, owner, {**other, "version": 2}).status == 201
    newer = compute(stack, token, OWN["key"])
    assert newer["metricVersions"] == {OWN["key"]: 2} and newer["rows"] != result["rows"]
    assert compute(stack, token, OWN["key"], version=1)["rows"] == result["rows"]

    # nobody else has it
    stranger = stack.token(Hotel("golden").tenant, "--role", "tenant.owner")
    assert stack.compute(stranger, OWN["key"], dateRange=WINDOW).status == 404
    assert OWN["key"] not in [m["key"] for m in listed(stack, stranger)]
    assert archive(stack, stranger, OWN["key"], version=1).status == 404
    assert publish(stack, stranger, OWN).status == 201  # a key of its own


def test_archive(stack, token, owner):
    key = "retired_rate"
    for version in (1, 2):
        assert publish(stack, owner, {**OWN, "key": key, "version": version}).status == 201
    later = archive(stack, owner, key, version=2, archivedAt="2999-01-01T00:00:00Z")
    assert later.status == 200 and later.json() == {"key": key, "version": 2, "archivedAt": "2999-01-01T00:00:00Z"}
    assert compute(stack, token, key)["metricVersions"] == {key: 2}
    assert archive(stack, owner, key, version=2).status == 200
    assert compute(stack, token, key)["metricVersions"] == {key: 1}
    assert compute(stack, token, key, version=2)["rows"]  # a figure of then can be had again
    assert archive(stack, owner, key, version=1).status == 200
    assert stack.compute(token, key, dateRange=WINDOW).status == 404
    assert {m["version"]: m["archived"] for m in listed(stack, owner) if m["key"] == key} == {1: True, 2: True}
    assert archive(stack, owner, key, version=9).status == 404
    assert archive(stack, owner, "adr", version=1).status == 403
    for body in ({}, {"version": 0}, {"version": 1, "x": 1}, {"version": 1, "archivedAt": "soon"}):
        assert archive(stack, owner, key, **body).status == 400


def test_refused_definitions(stack, owner):
    cases = [({"key": "Bad"}, "key"), ({"key": "date"}, "key"), ({"key": "channel"}, "key"),
             ({"key": "x_previous"}, "key"), ({"key": "x" * 64}, "key"), ({"key": None}, "key"),
             ({"version": 0}, "version"), ({"version": "1"}, "version"), ({"display": ""}, "display"),
             ({"display": {"default": "x", "values": {"f": "x"}}}, "display"), ({"display": {"values": {}}}, "display"),
             ({"unit": "money"}, "unit"), ({"unit": "count"}, "unit"), ({"numerator": "guests"}, "numerator"),
             ({"denominator": "room_revenue"}, "denominator"), ({"dimensions": ["method"]}, "dimensions"),
             ({"dimensions": "channel"}, "dimensions"), ({"share": True}, "share"), ({"share": 1}, "share"),
             ({"freshnessSloSeconds": 0}, "freshnessSloSeconds"), ({"sql": "select 1"}, "sql")]
    for change, field in cases:
        answer = publish(stack, owner, {**OWN, "key": "refused", **change})
        assert answer.status == 400, (change, answer)
        assert field in [v["field"] for v in answer.json()["violations"]], (change, answer)
    allowed = publish(stack, owner, {**OWN, "key": "refused", "numerator": "guests"}).json()["violations"][0]["message"]
    assert "rooms_sold" in allowed and "stay_nights" in allowed
    assert "refused" not in [m["key"] for m in listed(stack, owner)]
    platform = publish(stack, owner, {**OWN, "key": "adr", "version": 9})
    assert platform.status == 409 and platform.json()["code"] == CODES + "ANALYTICS.METRIC_VERSION_CONFLICT"
    assert stack.http("POST", "queryd", f"{API}/metrics", OWN, owner).status == 400  # no Idempotency-Key


def test_only_admins_publish(stack, random_hotel):
    kabul = random_hotel.id("ppt", "kabul")
    for role in ("staff", "manager"):
        token = stack.token(random_hotel.tenant, "--role", role, "--property", kabul)
        assert publish(stack, token, OWN).status == 403
        assert archive(stack, token, OWN["key"], version=1).status == 403


def test_commands(stack, tmp_path):
    """Of the platform's operators."""
    url = stack.env["DATABASE_URL"]

    def queryd(*args, check=0):
        return run([os.path.join(BIN, "queryd"), "-o", f"database_url={url}", "-o", "log_format=text", *args], check)

    platform = {**OWN, "key": "paid_share", "dimensions": ["property_id"]}
    good, bad, other = (tmp_path / name for name in ("good.json", "bad.json", "other.json"))
    good.write_text(json.dumps([platform, {**platform, "version": 2, "denominator": "rooms_available"}]))
    bad.write_text(json.dumps([{**platform, "version": 3}, {**platform, "unit": "count"}]))
    other.write_text(json.dumps({**platform, "numerator": "rooms_occupied"}))
    assert "no_such" in queryd("metrics", "publish", str(tmp_path / "no_such"), check=65).stderr
    assert "definition 2: unit" in queryd("metrics", "publish", str(good), str(bad), check=65).stderr
    lines = queryd("metrics", "publish", str(good)).stdout.splitlines()
    assert [line.split()[:3] for line in lines] == [["published", "paid_share", "1"], ["published", "paid_share", "2"]]
    assert queryd("metrics", "publish", str(good)).stdout.count("unchanged") == 2
    assert "conflict" in queryd("metrics", "publish", str(other), check=65).stdout
    assert queryd("metrics", check=64).stderr

    said = queryd("explain", "paid_share").stdout
    assert "rooms_sold of source room_night" in said and "tenant_views.fact_room_night" in said
    assert "fact_room_night is built from" in said and "metric_payment" not in said and "fact_payment" not in said
    assert "fact_payment" in queryd("explain").stdout
    queryd("explain", "nothing", check=65)
    assert stack.query("select count(*) from analytics.metric_definitions where tenant_id is null"
                       " and key = 'paid_share'") == [["2"]]
