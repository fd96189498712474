"""Event archives: landed as they were, once, and applied."""

import gzip
import json
import os
import signal
import subprocess

import pytest

from events import event, ident, money
from harness import BIN, wait_until


@pytest.fixture(name="command")
def ingestd_of_the_stack(etl):
    return [os.path.join(BIN, "ingestd"), "-c", etl.path("etc", "ingestd.conf"), "-o", "hint_endpoint=", "-o", "events_listen=", "load"]


@pytest.fixture(name="folder")
def readable_folder(tmp_path):
    os.chmod(tmp_path, 0o755)
    return tmp_path


def captured(tenant, n, **more):
    return event("payment.transaction.captured", f"2019-03-{1 + n % 28:02d}T02:00", {
        "transactionId": ident("cap", tenant, n), "amount": money(n, "EUR"), **more}, tenant, n)


def lines(events):
    return "".join(json.dumps(one) + "\n" for one in events).encode()


def backfill(etl, command, *words, check=0):
    done = etl.oneshot("backfill", "--archive", *words, settings={"load_command": " ".join(command)}, check=check)
    return json.loads(done.stdout.splitlines()[-1])


def facts(etl, tenant):
    return etl.query("select count(*), div(sum(amount_micro), 1000000), min(occurred_at)::date, max(occurred_at)::date"
                     " from analytics_curated.fact_payment where tenant_id = $1", tenant)[0]


def test_landed_once_with_its_times(etl, command, folder):
    """Packed and plain files of a folder, one of them without its last line end, one no archive."""
    tenant = ident("tnt", "archive")
    (folder / "a.ndjson").write_bytes(lines(captured(tenant, n) for n in range(30)) + b"{\"broken\": \n")
    (folder / "b").mkdir(mode=0o755)
    (folder / "b" / "c.jsonl.gz").write_bytes(gzip.compress(lines(captured(tenant, n) for n in range(20, 50)).rstrip(b"\n")))
    (folder / "notes.txt").write_bytes(b"no events")
    counts = {"files": 2, "loadedBefore": 0, "accepted": 50, "duplicates": 10, "conflicts": 0, "deadLettered": 1}
    assert backfill(etl, command, str(folder), check=65) == counts
    assert etl.pending() == 0 and facts(etl, tenant) == ["50", str(sum(range(50))), "2019-03-01", "2019-03-28"]
    letters = etl.value("select count(*) from analytics_run.dead_letter where convert_from(body, 'UTF8') like '{\"broken\"%'")
    assert letters == "1"

    assert backfill(etl, command, str(folder)) == {
        "files": 0, "loadedBefore": 2, "accepted": 0, "duplicates": 0, "conflicts": 0, "deadLettered": 0}
    assert backfill(etl, command, "--again", str(folder), check=65) == counts | {"accepted": 0, "duplicates": 60}
    assert facts(etl, tenant)[0] == "50"
    assert etl.query("select right(file, 8), accepted, duplicates, dead_letters, finished_at is not null from analytics_run.archive_file"
                     " where file like $1 order by file", str(folder) + "%") == [
        ["a.ndjson", "30", "30", "2", "t"], ["jsonl.gz", "20", "40", "0", "t"]]
    # another file of that name is another file
    (folder / "a.ndjson").write_bytes(lines([captured(tenant, 50)]))
    assert backfill(etl, command, str(folder))["accepted"] == 1


def waiting(etl):
    return etl.query("select pid from pg_locks where relation = 'analytics_run.archive_file'::regclass and not granted")


def test_killed_it_goes_on(etl, command, folder):
    tenant, file, many = ident("tnt", "archive", "killed"), str(folder / "long.ndjson"), 300  # fifteen pieces
    (folder / "long.ndjson").write_bytes(lines(captured(tenant, n, note="x" * 100_000) for n in range(many)))
    noted = "select offset_bytes from analytics_run.archive_file where file = $1"
    with subprocess.Popen([*command, file], stdout=subprocess.DEVNULL) as load:
        wait_until(lambda: etl.query(noted, file), interval=0.001)
        etl.query("begin; lock table analytics_run.archive_file in exclusive mode")
        try:
            wait_until(lambda: waiting(etl))  # a piece has landed and cannot be noted
            load.send_signal(signal.SIGKILL)
            etl.query("select pg_terminate_backend($1)", waiting(etl)[0][0])  # the server would note it still
        finally:
            etl.query("rollback")
    counts = backfill(etl, command, file)
    assert 0 < counts["accepted"] < many and 0 < counts["duplicates"] and counts["accepted"] + counts["duplicates"] < many
    assert facts(etl, tenant)[:2] == [str(many), str(sum(range(many)))]


@pytest.mark.parametrize("words, code, says", (
    ((), 64, "files or folders"), (("/nonexistent/events.ndjson",), 69, "/nonexistent"), (("--again",), 64, "which files")))
def test_what_cannot_be_loaded(etl, command, words, code, says):
    done = etl.oneshot("backfill", "--archive", *words, settings={"load_command": " ".join(command)}, check=code)
    assert says in done.stderr


def test_a_damaged_file(etl, command, folder):
    """What came before the damage has landed; the rest is not passed over in silence."""
    tenant, path = ident("tnt", "archive", "damaged"), folder / "d.ndjson.gz"
    path.write_bytes(gzip.compress(lines(captured(tenant, n) for n in range(400)))[:-3000])
    done = etl.oneshot("backfill", "--archive", str(path), settings={"load_command": " ".join(command)}, check=69)
    assert "d.ndjson.gz" in done.stderr
    landed = int(etl.value("select count(*) from events_raw.event where tenant_id = $1", tenant))
    assert 0 < landed < 400 and json.loads(done.stdout)["accepted"] == landed
    assert etl.oneshot("backfill", "--archive", str(path), settings={"load_command": "/nonexistent/ingestd load"}, check=69).stderr
