"""Builds of the tree with a fault that must be found: the proof that crash.py and prove-isolation would.

The faults are patches of a copy in a temporary directory; the product has no switch for them. A patch
names its place by a line of the source, and not finding that line exactly once is an error: who moves
the code moves the mutant along.
"""

import os
import shutil
import subprocess
import tempfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODE = os.environ.get("MODE", "release")

# name: (what it does wrong, file, then pairs of: line before which a fault goes, the fault)
MUTANTS = {
    "early": (
        "answers when the batch is on its way to Postgres",
        "ingestd/landing/landing.c",
        "\tpgconn_script(l->conn, script->text, l->copies, ",
        "\tbatch_settle_events(l->batch, OUTCOME_ACCEPTED);\n\tsettle_dead(l);\n"),
    "unflushed": (
        "answers when the commit is in memory, not on disk",
        "sql/warehouse/postgres/ingestd/land_batch.sql",
        "copy events_raw.event (",
        "set local synchronous_commit = off;\n"),
    "unscoped": (
        "remembers answers without saying whose they are",
        "queryd/tenant/cache.c",
        "\tadd_field(&text, slice_of(s->tenant_id));",
        "\tstruct cache_scope none = *s;\n\n\tnone.tenant_id = none.properties = \"\";\n"
        "\tnone.permissions = 0;\n\ts = &none;\n",
        "\tint n = snprintf(out, ENTRY_NAME_MAX, \"qr:",
        "\tstruct cache_name nobody = {\"\", name->key, name->tables};\n\n\tname = &nobody;\n"),
}


def patch(path, line, fault):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if text.count(line) != 1:
        raise SystemExit(f"mutant: {path} has {text.count(line)} places for the fault, not one: {line!r}")
    with open(path, "w", encoding="utf-8") as source:
        source.write(text.replace(line, fault + line))


class Mutant:
    """`with Mutant(name) as m:` m.stack is the tools/stack of a built copy of the tree with that fault."""

    def __init__(self, name):
        about, path, *faults = MUTANTS[name]
        self.dir = tempfile.mkdtemp(prefix="analytics-mutant-", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.stack = os.path.join(self.dir, "tools", "stack")
        print(f"mutant {name}: {about}", flush=True)
        try:
            self._copy()
            for line, fault in zip(faults[::2], faults[1::2]):
                patch(os.path.join(self.dir, path), line, fault)
            subprocess.run(["make", f"-j{os.cpu_count()}", "all"], cwd=self.dir, check=True,
                           stdout=subprocess.DEVNULL)
        except BaseException:
            self.close()
            raise

    def _copy(self):
        """The sources as they are here, and the objects: only what the patch touches is compiled again."""
        files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                               cwd=CHECKOUT, check=True, capture_output=True).stdout.decode().split("\0")
        for name in filter(None, files):
            target = os.path.join(self.dir, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.exists(os.path.join(CHECKOUT, name)):
                shutil.copy2(os.path.join(CHECKOUT, name), target)
        built = os.path.join("build", MODE)
        if os.path.isdir(os.path.join(CHECKOUT, built)):
            shutil.copytree(os.path.join(CHECKOUT, built), os.path.join(self.dir, built), symlinks=True,
                            ignore=shutil.ignore_patterns("tests", "lint"))

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
