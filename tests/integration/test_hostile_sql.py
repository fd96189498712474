"""Hostile SQL (hostile_sql.py): as ad-hoc queries of queryd, and by a tenant's own login without it.

No answer, row, error or notice may hold a mark of the canary tenant, nor, for a user of one property,
of the other; and afterwards everything of the canary is as it was. What a login can see and no
grant can hide is tested to be exactly that.
"""

import ctypes as C
import json

import pytest

import pgcluster
from events import ident
from harness import run
from hostile_sql import ARGUMENTS, FILLERS, NAMES_OF_ROLES, OF_ITSELF, STATEMENTS
from hotels import hotel_group, marks, properties, property_marks
from test_roles import Doors

MINE, CANARY = ident("tnt", "escape", "mine"), ident("tnt", "escape", "canary")
NEAR, FAR = properties(MINE)
API = "/api/v1/analytics/queries:run"
COPY_OUT = 3
# Functions with a parameter for texts that the gate lets through: they read nothing but their arguments.
HARMLESS = {"btrim", "char_length", "date_part", "date_trunc", "initcap", "left", "lower", "ltrim", "position", "right", "rtrim",
            "split_part", "starts_with", "strpos", "substr", "timezone", "to_char", "upper"}

pq = pgcluster.pq
for name, result, arguments in (
        ("PQgetCopyData", C.c_int, [C.c_void_p, C.POINTER(C.c_void_p), C.c_int]),
        ("PQfreemem", None, [C.c_void_p])):
    function = getattr(pq, name)
    function.restype, function.argtypes = result, arguments


class Login(pgcluster.Conn):
    """A connection of MINE from which nothing escapes unseen: rows, COPY, errors and notices."""

    def __init__(self, doors, ids="all"):
        super().__init__(f"host={doors.at.hostname} port={doors.at.port} dbname={doors.at.path[1:]} "
                         f"user={MINE} password={doors.password(MINE)}")
        doors.open.append(self)
        self.scope = doors.scope(MINE, self.pid, ids, expires_in=3600)
        self.seen = []
        self.processor = C.CFUNCTYPE(None, C.c_void_p, C.c_char_p)(lambda _, text: self.seen.append(text.decode("utf-8", "replace")))
        pq.PQsetNoticeProcessor(self.pg, C.cast(self.processor, C.c_void_p), None)
        self.fresh()

    def fresh(self):
        """As at first, whatever the last statement set."""
        self.query("rollback")
        self.query("discard all")
        self.query(f"set analytics.scope = '{self.scope}'; set default_transaction_read_only = off; set statement_timeout = '5s'")

    def all_of(self, sql):
        """(refused, everything that came back) of one or more statements."""
        self.seen.clear()
        refused = False
        assert pq.PQsendQuery(self.pg, sql.encode())
        while result := pq.PQgetResult(self.pg):
            status = pq.PQresultStatus(result)
            try:
                if status == COPY_OUT:
                    pq.PQclear(result)
                    self._copied()
                else:
                    self.seen += [str(row) for row in self._rows(result)]
            except pgcluster.PgError as e:
                refused = True
                self.seen.append(str(e))
            if status == pgcluster.COPY_IN:
                pq.PQputCopyEnd(self.pg, b"nothing to copy")
        return refused, "\n".join(self.seen)

    def _copied(self):
        data = C.c_void_p()
        while (size := pq.PQgetCopyData(self.pg, C.byref(data), 0)) > 0:
            self.seen.append(C.string_at(data, size).decode("utf-8", "replace"))
            pq.PQfreemem(data)


@pytest.fixture(scope="module")
def two(stack):
    """MINE and the canary, who has most of the rows, so that statistics would be about it."""
    stack.send_events(hotel_group(MINE) + hotel_group(CANARY))
    stack.wait()
    for tenant in (MINE, CANARY):
        assert stack.compute(stack.token(tenant), "rooms_sold", dateRange={"from": "2026-04-01", "to": "2026-04-30"}).status == 200
    return stack


@pytest.fixture(scope="module")
def doors(two):
    doors = Doors(two)
    yield doors
    doors.close()


