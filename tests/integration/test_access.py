"""Who may log in and read: a tenant's reporting tool, principals without a login, and the list of all of them."""

import concurrent.futures
import os
import re

import pytest

import pgcluster
from events import ident
from harness import BIN, run, wait_until
from hotels import hotel_group, marks, properties
from instance import Instance
from test_roles import Doors, outcome

MINE, OTHER = ident("tnt", "access", "mine"), ident("tnt", "access", "other")
LOOKER = MINE + "_l"
REFUSED = "42501"
CURATED = {"dim_calendar", "dim_fx", "dim_property", "dim_room", "dim_room_type", "dim_tenant", "fact_payment", "fact_reservation"}
READERS = {"ai_orchestrator": CURATED, "reporting": CURATED | {"fact_room_night", "fact_inventory_day"}}


@pytest.fixture(scope="module")
def served(stack):
    stack.send_events(hotel_group(MINE) + hotel_group(OTHER))
    stack.wait()
    for tenant in (MINE, OTHER):
        stack.psql("select 1", tenant)  # it has its role now
    return stack


@pytest.fixture
def doors(served):
    doors = Doors(served)
    yield doors
    doors.close()


def queryd(stack, *words, check=0):
    """Lines of a one-shot."""
    return run([os.path.join(BIN, "queryd"), "-c", stack.path("etc", "queryd.conf"), *words], check).stdout.splitlines()


# ---- the reporting tool

@pytest.fixture
def looker(served):
    """Its password; off again afterwards."""
    said = dict(line.split() for line in queryd(served, "looker", "on", MINE))
    assert said["role"] == LOOKER and said["login"] == "on"
    yield said["password"]
    queryd(served, "looker", "off", MINE)


def test_looker_is_off_until_it_is_switched_on(served, doors):
    with pytest.raises(pgcluster.PgError):
        doors.connect(LOOKER)
    said = dict(line.split() for line in queryd(served, "looker", "on", MINE))
    reading = [doors.connect(LOOKER, said["password"]) for _ in range(2)]
    mine = doors.connect(MINE)
    assert [conn.query("select 1") for conn in reading] == [[["1"]]] * 2
    assert served.query("select looker_enabled from analytics.tenants where tenant_id = $1", MINE) == [["t"]]
    told = queryd(served, "looker", "off", MINE)
    assert "password" not in "".join(told) and told[-1].split() == ["ended", "2"]
    assert all(conn.broken() for conn in reading) and mine.query("select 1") == [["1"]]  # the tenant's own goes on
    assert queryd(served, "looker", "off", MINE)[-1].split() == ["ended", "0"]
    assert "analytics_provisioner" not in {row[0] for row in served.query(
        "select pg_get_userbyid(member) from pg_auth_members where roleid = $1::regrole", f'"{LOOKER}"')}
    with pytest.raises(pgcluster.PgError):
        doors.connect(LOOKER, said["password"])
    assert served.query("select looker_enabled from analytics.tenants where tenant_id = $1", MINE) == [["f"]]
    assert served.query("select kind, enabled from tenant_views.access_bindings where role = $1", LOOKER) == [["looker", "f"]]
    for words, code in ((("on", MINE.lower()), 65), (("on", "tnt_x"), 64), (("maybe", MINE), 64), ((), 64), (("on", MINE[:-1] + "'"), 65)):
        queryd(served, "looker", *words, check=code)


def test_looker_sees_its_tenant_whole_and_nothing_else(served, doors, looker):
    conn = doors.connect(LOOKER, looker)
    for view, in served.query("select relname from pg_class where relnamespace = 'tenant_views'::regnamespace and relkind = 'v'"
                              " and relname ~ '^(fact|dim)_' and relname !~ '^(dim_calendar|fact_demand_forecast_latest)$'"):
        wanted = served.query(f"select count(*) from analytics_curated.{view} where tenant_id = $1", MINE)
        assert conn.query(f"select count(*) from {view}") == wanted, view
        said = str(conn.query(f"select * from {view}"))
        assert not any(mark in said for mark in marks(OTHER)), view
    assert conn.query("select property_id from dim_property order by 1") == [[p] for p in sorted(properties(MINE))]
    assert conn.query("select distinct tenant_id from fact_room_night") == [[MINE]]
    assert outcome(conn, "select * from access_bindings")[0] == REFUSED
    for forged in (f"9999999999|{properties(OTHER)[0]}|00", "", "all"):  # it needs no scope, and gets none by one
        conn.query(f"set analytics.scope = '{forged}'")
        assert conn.query("select count(*) from dim_property") == [["2"]]


