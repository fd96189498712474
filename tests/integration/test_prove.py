"""tools/prove-isolation in short: it finds nothing, and what is planted it finds."""

import os
import re

from harness import CHECKOUT, run

TOOL = os.path.join(CHECKOUT, "tools", "prove-isolation")
KINDS = {"answers": 250, "headers": 200, "log lines": 20, "cached results": 20, "cache entries": 1, "events": 10, "rows": 50, "twins": 5,
         "tags": 1, "documents": 3}  # at least
ASKED = {"make", "change", "share", "publish", "archive", "guest", "dry", "page", "result_page", "budget", "keep", "kept", "explain", "pull"}


def prove(code, *options):
    """Its findings; every kind was searched."""
    said = run([TOOL, "--seed", "7", *options], code).stdout
    searched = {kind: int(count) for count, kind in re.findall(r"(\d+) ([a-z ]+)", said.partition("searched: ")[2].partition("\n")[0])}
    assert searched.keys() == KINDS.keys() and all(searched[kind] >= least for kind, least in KINDS.items()), said
    done = {kind: int(count) for kind, count in re.findall(r"\d+ (\w+) (\d+)", said.partition("and done: ")[2].partition("\n")[0])}
    assert all(done[kind] for kind in ASKED), said
    found = re.findall(r"^  (.*)", said, re.M)
    assert int(re.search(r"findings: (\d+)", said)[1]) >= len(found), said
    return found


def test_nothing_is_found(stack):
    assert not prove(0, "--seconds", "1", "--dir", stack.dir)


def test_a_value_in_a_cached_result_is_found(stack):
    """The canary's in one of another tenant, a hotel's in one of who may not see it; nothing else is."""
    found = prove(65, "--seconds", "1", "--dir", stack.dir, "--plant-entries")
    assert all(line.startswith("cached results: ") for line in found), found
    assert {" of " in line.partition(" in entry ")[2] for line in found} == {False, True}, found


def test_a_view_without_its_filter_is_found():
    assert prove(65, "--seconds", "6", "--plant-view")
