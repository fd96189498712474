"""etld migrate: once, in one order, and never over something that it does not know."""

import concurrent.futures
import os

import pytest

import pgcluster
from harness import BIN, Stack, run


@pytest.fixture(name="databases", scope="module")
def databases_without_daemons(request):
    """A stack whose databases were never migrated by anybody else: its daemons are off."""
    stack = Stack(fresh=True)
    stack.up("--no-daemons")
    yield stack
    stack.close(keep=request.session.testsfailed > 0)


RECORDS = {"control": "analytics.schema_migrations", "warehouse": "analytics_run.schema_migrations"}
HISTORY = "version, name, sha256, applied_at is not null"


def migrate(stack, check=0, url=None):
    return run([os.path.join(BIN, "etld"), "-c", stack.path("etc", "etld.conf"), "migrate"], check,
               env={**os.environ, "ANALYTICS_MIGRATE_URL": url or stack.env["DATABASE_URL"]})


def applied(stack):
    return {name: stack.query(f"select {HISTORY} from {table} order by 1") for name, table in RECORDS.items()}


def test_again_is_nothing(databases):
    before = applied(databases)
    assert all(before.values())
    assert "migration applied" not in migrate(databases).stderr
    assert applied(databases) == before


def test_many_at_once_apply_each_once(databases):
    """From nothing: whoever comes second waits for the first, and finds it done."""
    databases.query("create database new")
    url = databases.env["DATABASE_URL"].rpartition("/")[0] + "/new"
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: migrate(databases, url=url).stderr, range(4)))
    lines = [line for text in ended for line in text.splitlines() if "migration applied" in line]
    assert len(lines) == sum(len(rows) for rows in applied(databases).values())
    with pgcluster.Conn(url) as new:
        assert {name: new.query(f"select {HISTORY} from {table} order by 1") for name, table in RECORDS.items()} == applied(databases)


@pytest.mark.parametrize("name", RECORDS)
def test_a_changed_migration_is_refused(databases, name):
    """Nothing is applied over a history that is not this binary's."""
    table = RECORDS[name]
    [[kept]] = databases.query(f"select sha256 from {table} where version = 2")
    databases.query(f"update {table} set sha256 = repeat('0', 64) where version = 2")
    said = migrate(databases, 78).stderr
    assert "an applied migration differs" in said and name in said
    databases.query(f"update {table} set sha256 = $1 where version = 2", kept)
    migrate(databases)


@pytest.mark.parametrize("name", RECORDS)
def test_a_newer_database_is_left_alone(databases, name):
    """A binary that was rolled back says so, changes nothing, and does not fail the deployment."""
    table = RECORDS[name]
    databases.query(f"insert into {table} (version, name, sha256) values (9999, 'of_tomorrow', repeat('a', 64))")
    before = applied(databases)
    assert "the database is newer than this binary" in migrate(databases).stderr
    assert applied(databases) == before
    databases.query(f"delete from {table} where version = 9999")