@pytest.fixture(scope="module")
def names(doors):
    """What the templates say."""
    row = doors.stack.query(
        f"select '\"{CANARY}\"'::regrole::oid, 'analytics_curated.dim_tenant_v1'::regclass::oid,"
        " 'analytics.provision_tenant'::regproc::oid, 'analytics_run'::regnamespace::oid")[0]
    far = doors.scope(MINE, 1, FAR, expires_in=3600)
    return {"mine": MINE, "other": CANARY, "near": NEAR, "far": FAR, "theirs": properties(CANARY)[0],
            "rsv": ident("rsv", CANARY, 1), "forged": doors.scope(CANARY, 1), "stale": far,
            **dict(zip(("role_oid", "table_oid", "function_oid", "schema_oid"), row))}


def state(stack):
    """All that a statement could have changed: digests of the canary's rows, roles, relations, settings.
    Logins of tenants of other tests are left out: those who were deleted there lose theirs in the meantime."""
    tables = [row[0] for row in stack.query(
        "select oid::regclass from pg_class where relnamespace = any ('{analytics_curated,events_raw,tenant_views}'::regnamespace[])"
        " and relkind = 'r' and oid in (select attrelid from pg_attribute where attname = 'tenant_id')")]
    rows = {table: stack.query(f"select count(*), md5(string_agg(t::text, '' order by t::text)) from {table} t where tenant_id = '{CANARY}'")
            for table in tables}
    rows["roles"] = stack.query(
        "select a.rolname, a.rolsuper, a.rolcreaterole, a.rolcanlogin, a.rolconnlimit, md5(a.rolpassword), r.rolconfig, array(select roleid from"
        f" pg_auth_members where member = a.oid) from pg_authid a join pg_roles r using (oid) where a.rolname !~ '^tnt_' or a.rolname like '{CANARY}%' order by 1")
    rows["own"] = stack.query(f"select rolsuper, rolcreaterole, rolbypassrls, md5(rolpassword) from pg_authid where rolname = '{MINE}'")
    rows["objects"] = stack.query(
        "select (select md5(string_agg(oid::text || relacl::text || reloptions::text, '' order by oid)) from pg_class where relnamespace <> 'pg_toast'::regnamespace),"
        " (select md5(string_agg(oid::text || coalesce(proacl::text, ''), '' order by oid)) from pg_proc), (select count(*) from pg_namespace where nspname !~ '^pg_'),"
        " (select count(*) from pg_largeobject_metadata), (select count(*) from pg_extension), (select count(*) from pg_policy), (select count(*) from pg_database)")
    rows["settings"] = stack.query("select name, reset_val from pg_settings where source = 'configuration file' order by 1")
    return rows


@pytest.fixture(scope="module", autouse=True)
def untouched(two):
    before = state(two)
    yield
    assert state(two) == before


def statements(names):
    return [(group, sql.format(**names)) for group, all_of in STATEMENTS.items() for sql in all_of]


def leaks(said, sql, foreign):
    """Marks in an answer that the question did not bring along."""
    return [mark for mark in foreign if mark in said and mark not in sql]


def calls(stack, names):
    """A call of every function of pg_catalog that takes a text, a name or an oid, for each thing to try."""
    found = []
    for name, types in stack.query(
            "select quote_ident(proname), to_json(array(select format_type(t, null) from unnest(proargtypes) with ordinality a (t, n) order by n))"
            " from pg_proc where pronamespace = 'pg_catalog'::regnamespace and prokind in ('f', 'p') order by oid"):
        types = json.loads(types)
        if not any(t in ARGUMENTS for t in types) or name.startswith("pg_sleep"):
            continue
        for n in range(max(len(ARGUMENTS.get(t, ())) for t in types)):
            given = [ARGUMENTS[t][min(n, len(ARGUMENTS[t]) - 1)] if t in ARGUMENTS
                     else FILLERS.get(t, f"null::{t}" if t not in ("internal", "trigger") else "null") for t in types]
            found.append(f"select pg_catalog.{name}({', '.join(given)})".format(**names))
    return found


def test_there_are_enough(names):
    hostile = [sql for _, sql in statements(names)]
    assert len(set(hostile)) == len(hostile) >= 150


def ask(stack, token, sql):
    """(status, all that came back) of an ad-hoc query."""
    answer = stack.http("POST", "queryd", API, {"sql": sql, "deadlineMs": 5000}, token)
    return answer.status, str(answer.headers) + answer.body.decode()


