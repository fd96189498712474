"""What a tenant can reach, and what a tenant's query costs."""
import hmac
import json
import re
import time

import pytest

import pgcluster
import warehouse as wh
from events import OTHER, PROPERTY, TENANT, TYPE_A, confirmed, event, ident, inventory, item, reservation
from pgcluster import PgError
from warehouse import World, fact

PASSWORD = "p" * 64


# ---- isolation

def sign(world, conn, tenant, ids="all", expiry=None, pid=None):
    key = bytes.fromhex(world.value("select encode(key, 'hex') from analytics_run.scope_key"))
    expiry = expiry or int(time.time()) + 60
    mac = hmac.new(key, f"{tenant}|{ids}|{pid or conn.pid}|{expiry}".encode(), "sha256").hexdigest()
    return f"{expiry}|{ids}|{mac}"


def scoped(conn, signed, sql):
    conn.query("begin")
    try:
        conn.query("select tenant_views.set_scope($1)", signed)
        return conn.query(sql)
    finally:
        conn.query("rollback")


@pytest.fixture
def two_tenants(world):
    for tenant in (TENANT, OTHER):
        world.etld.statement(wh.ETLD + "provision_tenant.sql", tenant, PASSWORD, "false")
        rsv, far = ident("rsv", tenant, 1), ident("rsv", tenant, 2)
        world.apply([e | {"tenantId": tenant} for e in [
            confirmed("2024-01-01T10:00", rsv, [item("2024-02-01", "2024-02-03")]),
            confirmed("2024-01-01T10:00", far, [item("2024-02-01", "2024-02-03")], propertyId=ident("ppt", 2)),
            event("reservation.confirmed", "2024-01-01T10:00", {"reservationId": "nowhere", "items": [item("2024-02-01", "2024-02-02")]}),
            event("tenant.created", "2024-01-01T10:00", {"name": tenant}), *inventory({TYPE_A: 1})]])
    return world


def test_sizes_are_of_ones_own_tables(two_tenants):
    """And only for whoever sees all properties: a sum over them says how much there is elsewhere."""
    world = two_tenants
    world.admin.query("insert into analytics_run.profile (tenant_id, table_name, day, rows, nulls) values"
                      " ($1, 'fact_payment', '1999-01-01', 3, '{}'), ($2, 'fact_payment', '1999-01-01', 5, '{}')", TENANT, OTHER)
    conn = world.connect(TENANT, PASSWORD)
    sizes = "select table_name, rows from tenant_views.table_size where table_name = 'fact_payment'"
    assert scoped(conn, sign(world, conn, TENANT), sizes) == [["fact_payment", "3"]]
    assert scoped(conn, sign(world, conn, TENANT, PROPERTY), sizes) == [] and conn.query(sizes) == []


def test_a_tenant_sees_itself_and_nothing_else(two_tenants):
    world = two_tenants
    conn = world.connect(TENANT, PASSWORD)
    views = [r[0] for r in world.rows("select relname from pg_class where relnamespace = 'tenant_views'::regnamespace and relkind = 'v'")]
    assert {"fact_reservation", "fact_room_night", "fact_payment", "fact_inventory_day", "dim_property", "dim_room_type", "dim_room", "dim_tenant",
            "dim_fx", "fact_housekeeping_task", "fact_lock_action", "fact_ai_suggestion", "fact_demand_forecast", "fact_audit_event", "fact_funnel",
            "fact_room_night_history",
            "fact_demand_forecast_latest", "forecast_accuracy", "dim_calendar", "table_state", "table_size",
            "pending"} == set(views)
    signed = sign(world, conn, TENANT)
    assert scoped(conn, signed, "select count(*) from tenant_views.fact_reservation") == [["3"]]
    for view in set(views) - {"dim_calendar", "table_state", "table_size", "pending"}:
        assert scoped(conn, signed, f"select count(*) from tenant_views.{view} where tenant_id <> '{TENANT}'") == [["0"]]
        assert conn.query("select count(*) from information_schema.columns where table_schema = 'tenant_views' and column_name = '_batch_id'") == [["0"]]
    assert conn.query("select name from tenant_views.dim_tenant") == [[TENANT]]
    for schema, relation in world.rows("select nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'v', 'p', 'S')"
                                       " and nspname in ('analytics', 'analytics_run', 'events_raw', 'analytics_curated', 'analytics_live', 'analytics_beside') and relname !~ '^event_\\d+$'"):
        with pytest.raises(PgError) as refused:
            conn.query(f'select 1 from "{schema}"."{relation}"')
        assert refused.value.sqlstate == "42501", relation
    other = world.connect(OTHER, PASSWORD)
    assert scoped(other, signed, "select count(*) from tenant_views.fact_reservation") == [["0"]]
    assert scoped(world.connect("analytics_nobody"), signed, "select count(*) from tenant_views.fact_reservation") == [["0"]]


