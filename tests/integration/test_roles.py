"""The database alone keeps tenants apart and daemons small, on a real stack.

A tenant is a login role. Whoever holds its password and a signed scope may run any statement; what
is tried here needs more than that. The views and provisioning by themselves: test_isolation.py.
"""

import hashlib
import hmac
import time
import urllib.parse

import pytest

from events import ident
from hotels import NIGHTS, hotel_group, marks, properties
from pgcluster import Conn, PgError

MINE, OTHER = ident("tnt", "roles", 1), ident("tnt", "roles", 2)
REFUSED, READ_ONLY = "42501", "25006"
COUNT = "select count(*) from tenant_views.fact_room_night"


class Doors:
    """Connections by role, with the passwords the stack gave them."""

    def __init__(self, stack):
        self.stack, self.open = stack, []
        self.at = urllib.parse.urlsplit(stack.env["DATABASE_URL"])
        self.master_key, self.scope_key = self.secret("master.key"), self.secret("scope.key")

    def secret(self, name):
        with open(self.stack.path("secrets", name), encoding="ascii") as secret:
            return secret.read().strip()

    def password(self, role):
        if role.removeprefix("analytics_") in ("ingestd", "etld", "queryd", "dqd"):
            return self.secret(role.removeprefix("analytics_") + ".pgpass").rpartition(":")[2]
        return hmac.new(self.master_key.encode(), role.encode(), hashlib.sha256).hexdigest()

    def connect(self, role, password=None):
        conn = Conn(f"host={self.at.hostname} port={self.at.port} dbname={self.at.path[1:]} "
                    f"user={role} password={password or self.password(role)}")
        self.open.append(conn)
        return conn

    def scope(self, tenant, backend, ids="all", expires_in=60, key=None):
        """A property scope as queryd signs it."""
        expiry = int(time.time()) + expires_in
        text = f"{tenant}|{ids}|{backend}|{expiry}"
        mac = hmac.new((key or self.scope_key).encode(), text.encode(), hashlib.sha256)
        return f"{expiry}|{ids}|{mac.hexdigest()}"

    def tenant(self, tenant=MINE):
        """As `tenant`, all its properties in scope, writing allowed as far as it can allow itself."""
        conn = self.connect(tenant)
        conn.query(f"set analytics.scope = '{self.scope(tenant, conn.pid)}'")
        conn.query("set default_transaction_read_only = off")
        return conn

    def close(self):
        for conn in self.open:
            conn.close()


