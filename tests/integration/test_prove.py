"""tools/prove-isolation in short: it finds nothing, and with a view without its filter it finds something."""

import os
import re

import pytest

from harness import CHECKOUT, run

TOOL = os.path.join(CHECKOUT, "tools", "prove-isolation")


@pytest.mark.parametrize("where, code", [("shared", 0), ("planted", 65)])
def test_prove_isolation(stack, where, code):
    seconds = "2" if code == 0 else "6"
    options = ["--dir", stack.dir] if where == "shared" else ["--plant-view"]
    said = run([TOOL, "--seconds", seconds, "--seed", "7", *options], code).stdout
    searched = {kind: int(count) for count, kind in re.findall(r"(\d+) (answers|headers|log lines|cache entries|events)", said)}
    assert len(searched) == 5 and searched["answers"] > 20, said
    assert (int(re.search(r"findings: (\d+)", said)[1]) > 0) == (code != 0), said