def test_the_known_escapes_are_closed(two_tenants):
    world = two_tenants
    conn = world.connect(TENANT, PASSWORD)
    signed = sign(world, conn, TENANT)
    hostile = [
        f"select set_config('role', '{OTHER}', true)", f"set role \"{OTHER}\"", f"set session authorization \"{OTHER}\"", "set role analytics_owner",
        "select query_to_xml('select 1', true, true, '')", "select ts_stat('select 1')", "select ts_rewrite('a'::tsquery, 'select 1')",
        "select pg_sleep(1)", "select pg_advisory_lock(1)", "select pg_try_advisory_xact_lock(7103, 1)", "select lo_create(0)", "select pg_notify('a', 'b')",
        "select table_to_xml('tenant_views.fact_reservation'::regclass, true, true, '')", "select pg_logical_emit_message(true, 'a', 'b')",
        "select pg_terminate_backend(1)", "do $$ begin perform 1; end $$", "create table t (a int)", "create temp table t (a int)",
        "create function f() returns int language sql as 'select 1'", "create view v as select 1",
        f"select analytics.provision_tenant('{OTHER}', '{PASSWORD}', true)", "select analytics_run.ensure_partitions('2010-01-01', '2010-01-02')",
        "update pg_settings set setting = 'x' where name = 'role'", "copy (select 1) to program 'true'", "select pg_read_file('/etc/passwd')"]
    for statement in hostile:
        with pytest.raises(PgError) as refused:
            conn.query(statement)
        assert refused.value.sqlstate in ("42501", "25006"), (statement, str(refused.value))
    # a leaky operator sees only what the barrier lets through
    leak = f"select count(*) from tenant_views.fact_reservation where 1 / (case when tenant_id = '{OTHER}' then 0 else 1 end) = 1"
    assert scoped(conn, signed, leak) == [["3"]]
    # some of the above fail for other reasons too; the grants themselves. pg_cancel_backend stays: queryd
    # cancels with it what a client left behind, and a role reaches its own connections only
    assert conn.query("select oid::regprocedure from pg_proc where pronamespace = 'pg_catalog'::regnamespace and has_function_privilege(oid, 'execute')"
                      " and (proname ~ '^(set_config|ts_stat|pg_notify|pg_terminate_backend|pg_export_snapshot|pg_logical_emit_message)$'"
                      " or proname ~ '(_to_xml|^pg_sleep|^pg_(try_)?advisory|^lo_|^lowrite$|^loread$)'"
                      " or oid = 'ts_rewrite(tsquery, text)'::regprocedure)") == []
    conn.query("begin read write")  # allowed, and of no use
    with pytest.raises(PgError):
        conn.query("insert into tenant_views.dim_calendar (date) values ('2050-01-01')")
    conn.query("rollback")


