"""`make demo`, as a newcomer sees it end: figures as planned, and a query to try that can be pasted."""

import importlib.machinery
import importlib.util
import json
import os
import subprocess

from harness import CHECKOUT, run

DEMO = os.path.join(CHECKOUT, "tools", "demo")


def test_served_is_planned_and_the_query_works(make_stack):
    stack = make_stack(profile="demo")
    said = run([DEMO, "--dir", stack.dir], timeout=600).stdout
    assert said.endswith("\nEvery figure agrees with the plan.\n") and "DIFFER" not in said
    assert said.count("   agree\n") >= 6 * 8  # properties, figures without the channels
    command = said[said.index("curl -s "):].split("\n\n")[0]
    answer = json.loads(subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout)
    assert len(answer["rows"]) > 0 and {"property_id", "occupancy_pct"} <= answer["rows"][0].keys()


def test_what_differs_is_said(capsys):
    loader = importlib.machinery.SourceFileLoader("demo", DEMO)
    demo = importlib.util.module_from_spec(importlib.util.spec_from_loader("demo", loader))
    loader.exec_module(demo)
    assert demo.show("ADR", "currency", "97000000", 97_000_000.0) == 0 and "agree" in capsys.readouterr().out
    for served, planned in (("97000100", 97e6), (None, 97e6), ("0", None)):
        assert demo.show("ADR", "currency", served, planned) == 1 and "DIFFER" in capsys.readouterr().out
