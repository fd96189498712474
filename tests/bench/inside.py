"""Costs inside queryd, each in one process: the gate before a tenant's SQL (Q7), a verified token (Q4)."""

import re

import context as cx
from harness import run
from stacklib.home import Home
from table import Wrong


def measured(*argv):
    """{candidate: microseconds of CPU}"""
    done = run([cx.program(argv[0]), *argv[1:]], timeout=cx.WAIT)
    found = {name: float(us) for name, us in re.findall(r"^(\w+): ([\d.]+) us$", done.stdout, re.M)}
    if not found:
        raise Wrong(f"{argv[0]}: {done.stdout}")
    return found


def bench_gate(table, _):
    table.part("inside queryd")
    gate = measured("bench_gate")
    table.add("Q7 gate of three statements, CPU against Postgres' parser alone", f"{gate['gate']:.1f} us",
              f"{gate['parser']:.1f} us", gate["gate"] / gate["parser"], "≤ 2", gate["gate"] <= 2 * gate["parser"])


def bench_token(table, stack, tenant):
    table.part("tokens")
    token = measured("bench_token", Home(stack.dir)("secrets", "jwks.json"), stack.token(tenant, "--alg", "ES256"))
    table.add("Q4 token that was verified before, CPU against its verification (ES256)", f"{token['cached']:.3f} us",
              f"{token['verified']:.1f} us", token["cached"] / token["verified"], "≤ 0.02",
              token["cached"] <= 0.02 * token["verified"], digits=4)