def test_the_property_scope_cannot_be_forged(two_tenants):
    world = two_tenants
    conn, second = world.connect(TENANT, PASSWORD), world.connect(TENANT, PASSWORD)
    count = "select count(*) from tenant_views.fact_reservation"
    good = sign(world, conn, TENANT, PROPERTY)
    expiry, ids, mac = good.split("|")
    cases = {
        "one property": (good, "1"), "both": (sign(world, conn, TENANT, ",".join(sorted((PROPERTY, ident("ppt", 2))))), "2"),
        "all, the unknown property too": (sign(world, conn, TENANT), "3"), "no property": (sign(world, conn, TENANT, ""), "0"),
        "wider than signed": (f"{expiry}|all|{mac}", "0"), "longer than signed": (f"{int(expiry) + 999}|{ids}|{mac}", "0"),
        "expired": (sign(world, conn, TENANT, "all", int(time.time()) - 1), "0"), "another tenant's": (sign(world, conn, OTHER), "0"),
        "another connection's": (sign(world, second, TENANT), "0"), "unsigned": (f"{expiry}|all|", "0"), "empty": ("", "0"), "words": ("all", "0"),
        "four parts": (good + "|x", "0"), "a huge expiry": ("9" * 30 + f"|all|{mac}", "0"), "a star": (f"{expiry}|*|{mac}", "0"),
    }
    assert conn.query(count) == [["0"]]
    for name, (signed, expected) in cases.items():
        assert scoped(conn, signed, count) == [[expected]], name
    for view in ("fact_room_night", "fact_inventory_day", "dim_room_type", "dim_room", "dim_property"):
        assert conn.query(f"select count(*) from tenant_views.{view}") == [["0"]]
        assert scoped(conn, sign(world, conn, TENANT, ident("ppt", 9)), f"select count(*) from tenant_views.{view}") == [["0"]]
    conn.query("begin")
    conn.query("set local analytics.scope = '" + good + "'")
    assert conn.query(count) == [["1"]]
    conn.query("rollback")
    assert conn.query(count) == [["0"]]


def test_provisioning(world):
    queryd = world.connect("analytics_queryd")
    fresh = ident("tnt", "fresh", world.name)
    make = "select analytics.provision_tenant($1, $2, $3::boolean)"
    assert queryd.query(make, fresh, PASSWORD, "f") == [["t"]] and queryd.query(make, fresh, PASSWORD[::-1], "f") == [["f"]]
    assert queryd.query(make, fresh, "q" * 64, "t") == [["t"]]
    assert world.rows("select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolconnlimit from pg_roles where rolname = $1", fresh) == \
        [["t", "f", "f", "f", "f", "16"]]
    assert world.rows("select r.rolname from pg_auth_members m join pg_roles r on r.oid = roleid where member = to_regrole(quote_ident($1))", fresh) == [["analytics_tenants"]]
    assert world.value("select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = $1", fresh) == "t"
    for bad in ("analytics_owner", "tnt_x", fresh.lower(), fresh + "'", "postgres", "TNT_" + fresh[4:]):
        with pytest.raises(PgError) as refused:
            queryd.query(make, bad, PASSWORD, "t")
        assert refused.value.sqlstate == "22023"
    with pytest.raises(PgError):
        queryd.query(make, fresh, "short", "t")
    conn = world.connect(fresh, "q" * 64)
    assert conn.query("show transaction_isolation") == [["repeatable read"]] and conn.query("show transaction_read_only") == [["on"]]
    assert scoped(conn, sign(world, conn, fresh), "select count(*) from tenant_views.fact_reservation") == [["0"]]


def test_pending_is_the_tenants_own(two_tenants):
    world = two_tenants
    wh.land(world.ingestd, [reservation("cancelled", "2024-01-02T10:00", ident("rsv", TENANT, 1))])
    mine, theirs = world.connect(TENANT, PASSWORD), world.connect(OTHER, PASSWORD)
    rows = {r[0]: r[1:] for r in mine.query("select consumer, deltas, events, oldest_landed_at is not null, touched from tenant_views.pending")}
    assert rows["reservation"] == ["1", "1", "t", "f"] and rows["payment"] == ["0", "0", "f", "f"]
    assert theirs.query("select sum(deltas), count(oldest_landed_at) from tenant_views.pending") == [["0", "0"]]
    assert mine.query("select data_version from tenant_views.table_state where table_name = 'fact_reservation'") == [["1"]]


# ---- plans and cost