def test_looker_is_bounded(served, doors, looker):
    conn = doors.connect(LOOKER, looker)
    wanted = {"statement_timeout": "1min", "default_transaction_read_only": "on", "temp_file_limit": "256MB", "work_mem": "16MB",
              "idle_in_transaction_session_timeout": "30s", "search_path": "tenant_views"}
    assert {name: conn.query(f"show {name}")[0][0] for name in wanted} == wanted
    assert outcome(conn, "set temp_file_limit = -1")[0] == REFUSED
    others = [doors.connect(LOOKER, looker) for _ in range(2)]
    with pytest.raises(pgcluster.PgError) as full:
        doors.connect(LOOKER, looker)
    assert "too many connections" in str(full.value) and len(others) == 2
    conn.query("set default_transaction_read_only = off")
    for statement in (f'set role "{MINE}"', f'set role "{OTHER}"', "create temp table t (a integer)", "delete from fact_payment", f"select analytics.provision_looker('{OTHER}', repeat('x', 64), true)"):
        assert outcome(conn, statement)[0] == REFUSED, statement


SLOW = "select count(*) from generate_series(1, 1000000) a cross join generate_series(1, 1000000) b"


def test_a_report_that_lifts_its_limit_is_ended(served, doors, looker):
    """As is one that rests in a transaction; who only waits, and the tenant's other login, stay."""
    sleeper, waiter, mine = doors.connect(LOOKER, looker), doors.connect(LOOKER, looker), doors.connect(MINE)
    sleeper.query("set idle_in_transaction_session_timeout = 0")
    sleeper.query("begin")
    with Instance(served, "queryd", report_timeout="1s") as queryd, concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(outcome, doors.connect(LOOKER, looker), "set statement_timeout = 0; " + SLOW)
        state, said = slow.result(timeout=60)
        assert state == "57P01" or "terminat" in said, (state, said)
        wait_until(sleeper.broken)
        assert waiter.query("select 1") == mine.query("select 1") == [["1"]]
        wait_until(lambda: b"\nreport_sessions_ended_total 2\n" in queryd.http("GET", "/metrics").body)
        ended = [line for line in queryd.lines() if line["message"] == "reporting sessions took too long and were ended"]
        assert sum(int(line["sessions"]) for line in ended) == 2 and {line["role"] for line in ended} == {LOOKER}
    assert served.query("select 1 from pg_auth_members where member = 'analytics_provisioner'::regrole and roleid = $1::regrole",
                        f'"{LOOKER}"') == []


# ---- principals that are no tenants

@pytest.mark.parametrize("reader", READERS)
def test_a_reader_reads_what_it_was_given(served, reader):
    readable = {tuple(row) for row in served.query(
        "select nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'v', 'm', 'p', 'f')"
        " and nspname !~ '^(pg_|information_schema)' and has_any_column_privilege($1, c.oid, 'select')"
        " and has_schema_privilege($1, n.oid, 'usage')", reader)}
    assert readable == {("analytics_curated", table) for table in READERS[reader]}
    assert served.query("select c.oid::regclass from pg_class c where relkind in ('r', 'v', 'm', 'p', 'f', 'S') and (relkind = 'S' or "
                        " has_table_privilege($1, oid, 'insert,update,delete,truncate,trigger,references')) and not (relkind = 'S' and not "
                        " has_sequence_privilege($1, oid, 'usage,select,update')) and relnamespace <> 'information_schema'::regnamespace", reader) == []
    assert served.query("select p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = pronamespace"
                        " where nspname in ('analytics', 'tenant_views') and has_function_privilege($1, p.oid, 'execute')", reader) == []
    assert served.query("select rolcanlogin, rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = $1", reader) == [["f"] * 4]
    assert served.query("select roleid::regrole from pg_auth_members where member = to_regrole($1)", reader) == []
    served.query("begin")
    served.query(f"set local role {reader}")
    try:
        assert int(served.query("select count(*) from analytics_curated.fact_payment")[0][0]) >= 4
        with pytest.raises(pgcluster.PgError) as refused:
            served.query("select 1 from events_raw.event")
        assert refused.value.sqlstate == REFUSED
    finally:
        served.query("rollback")


# ---- the list

def test_everyone_who_reads_is_listed(served, looker):
    assert looker
    listed = {row[0]: row[1:] for row in served.query("select role, tenant_id, kind, enabled from tenant_views.access_bindings where since <= now()")}
    assert listed[MINE] == [MINE, "service", "t"] and listed[LOOKER] == [MINE, "looker", "t"]
    assert listed["reporting"] == listed["ai_orchestrator"] == [None, "reader", "t"] and listed["analytics_nobody"][1] == "nobody"


