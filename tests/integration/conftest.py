"""Fixtures of the integration tests; see harness.py."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness

# fixtures of several files: the SQL alone; a random hotel behind queryd; etlds of the tests
pytest_plugins = ["warehouse", "hotel", "etlstack"]


# files that take longest, so that none of them is what all other processes wait for at the end
LONG = ("test_stack", "test_demo", "test_quality", "test_purge", "test_crash", "test_prove", "test_kills", "test_openapi", "test_hotelsim",
        "test_versions", "test_queryd_cache", "test_purge_everywhere", "test_sync_snapshots", "test_property", "test_reread",
        "test_etl_run")


# what runs the programs; a test with a `cluster` and none of these is about the SQL alone (warehouse.py)
PROGRAMS = {"stack", "make_stack", "etl"}
# about tools/stack and tools/demo, which are not C; the daemons only start and stop there
OF_TOOLS = ("test_stack", "test_demo")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.path.stem not in LONG)
    if harness.MODE == "asan":  # no line of C runs in those: there is nothing to sanitize
        alone = [item for item in items if item.path.stem in OF_TOOLS
                 or "cluster" in item.fixturenames and not PROGRAMS & set(item.fixturenames)]
        config.hook.pytest_deselected(items=alone)
        items[:] = [item for item in items if item not in set(alone)]


@pytest.fixture(scope="session")
def stack(request):
    """One running stack that all tests share: use tenants of your own, restart what you kill."""
    shared = harness.Stack()
    try:
        yield shared.up()
    finally:
        shared.close(keep=request.session.testsfailed > 0)


@pytest.fixture
def make_stack(request):
    """make_stack(...) is a harness.Stack of the test's own, not yet up."""
    made, failed_before = [], request.session.testsfailed

    def make(**options):
        made.append(harness.Stack(**options))
        return made[-1]

    yield make
    for one in reversed(made):
        one.close(keep=request.session.testsfailed > failed_before)