@pytest.mark.parametrize("limited", [False, True], ids=["all properties", "one property"])
def test_behind_the_gate(two, names, limited):
    token = two.token(MINE, *(["--property", NEAR] if limited else []))
    foreign = marks(CANARY) + (property_marks(MINE, 2) if limited else [])
    statuses = {200: 0, 422: 0}
    for group, sql in statements(names) + [("names of roles", sql) for sql in NAMES_OF_ROLES]:
        status, said = ask(two, token, sql)
        assert status in statuses, (group, sql, said)
        statuses[status] += 1
        assert not leaks(said, sql, foreign), (group, sql, said)
    assert statuses[200] > 30 and statuses[422] > 200, statuses
    assert property_marks(MINE, 1)[0] in ask(two, token, "select * from dim_property")[1]


def test_functions_behind_the_gate(two, names):
    """Of those that take a text, a name or an oid, it knows the harmless only."""
    token, allowed = two.token(MINE), set()
    tried = {sql.partition("(")[0]: sql for sql in calls(two, names)}
    for name, sql in tried.items():
        status, said = ask(two, token, sql)
        assert not leaks(said, sql, marks(CANARY)), (sql, said)
        if "is not allowed" not in said:
            allowed.add(name.rpartition(".")[2].strip('"'))
    assert len(tried) > 400
    assert allowed == HARMLESS


@pytest.mark.parametrize("limited", [False, True], ids=["all properties", "one property"])
def test_by_its_own_login(doors, names, limited):
    conn = Login(doors, NEAR if limited else "all")
    foreign = marks(CANARY) + (property_marks(MINE, 2) if limited else [])
    refused = ran = 0
    for group, sql in statements(names):
        was_refused, said = conn.all_of(sql)
        refused, ran = refused + was_refused, ran + (not was_refused)
        assert not leaks(said, sql, foreign), (group, sql, said)
        conn.fresh()
    assert refused > 200 and ran > 60
    assert property_marks(MINE, 1)[0] in conn.all_of("select * from tenant_views.dim_property")[1]


def test_functions_by_its_own_login(doors, names):
    """But for the names of roles, which go by number."""
    conn, named = Login(doors), set()
    hostile = calls(doors.stack, names)
    assert len(hostile) > 800
    for sql in hostile:
        _, said = conn.all_of(sql)
        found = leaks(said, sql, marks(CANARY))
        if found == [CANARY[4:]] and str(names["role_oid"]) in sql:
            named.add(sql[len("select pg_catalog."):].partition("(")[0])
        else:
            assert not found, (sql, said)
    assert named == {"acldefault", "pg_get_userbyid", "regroleout"}


def test_what_stays_visible(doors):
    """The README says so: names of roles by number, estimates of numbers and dates, the schema."""
    conn = Login(doors)
    for sql in NAMES_OF_ROLES:
        refused, said = conn.all_of(sql)
        assert not refused and CANARY in said, sql
        assert leaks(said, sql, marks(CANARY)) == [CANARY[4:]]
        conn.fresh()
    visible = doors.stack.query(
        f"select c.oid::regclass from pg_class c where relnamespace = 'pg_catalog'::regnamespace and relkind in ('r', 'v')"
        f" and has_table_privilege('{MINE}', oid, 'select') and (relname ~ '^pg_(stat_|statio_|auth|user$|group|roles|shadow|lock|db_role|shdep)')")
    assert visible == []
    columns = {row[0] for row in doors.stack.query(
        f"select attname from pg_attribute where attrelid = 'pg_class'::regclass and attnum > 0 and not has_column_privilege('{MINE}', attrelid, attnum, 'select')")}
    assert columns == {"relpages", "reltuples", "relallvisible", "relfrozenxid", "relminmxid"}


def test_a_login_harms_itself_at_most(two, doors, names):
    conn = Login(doors)
    before = two.query("select rolconfig from pg_roles where rolname = $1", MINE)
    for sql in OF_ITSELF:
        assert conn.all_of(sql.format(**names))[0] is False, sql
    wanted = two.compute(two.token(MINE), "rooms_sold", dateRange={"from": "2026-04-01", "to": "2026-04-29"})
    assert wanted.status == 200
    found = two.query("select problem, repaired from analytics.reconcile_access(true) where role = $1", MINE)
    assert found == [["has other settings", "t"], ["wants to be another role when it logs in, in vain: reset it by hand", "f"]]
    two.query(f'alter role "{MINE}" reset role')
    assert two.query("select role from analytics.reconcile_access(false) where role = $1", MINE) == []
    assert two.query("select rolconfig from pg_roles where rolname = $1 and rolconfig @> $2 and rolconfig <@ $2", MINE, before[0][0]) != []