def test_what_differs_is_told_and_repaired(served, looker):
    assert looker
    stranger = "stranger_" + MINE[-6:].lower()
    faults = {  # what an operator could do by mistake -> what is said of it
        f'alter role "{MINE}" nologin': (MINE, "cannot log in"), f'alter role "{OTHER}" connection limit 99': (OTHER, "has another connection limit"),
        f'alter role "{LOOKER}" createdb': (LOOKER, "has attributes that a reader must not have"),
        f'grant analytics_owner to "{MINE}"': (MINE, "is a member of analytics_owner"),
        f'revoke analytics_tenants from "{OTHER}"': (OTHER, "is no member of analytics_tenants"),
        f'alter role "{LOOKER}" set statement_timeout = 0': (LOOKER, "has other settings"),
        "alter role reporting login": ("reporting", "may log in"),
        f"create role {stranger} in role analytics_tenants": (stranger, "reads tenant_views without a binding")}
    try:
        for fault in faults:
            served.query(fault)
        told = queryd(served, "access", "check", check=65)
        for role, problem in faults.values():
            assert f"differs  {role}: {problem}" in told, told
        repaired = queryd(served, "access", "repair", check=None)
        for role, problem in faults.values():
            assert f"repaired {role}: {problem}" in repaired, repaired
        left = queryd(served, "access", "check", check=None)
        assert not [line for line in left for role, _ in faults.values() if f" {role}:" in line], left
    finally:
        served.query(f"drop role if exists {stranger}")


def test_a_login_hashes_once(served, doors):
    """A derived password needs no rounds against guessing; it still is what must be known."""
    secret = served.query("select rolpassword from pg_authid where rolname = $1", MINE)[0][0]
    assert re.fullmatch(r"SCRAM-SHA-256\$1:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=", secret), secret
    assert doors.connect(MINE).query("select session_user") == [[MINE]]
    with pytest.raises(pgcluster.PgError):
        doors.connect(MINE, "0" * 64)


def test_a_login_that_is_closed_loses_its_sessions(served, doors, looker):
    """Switched off behind queryd's back: the role may not log in any more, and whoever is in must leave."""
    reading, mine = doors.connect(LOOKER, looker), doors.connect(MINE)
    served.query("update tenant_views.access_bindings set enabled = false where role = $1", LOOKER)
    assert f"differs  {LOOKER}: may log in" in queryd(served, "access", "check", check=65)
    assert reading.query("select 1") == [["1"]]  # check changes nothing
    repaired = queryd(served, "access", "repair", check=None)
    assert {f"repaired {LOOKER}: may log in", f"ended    {LOOKER}: 1 sessions"} <= set(repaired), repaired
    assert reading.broken() and mine.query("select 1") == [["1"]]
    assert not [line for line in queryd(served, "access", "repair", check=None) if line.startswith("ended")]
    assert served.query("select 1 from pg_auth_members where member = 'analytics_provisioner'::regrole and roleid = $1::regrole",
                        f'"{LOOKER}"') == []


def test_what_is_dropped_comes_back(served, doors, looker):
    """Nobody asks: a queryd that serves looks by itself."""
    assert looker
    gone = ident("tnt", "access", "gone")
    served.query("select analytics.provision_tenant($1, $2, false)", gone, doors.password(gone))
    queryd(served, "looker", "on", gone)
    queryd(served, "looker", "off", OTHER)  # of which there is a role now, closed
    for fault in (f'drop role "{gone}"', f'drop role "{gone}_l"', f'drop role "{OTHER}_l"', f'revoke analytics_tenants from "{OTHER}"',
                  f'alter role "{LOOKER}" set statement_timeout = 0'):
        served.query(fault)
    with Instance(served, "queryd", access_interval="200ms") as keeper:
        wait_until(lambda: not queryd(served, "access", "check", check=None))
        assert doors.connect(gone).query("select session_user") == [[gone]]
        assert doors.connect(gone + "_l").query("select session_user") == [[gone + "_l"]]
        with pytest.raises(pgcluster.PgError):  # it is off still
            doors.connect(OTHER + "_l")
        told = wait_until(lambda: [line for line in keeper.lines() if line["message"] == "a role was not as listed"])
        assert {(line["role"], line["problem"], line["outcome"]) for line in told} == {
            *((role, "the role did not exist", "made") for role in (gone, gone + "_l", OTHER + "_l")),
            (OTHER, "is no member of analytics_tenants", "repaired"), (LOOKER, "has other settings", "repaired")}
        metrics = keeper.http("GET", "/metrics").body.decode()
        assert 'access_repairs_total{outcome="made"} 3\n' in metrics and 'access_repairs_total{outcome="repaired"} 2\n' in metrics
        assert "\naccess_differences 0\n" in metrics


def test_what_cannot_be_repaired_stays_told(served):
    served.query(f'alter role "{OTHER}" superuser')
    try:
        left = [line for line in queryd(served, "access", "repair", check=65) if OTHER in line]
        assert left and left[0].startswith(f"differs  {OTHER}: has attributes that a reader must not have: "), left
    finally:
        served.query(f'alter role "{OTHER}" nosuperuser')


def test_one_place_says_whose_a_session_is(served):
    """Every view that shows a tenant's rows asks tenant_views.tenant(), and none session_user itself."""
    views = dict(served.query("select relname, pg_get_viewdef(oid) from pg_class where relnamespace = 'tenant_views'::regnamespace and relkind = 'v'"))
    assert {name for name, text in views.items() if "tenant_views.tenant()" not in text} == {"dim_calendar"}
    assert not [name for name, text in views.items() if "SESSION_USER" in text.upper()]