@pytest.fixture(scope="module")
def big_world(cluster):
    """One tenant of 100,000 reservations beside 50 small ones, made behind etld's back."""
    world = World(cluster, "big_world")
    world.admin.query("create temp table owner as select n, case when n <= 100000 then $1 else 'tnt_' || lpad((n % 50)::text, 26, '0') end as tenant_id,"
                      " 'rsv_' || lpad(n::text, 26, '0') as rsv, date '2022-01-01' + (n % 1000) as day from generate_series(1, 110000) n", TENANT)
    world.admin.query("insert into analytics_curated.event_reservation (tenant_id, reservation_id, occurred_at, event_id, batch_id, verb, at, property_id, stay_start,"
                      " stay_end, item_id, item_type, item_kind, item_start, item_end, item_currency, night_item, night_date, night_rate)"
                      " select tenant_id, rsv, day - interval '9 days', lpad(n::text, 26, '0'), 1, 'confirmed', day - interval '9 days', $1, day, day + 2, array['i'], array[$2],"
                      " array['sold'], array[day], array[day + 2], array['USD'], array[1, 1]::smallint[], array[day, day + 1], array[5, 5]::bigint[] from owner", PROPERTY, TYPE_A)
    world.admin.query("insert into analytics_curated.fact_reservation_v1 (tenant_id, reservation_id, property_id, channel, status, booked_at, arrival_date, departure_date, nights,"
                      " rooms, room_revenue_micro, modifications, last_event_at, night_rows, _batch_id, _updated_at)"
                      " select tenant_id, rsv, $1, 'unknown', 'confirmed', day - interval '9 days', day, day + 2, 2, 1, 10, 0, day - interval '9 days', 2, 1, now() from owner", PROPERTY)
    world.admin.query("insert into analytics_curated.fact_room_night_v1 (tenant_id, reservation_id, item_id, stay_date, property_id, channel, kind, state, booked_at,"
                      " lead_time_days, _batch_id, _updated_at)"
                      " select tenant_id, rsv, 'i', day + k, $1, 'unknown', 'sold', 'on_books', day - interval '9 days', 9, 1, now() from owner, generate_series(0, 1) k", PROPERTY)
    world.admin.query("analyze")
    for tenant in (TENANT, "tnt_" + "0" * 25 + "7"):
        world.etld.statement(wh.ETLD + "provision_tenant.sql", tenant, PASSWORD, "true")
        world.admin.query("select analytics.provision_looker($1, $2, true)", tenant, PASSWORD)
    yield world
    world.close()


@pytest.mark.parametrize("login", ["", "_l"])
@pytest.mark.parametrize("tenant", [TENANT, "tnt_" + "0" * 25 + "7"])
def test_a_tenants_query_uses_the_index(big_world, tenant, login):
    conn = big_world.connect(tenant + login, PASSWORD)
    for table, column in (("fact_room_night", "stay_date"), ("fact_reservation", "arrival_date"), ("fact_reservation", "departure_date")):
        query = f"select count(*) from tenant_views.{table} where {column} between '2022-03-01' and '2022-03-07'"
        plan = json.loads(conn.query("explain (analyze, format json, timing off, costs on) " + query)[0][0])[0]["Plan"]
        nodes, todo = [], [plan]
        while todo:
            nodes.append(todo.pop())
            todo += nodes[-1].get("Plans", [])
        assert not [n for n in nodes if n["Node Type"] == "Seq Scan"], plan
        index = [n for n in nodes if "Index Name" in n]
        assert len(index) == 1 and "tenant_id" in index[0]["Index Cond"] and column in index[0]["Index Cond"], plan
        # as many scope checks as there are uses of it in the view, whatever the rows
        assert all(n["Actual Loops"] <= 1 for n in nodes if n.get("Parent Relationship") == "InitPlan")
        scan = index[0]["Plan Rows"]
        assert scan < (10000 if tenant == TENANT else 500), scan


def test_estimates_know_no_words_of_others(big_world):
    """EXPLAIN is no oracle: a small tenant gets the same plan for whatever text it asks for. Dates do show."""
    conn = big_world.connect("tnt_" + "0" * 25 + "7", PASSWORD)

    def plans_of(table, condition, values):
        return {re.sub("'[^']*'", "?", "\n".join(row[0] for row in conn.query(
            f"explain select * from tenant_views.{table} where {condition} '{value}'"))) for value in values}

    for table, column, values in (
            ("fact_reservation", "reservation_id", ["rsv_" + str(n).zfill(26) for n in (1, 50_000, 99_999)]),
            ("fact_room_night", "property_id", ["a", PROPERTY, "z"]), ("fact_reservation", "channel", ["a", "unknown", "z"]),
            ("fact_reservation", "status", ["confirmed", "cancelled"]), ("fact_room_night", "reservation_id", ["a", "rsv_5", "z"]),
            ("fact_reservation", "tenant_id", ["tnt_", TENANT, "tnt_Z"]), ("fact_room_night", "tenant_id", ["a", TENANT, "z"])):
        for operator in ("=", "<>", "<", ">="):
            assert len(plans_of(table, f"{column} {operator}", values)) == 1, (table, column, operator)
    assert len(plans_of("fact_reservation", "arrival_date <", ["2022-01-02", "2023-06-01", "2024-09-01"])) == 3