@pytest.fixture(scope="module")
def two_tenants(stack):
    stack.send_events(hotel_group(MINE) + hotel_group(OTHER))
    stack.wait()
    for tenant in (MINE, OTHER):
        assert stack.psql(COUNT, tenant) == [[str(NIGHTS + NIGHTS // 2)]]
    return stack


@pytest.fixture
def doors(two_tenants):
    doors = Doors(two_tenants)
    yield doors
    doors.close()


def outcome(conn, statement):
    """(sqlstate, message) of an error, or ('', all that came back)."""
    try:
        return "", str(conn.query(statement))
    except PgError as e:
        return e.sqlstate, str(e)


# ---- a tenant

SCHEMAS = ("analytics", "analytics_run", "events_raw", "analytics_curated")
IMPOSSIBLE = {  # statement -> SQLSTATEs, any of which will do
    # to be somebody else
    f'set role "{OTHER}"': REFUSED, f'set session authorization "{OTHER}"': REFUSED,
    "set role analytics_owner": REFUSED, "set role analytics_queryd": REFUSED,
    "set session_replication_role = replica": REFUSED,
    f"select set_config('role', '{OTHER}', false)": REFUSED,
    f"select set_config('session_authorization', '{OTHER}', false)": REFUSED,
    "update pg_settings set setting = 'x' where name = 'role'": REFUSED,
    "alter role current_user superuser": REFUSED, "alter role current_user createrole": REFUSED,
    f"alter role \"{OTHER}\" password 'x'": REFUSED,
    f'grant "{OTHER}" to current_user': REFUSED, "grant analytics_owner to current_user": REFUSED,
    f"select analytics.provision_tenant('{OTHER}', repeat('x', 64), true)": REFUSED,
    # to have text run as SQL
    "select query_to_xml('select 1', true, true, '')": REFUSED,
    "select query_to_xml_and_xmlschema('select 1', true, true, '')": REFUSED,
    "select table_to_xml('tenant_views.fact_payment'::regclass, true, true, '')": REFUSED,
    "select schema_to_xml('tenant_views', true, true, '')": REFUSED,
    "select database_to_xml(true, true, '')": REFUSED,
    "select cursor_to_xml('c', 1, true, true, '')": REFUSED,
    "select ts_stat('select 1')": REFUSED,
    "select ts_rewrite('a'::tsquery, 'select 1, 2')": REFUSED,
    "do $$ begin perform 1; end $$": REFUSED,
    # to leave something behind
    "create table t (a int)": REFUSED, "create table public.t (a int)": REFUSED,
    "create table tenant_views.t (a int)": REFUSED, "create temp table t (a int)": REFUSED,
    "create temp view v as select 1": REFUSED, "create schema s": REFUSED,
    "create function public.f() returns int language sql as 'select 1'": REFUSED,
    "create extension dblink": REFUSED, "create extension postgres_fdw": REFUSED,
    "create server s foreign data wrapper f": ("42704", REFUSED),
    "select lo_create(0)": REFUSED, "select lo_import('/etc/passwd')": REFUSED,
    "create or replace view tenant_views.dim_tenant as select 1": REFUSED,
    "alter view tenant_views.dim_tenant set (security_barrier = off)": REFUSED,
    "insert into tenant_views.dim_calendar (date) values ('2050-01-01')": REFUSED,
    "delete from tenant_views.fact_payment": REFUSED,
    "update tenant_views.table_state set data_version = 0": REFUSED,
    "begin; lock table tenant_views.fact_payment in access exclusive mode": REFUSED,
    "create publication p": REFUSED, "create event trigger e on ddl_command_start": ("42601", REFUSED),
    # the server and its files
    "copy (select 1) to program 'true'": REFUSED, "copy (select 1) to '/tmp/x'": REFUSED,
    "select pg_read_file('/etc/passwd')": REFUSED, "select pg_ls_dir('.')": REFUSED,
    "select pg_create_physical_replication_slot('x')": REFUSED, "checkpoint": REFUSED,
    "load 'auto_explain'": REFUSED, "select pg_reload_conf()": REFUSED,
    "select pg_terminate_backend(1)": REFUSED,
    # to hold up the others
    "select pg_sleep(1)": REFUSED, "select pg_advisory_lock(1)": REFUSED,
    "select pg_try_advisory_xact_lock(7103, 1)": REFUSED, "select pg_notify('a', 'b')": REFUSED,
    "select pg_logical_emit_message(true, 'a', 'b')": REFUSED,
    "select pg_export_snapshot()": REFUSED,
    # to count what all tenants do
    "select pg_current_snapshot()": REFUSED, "select txid_current_snapshot()": REFUSED, "select txid_current()": REFUSED,
    "select age(datfrozenxid) from pg_database": REFUSED, "select mxid_age(datminmxid) from pg_database": REFUSED,
    "select * from pg_control_checkpoint()": REFUSED, "select pg_control_system()": REFUSED,
    "select pg_xact_status('1000000')": REFUSED, "select txid_status(1000000)": REFUSED,
    "select pg_get_multixact_members('1')": REFUSED, "select pg_last_committed_xact()": REFUSED,
    "select pg_xact_commit_timestamp('1000')": REFUSED, "select pg_current_wal_lsn()": REFUSED,
    # the key itself, and what is made with it
    "select analytics_run.hmac('a', 'b', 'sha256')": REFUSED,
    "select key from analytics_run.scope_key": REFUSED,
    "select last_value from analytics_run.batch_id": REFUSED,
    # content in catalogs
    "select * from pg_authid": REFUSED, "select * from pg_statistic": REFUSED,
    "select * from pg_statistic_ext_data": REFUSED, "select * from pg_largeobject": REFUSED,
    "select * from pg_file_settings": REFUSED, "select * from pg_user_mapping": REFUSED,
}


def test_statements_that_a_tenant_cannot_run(doors):
    conn = doors.tenant()
    for statement, allowed in IMPOSSIBLE.items():
        state, said = outcome(conn, statement)
        assert state in ((allowed,) if isinstance(allowed, str) else allowed), (statement, said)
        conn.query("rollback")
    assert conn.query("select session_user, current_user") == [[MINE, MINE]]


def test_relations_outside_the_views_are_closed(doors):
    conn = doors.tenant()
    relations = doors.stack.psql(
        "select format('%I.%I', nspname, relname) from pg_class c join pg_namespace n on n.oid = "
        f"relnamespace where relkind in ('r', 'v', 'p', 'S', 'm') and nspname = any ('{{{','.join(SCHEMAS)}}}') "
        "and relname !~ '^event_2'")
    assert len(relations) > 40
    for relation, in relations:
        for statement in (f"select 1 from {relation}", f"prepare p as select 1 from {relation}",
                          f"explain select 1 from {relation}", f"copy {relation} to stdout",
                          f"select '{relation}'::regclass"):
            assert outcome(conn, statement)[0] == REFUSED, statement


READABLE = [  # all that is left to read: nothing of it may be the other's
    "select * from tenant_views.{view}", "select {view} from tenant_views.{view}",
    "select * from tenant_views.{view} where tenant_id = '{other}'",
    "select * from tenant_views.{view} where tenant_id <> session_user or tenant_id like '%'",
    "select v.* from tenant_views.{view} v, lateral (select set_scope(v.tenant_id)) x"]
CATALOGS = [
    "select query from pg_stat_activity", "select * from pg_stats",
    "select * from pg_stats_ext", "select * from pg_stats_ext_exprs",
    "select pg_stat_get_backend_activity(i) from generate_series(1, 200) i",
    "select * from pg_prepared_statements", "select * from pg_cursors", "select * from pg_sequences",
    "select * from pg_stat_progress_copy", "select * from pg_description",
    "select * from pg_seclabels", "select * from pg_policies", "select * from pg_views",
    "select * from information_schema.columns", "select * from pg_prepared_xacts",
    "select * from pg_constraint", "select * from pg_default_acl",
    "select prosrc from pg_proc where pronamespace::regnamespace::text ~ 'analytics|tenant'"]


def test_what_a_tenant_reads_holds_nothing_of_the_other(doors):
    conn, theirs = doors.tenant(), doors.tenant(OTHER)
    theirs.query(f"select '{OTHER}', count(*) from tenant_views.dim_property")  # for the activity
    views = [row[0] for row in doors.stack.psql(
        "select relname from pg_class where relnamespace = 'tenant_views'::regnamespace and relkind = 'v'")]
    assert len(views) >= 11
    conn.query("set search_path = tenant_views")
    statements = [pattern.format(view=view, other=OTHER) for pattern in READABLE for view in views
                  if view != "dim_calendar"]
    found = 0
    for statement in statements + CATALOGS:
        _, said = outcome(conn, statement)
        found += MINE in said
        for mark in marks(OTHER):
            assert mark not in said or mark in statement, (statement, mark)
    assert found > 10  # it did read


@pytest.mark.parametrize("plan", ["on", "off"])
@pytest.mark.parametrize("leaky", [
    "1 / (tenant_id = '{mine}')::integer = 1", "tenant_id::regrole is not null and tenant_id::integer = 1",
    "(case when tenant_id <> '{mine}' then tenant_id end)::date is null",
    "lpad('x', (case when tenant_id <> '{mine}' then 1 << 30 else 1 end) + 1) <> ''"])
def test_leaky_functions_see_what_the_barrier_lets_through(doors, leaky, plan):
    """Their errors would show a value of another tenant, whatever the plan."""
    conn = doors.tenant()
    for way in ("indexscan", "bitmapscan", "indexonlyscan"):
        conn.query(f"set enable_{way} = {plan}")
    for view in ("fact_room_night", "fact_reservation", "dim_property", "dim_tenant"):
        _, said = outcome(conn, f"select count(*) from tenant_views.{view} where " + leaky.format(mine=MINE))
        assert not any(mark in said for mark in marks(OTHER)), (view, said)


def test_scopes_that_open_nothing(doors):
    conn, second = doors.connect(MINE), doors.connect(MINE)
    first, both = properties(MINE)[0], ",".join(sorted(properties(MINE)))
    good = doors.scope(MINE, conn.pid)
    expiry, _, mac = good.split("|")
    nights = {"all": NIGHTS + NIGHTS // 2, "none": 0, "first": NIGHTS}
    cases = [
        ("all", good), ("first", doors.scope(MINE, conn.pid, first)),
        ("all", doors.scope(MINE, conn.pid, both)),
        ("none", ""), ("none", "all"), ("none", "*"), ("none", f"{expiry}|all|"),
        ("none", f"{expiry}|all|{'0' * 64}"), ("none", f"{expiry}|*|{mac}"),
        ("none", f"{expiry}|{both}|{mac}"), ("none", f"{int(expiry) + 9}|all|{mac}"),
        ("none", good + "|"), ("none", "|" + good), ("none", good[:-1]), ("none", good.upper()),
        ("none", f" {good}"), ("none", f"{'9' * 40}|all|{mac}"), ("none", f"-{expiry}|all|{mac}"),
        ("none", doors.scope(MINE, conn.pid, expires_in=-1)),
        ("none", doors.scope(MINE, second.pid)), ("none", doors.scope(OTHER, conn.pid)),
        ("none", doors.scope(MINE, conn.pid, key="another")),
        ("none", doors.scope(MINE, conn.pid, ",".join(properties(OTHER)))),
        ("none", doors.scope(MINE, conn.pid, "")), ("none", doors.scope(MINE, conn.pid, "ALL")),
    ]
    for name, scope in cases:
        conn.query("begin")
        conn.query("set local analytics.scope = '" + scope + "'")
        assert conn.query(COUNT) == [[str(nights[name])]], scope
        conn.query("rollback")
    assert conn.query(COUNT) == [["0"]]


def test_a_tenant_reaches_no_other_with_its_password(doors):
    for role in (OTHER, "analytics_nobody", "analytics_queryd", "analytics_owner", MINE.lower()):
        with pytest.raises(PgError):
            doors.connect(role, doors.password(MINE))


def test_nobody_sees_nothing(doors):
    conn = doors.connect("analytics_nobody")
    views = [row[0] for row in doors.stack.psql(
        "select relname from pg_class where relnamespace = 'tenant_views'::regnamespace and relkind = 'v'")]
    for ids in ("all", ",".join(properties(MINE))):
        for tenant in ("analytics_nobody", MINE):
            conn.query(f"set analytics.scope = '{doors.scope(tenant, conn.pid, ids)}'")
            for view in set(views) - {"dim_calendar", "pending"}:
                assert conn.query(f"select count(*) from tenant_views.{view}") == [["0"]], view
            assert conn.query("select coalesce(sum(deltas), 0) from tenant_views.pending") == [["0"]]
    assert outcome(conn, "select 1 from analytics_curated.dim_tenant")[0] == REFUSED
    assert outcome(conn, f'set role "{MINE}"')[0] == REFUSED


# ---- the daemons

DAEMONS = ("analytics_ingestd", "analytics_etld", "analytics_queryd", "analytics_dqd")
CURATED = ("dim_tenant", "dim_property", "dim_room_type", "dim_room", "fact_reservation",
           "fact_room_night", "fact_inventory_day", "fact_payment")
RAW_CHANGES = [f"{verb} events_raw.event{rest}" for verb, rest in (
    ("update", " set body = ''"), ("delete from", ""), ("truncate", ""), ("drop table", ""))]
EVERYBODY = [*RAW_CHANGES, "create table public.t (a int)", "create schema s", "create role r",
             "create table analytics_run.t (a int)", "create view events_raw.v as select 1",
             "create function analytics_run.f() returns int language sql as 'select 1'",
             "alter table analytics_curated.dim_tenant_v1 add column a int",
             "set role analytics_owner", "set role analytics_provisioner", f'set role "{MINE}"',
             "alter role current_user superuser", "copy (select 1) to program 'true'",
             "select pg_read_file('/etc/passwd')", "set session_replication_role = replica"]
BEYOND = {
    "analytics_ingestd": [
        "select body from events_raw.event", "select * from events_raw.event",
        "select aggregate_id from events_raw.event", "select * from events_raw.reservation",
        "select 1 from analytics_run.delta", "delete from analytics_run.delta",
        "select 1 from analytics_run.table_state", "select 1 from analytics_run.scope_key",
        "select 1 from analytics_run.guest_key", "delete from analytics_run.dead_letter",
        "select 1 from analytics.tenants", "select 1 from tenant_views.dim_tenant",
        *(f"select 1 from analytics_curated.{table}" for table in CURATED)],
    "analytics_etld": [
        "insert into events_raw.event (body) values ('')", "create temp table t (a int)",
        "select 1 from tenant_views.dim_tenant",
        "insert into analytics_run.batch select * from analytics_run.batch"],
    "analytics_queryd": [
        "select 1 from events_raw.event", "select * from events_raw.reservation",
        *(f"select 1 from analytics_curated.{table}" for table in CURATED),
        *(f"select 1 from analytics_curated.{table}_v1" for table in CURATED),
        "select 1 from analytics_curated.event_reservation", "select 1 from tenant_views.dim_tenant",
        "select 1 from analytics_run.scope_key", "select 1 from analytics_run.guest_key",
        "select 1 from analytics_run.dead_letter", "select 1 from analytics_run.outbox",
        "delete from analytics_run.delta", "update analytics_run.table_state set data_version = 0",
        "update analytics.etl_jobs set state = 'done'", "create temp table t (a int)",
        "insert into analytics.tenants (tenant_id) values ('x')"],
    "analytics_dqd": [
        "select 1 from events_raw.event", "select * from events_raw.payment",
        "select 1 from tenant_views.dim_tenant", "select 1 from analytics_run.scope_key",
        "select 1 from analytics_run.guest_key", "select 1 from analytics_run.dead_letter",
        "delete from analytics_run.delta", "update analytics_run.table_state set data_version = 0",
        f"select analytics.provision_tenant('{MINE}', repeat('x', 64), true)",
        "select 1 from analytics.dashboards", "create temp table t (a int)",
        *(f"delete from analytics_curated.{table}_v1" for table in CURATED)],
}


@pytest.mark.parametrize("role", DAEMONS)
def test_a_daemon_may_do_its_work_only(doors, role):
    conn = doors.connect(role)
    for statement in EVERYBODY + BEYOND[role]:
        state, said = outcome(conn, "begin; " + statement)
        conn.query("rollback")
        assert state == REFUSED, (statement, said)


def test_no_daemon_owns_or_leads(doors):
    roles = (*DAEMONS, "analytics_nobody", "analytics_tenants", MINE)
    mine = f"r.rolname = any ('{{{','.join(roles)}}}')"
    assert len(doors.stack.psql(f"select 1 from pg_roles r where {mine}")) == len(roles)
    assert doors.stack.psql(
        "select rolname from pg_roles r where (rolsuper or rolcreaterole or rolcreatedb or "
        f"rolreplication or rolbypassrls) and {mine}") == []
    assert doors.stack.psql(  # deptype o: owner, of anything in any database
        "select rolname, classid::regclass, objid from pg_shdepend d join pg_roles r on r.oid = "
        f"d.refobjid where refclassid = 'pg_authid'::regclass and deptype = 'o' and {mine} and not exists "
        "(select from pg_class c where c.oid = d.objid and c.relpersistence = 't')") == []  # of its session
    assert doors.stack.psql(
        "select rolname, m.roleid::regrole from pg_auth_members m join pg_roles r on r.oid = m.member "
        f"where {mine} and m.roleid::regrole::text <> 'analytics_tenants'") == []


def test_row_security_holds_queryd_to_the_tenant_it_named(doors):
    """Without a tenant, or with another, the control tables show nothing of MINE."""
    job = doors.stack.http("POST", "queryd", "/api/v1/analytics/projections/dim_tenant:refresh", {},
                           doors.stack.token(MINE), {"Idempotency-Key": ident("k", "rls")[2:]})
    assert job.status == 202, job
    conn = doors.connect("analytics_queryd")
    tables = [row[0] for row in doors.stack.psql(
        "select tablename from pg_policies where schemaname = 'analytics' and 'analytics_queryd' = any (roles)")]
    assert {"etl_jobs", "idempotency_keys", "dq_results", "dq_checks", "dashboards"} <= set(tables)
    count = f"select count(*) from analytics.etl_jobs where tenant_id = '{MINE}'"
    for tenant, jobs in ((None, "0"), ("", "0"), (OTHER, "0"), (MINE, "1"), (f"{OTHER}' or true --", "0")):
        conn.query("begin")
        if tenant is not None:
            conn.query("select set_config('analytics.tenant_id', $1, true)", tenant)
        assert conn.query(count) == [[jobs]], tenant
        for table in set(tables) - {"tenants"}:
            foreign = f"select count(*) from analytics.{table} where tenant_id = '{MINE}'"
            state, said = outcome(conn, foreign)
            assert state == REFUSED or tenant == MINE or said == "[['0']]", (table, tenant, said)
            if state:
                conn.query("rollback; begin")
        conn.query("rollback")
    state, said = outcome(conn, "begin; select set_config('analytics.tenant_id', '" + OTHER + "', true); "
                          "insert into analytics.etl_jobs (job_id, tenant_id, kind, projection, trigger) "
                          f"values ('job_x', '{MINE}', 'refresh', 'dim_tenant', 'api')")
    assert state == REFUSED and "row-level security" in said