# ---- clients go on

def psql(stack, *commands):
    return stack.tool("psql", "--tenant", MINE, "--", "-At", *(word for c in commands for word in ("-c", c))).stdout


def test_clients_survive_the_revokes(two, doors):
    """psql's own questions, a driver's (pgjdbc's getTables, getColumns, getPrimaryKeys), pg_dump as admin."""
    for command in ("\\d", "\\dv", "\\dn", "\\df tenant_views.*", "\\dT", "\\d fact_payment", "\\d+ dim_tenant", "\\l", "\\encoding",
                    "\\conninfo", "\\sv dim_tenant", "\\do =", "\\des"):
        assert "ERROR" not in psql(two, command), command
    assert "fact_payment" in psql(two, "\\dv") and "amount" in psql(two, "\\d fact_payment")
    conn = Login(doors)
    tables = conn.query("""
        select null as table_cat, n.nspname as table_schem, c.relname as table_name, case c.relkind when 'v' then 'VIEW' end as table_type, d.description
        from pg_catalog.pg_namespace n, pg_catalog.pg_class c
        left join pg_catalog.pg_description d on (c.oid = d.objoid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass)
        where c.relnamespace = n.oid and n.nspname like 'tenant%' and c.relkind = 'v' order by table_type, table_schem, table_name""")
    assert {"fact_reservation", "dim_tenant"} <= {row[2] for row in tables}
    columns = conn.query("""
        select n.nspname, c.relname, a.attname, a.atttypid, a.attnotnull or (t.typtype = 'd' and t.typnotnull) as attnotnull, a.atttypmod, a.attlen,
            t.typtypmod, row_number() over (partition by a.attrelid order by a.attnum) as attnum, nullif(a.attidentity, '') as attidentity,
            pg_catalog.pg_get_expr(def.adbin, def.adrelid) as adsrc, dsc.description, t.typbasetype, t.typtype
        from pg_catalog.pg_namespace n
        join pg_catalog.pg_class c on (c.relnamespace = n.oid)
        join pg_catalog.pg_attribute a on (a.attrelid = c.oid)
        join pg_catalog.pg_type t on (a.atttypid = t.oid)
        left join pg_catalog.pg_attrdef def on (a.attrelid = def.adrelid and a.attnum = def.adnum)
        left join pg_catalog.pg_description dsc on (c.oid = dsc.objoid and a.attnum = dsc.objsubid)
        where c.relkind in ('r', 'p', 'v', 'f', 'm') and a.attnum > 0 and not a.attisdropped and n.nspname like 'tenant%' order by 1, 2, 9""")
    assert ["tenant_views", "fact_payment", "tenant_id"] in [row[:3] for row in columns]
    assert conn.query("""
        select ct.relname, a.attname, (information_schema._pg_expandarray(i.indkey)).n, ci.relname
        from pg_catalog.pg_class ct join pg_catalog.pg_attribute a on (ct.oid = a.attrelid)
        join pg_catalog.pg_index i on (a.attrelid = i.indrelid) join pg_catalog.pg_class ci on (ci.oid = i.indexrelid)
        join pg_catalog.pg_namespace n on (ct.relnamespace = n.oid) where i.indisprimary and n.nspname = 'tenant_views' and ct.relname = 'dim_tenant'""") == []
    assert conn.query("select table_name from information_schema.tables where table_schema = 'tenant_views' and table_name = 'dim_room'") == [["dim_room"]]
    assert conn.query("select t.oid, t.typarray from pg_type t where t.typname = 'text'") != []
    dumped = run(["/usr/lib/postgresql/15/bin/pg_dump", "--schema-only", "-n", "tenant_views", two.env["DATABASE_URL"]])
    assert "CREATE VIEW tenant_views.dim_tenant" in dumped.stdout


# ---- the other databases of the server

def test_a_tenant_logs_in_to_its_database_only(doors):
    for database in ("postgres", "template1"):
        with pytest.raises(pgcluster.PgError) as refused:
            pgcluster.Conn(f"host={doors.at.hostname} port={doors.at.port} dbname={database} user={MINE} password={doors.password(MINE)}")
        assert "pg_hba.conf rejects" in str(refused.value) or "permission denied for database" in str(refused.value)