def test_rows_read_are_those_of_the_query(big_world):
    conn = big_world.connect(TENANT, PASSWORD)
    conn.query("begin")
    before = int(conn.query("select tenant_views.rows_read('{fact_reservation}')")[0][0])
    conn.query("select tenant_views.set_scope($1)", sign(big_world, conn, TENANT))
    conn.query("select sum(room_revenue_micro) from tenant_views.fact_reservation where arrival_date = '2022-03-01'")
    read = int(conn.query("select tenant_views.rows_read('{fact_reservation}')")[0][0]) - before
    conn.query("rollback")
    assert 50 <= read <= 500


def rows_read(world, *conns):
    """Rows and index entries that have been read so far, once these connections have reported."""
    for conn in conns:
        conn.query("select pg_stat_force_next_flush()")
    return sum(int(world.value(f"select sum({counter}) from {view} where schemaname in ('analytics_curated', 'analytics_run', 'events_raw')"))
               for counter, view in (("seq_tup_read", "pg_stat_user_tables"), ("idx_tup_fetch", "pg_stat_user_tables"), ("idx_tup_read", "pg_stat_user_indexes")))


def test_one_event_in_a_large_tenant_reads_few_rows(big_world):
    world, rsv = big_world, "rsv_" + "55555".zfill(26)
    shard = int(world.value("select analytics_run.shard_of($1)", TENANT))
    for n in range(7):  # the sixth execution of a statement could get another plan
        wh.land(world.ingestd, [reservation("modified", f"2024-01-02T10:{n:02}", rsv, channel=f"c{n}")])
        before = rows_read(world, world.ingestd)
        assert wh.unit(world.etld, "reservation", shard)
        assert 10 < rows_read(world, world.etld) - before < 1000
    assert fact(world, rsv, "channel", "night_rows") == ("c6", "2")


def test_a_touched_property_is_worked_off_in_portions(big_world):
    world = big_world
    small = "tnt_" + "0" * 25 + "7"
    world.etld.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) values ('reservation', $1, 'property', $2)", small, PROPERTY)
    shard = int(world.value("select analytics_run.shard_of($1)", small))
    taken = []
    for _ in range(4):
        assert wh.begin_unit(world.etld, "reservation", shard) == [shard]
        tenants, keys, *_ = world.etld.statement(wh.ETLD + "take_portion.sql", "reservation", 80, None)[0]
        world.etld.query("commit")
        taken.append(keys.strip("{}").split(",") if keys else [])
    assert [len(t) for t in taken] == [80, 80, 40, 0] and len(set(sum(taken, []))) == 200


def test_an_admin_who_is_no_superuser_can_migrate(cluster):
    """The catalogs stay open then, which is told; roles, views and bindings work."""
    with cluster.connect() as admin:
        admin.query("create role boss login createrole")
        admin.query("create database bosses owner boss")
    with cluster.connect("bosses", "boss") as boss:
        pgcluster.migrate(boss)
    tenant = ident("tnt", "of the boss")
    with cluster.connect("bosses", "analytics_queryd") as queryd:
        assert queryd.query("select analytics.provision_tenant($1, $2)", tenant, PASSWORD) == [["t"]]
        assert queryd.query("select analytics.provision_looker($1, $2, true)", tenant, PASSWORD) == [[tenant + "_l"]]
        assert queryd.query("select * from analytics.reconcile_access(false) where role ~ $1", tenant) == []
    with cluster.connect("bosses", tenant + "_l", PASSWORD) as looker:
        assert looker.query("select count(*) from dim_property") == [["0"]]
        assert looker.query("select count(*) > 5 from pg_roles") == [["t"]]
    cluster.drop("bosses")
