#!/usr/bin/python3
"""Prepares every statement file of sql/ against a freshly migrated database (`make sql-check`).

A statement must be valid there and take as many parameters as its header names. Scripts (several
statements, COPY) and commands that Postgres does not prepare are left out, and counted.
"""

import os
import re
import subprocess
import sys
import tempfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STACK = os.path.join(CHECKOUT, "tools", "stack")
PREPARABLE = ("select", "insert", "update", "delete", "merge", "values", "with")


def statement_files():
    for folder, _, names in sorted(os.walk(os.path.join(CHECKOUT, "sql"))):
        if os.path.basename(folder) != "migrations":
            for name in sorted(names):
                if name.endswith(".sql"):
                    yield os.path.join(folder, name)


def read(path):
    """(numbers of the header's parameters, statement, can be prepared)"""
    with open(path, encoding="utf-8") as source:
        text = source.read()
    numbers = [int(n) for n in re.findall(r"^-- \$(\d+)", text, re.M)]
    body = re.sub(r"--[^\n]*", "", text).strip().rstrip(";").strip()
    # quoted text and dollar bodies may hold semicolons; two statements hold one outside of them
    bare = re.sub(r"'(?:[^']|'')*'|\$([a-z_]*)\$.*?\$\1\$", "", body, flags=re.S)
    words = body.lower().split(None, 1)
    preparable = bool(words) and words[0] in PREPARABLE and ";" not in bare
    return numbers, body, preparable


def psql(directory, script):
    return subprocess.run([STACK, "psql", "--dir", directory, "--", "-XAtq", "-v",
                           "ON_ERROR_STOP=1", "-f", "-"], input=script, text=True,
                          capture_output=True, check=False)


def check(directory, path):
    """What is wrong with the file, None when nothing is, False when it cannot be prepared."""
    named, body, preparable = read(path)
    if not preparable:
        return False
    done = psql(directory, f"prepare checked as {body};\nselect coalesce(cardinality("
                           "parameter_types), 0) from pg_prepared_statements;\n")
    if done.returncode != 0:
        return done.stderr.strip()
    if named != list(range(1, int(done.stdout) + 1)):
        return f"takes {done.stdout.strip()} parameters, the header names {named}"
    return None


def main():
    faults, prepared, left_out = 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="sql-check-") as directory:
        try:
            subprocess.run([STACK, "up", "-q", "--no-daemons", "--profile", "test",
                            "--dir", directory], check=True)
            for path in statement_files():
                fault = check(directory, path)
                left_out += fault is False
                prepared += fault is None
                if fault:
                    faults += 1
                    print(f"{os.path.relpath(path, CHECKOUT)}: {fault}", file=sys.stderr)
        finally:
            subprocess.run([STACK, "down", "--wipe", "--dir", directory], check=False)
    print(f"  SQL     {prepared} statements prepared, {left_out} scripts left out, {faults} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
