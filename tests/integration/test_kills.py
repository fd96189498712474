"""The small form of `make crash`, and Pub/Sub's ways: every acknowledged event is in raw exactly once,
byte for byte, whatever is killed and however often it is delivered.

CRASH_KILLS and CRASH_SEED ask for a longer or another run.
"""

import contextlib
import json
import os
import random
import signal
import sys

import pytest

import pgcluster
import platform_events as ev
from harness import CHECKOUT, Stack, wait_until
from pubsub_push import Subscription

sys.path[:0] = [os.path.join(CHECKOUT, "tests", "crash"), os.path.join(CHECKOUT, "tools")]
import crash
import mutant
from ledger import is_clean
from stacklib import tokens

KILLS = int(os.environ.get("CRASH_KILLS", "5"))
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1, 10**6)


@pytest.fixture
def durable(request):
    """A durable stack: what it acknowledged must survive."""
    one, before = Stack(profile="demo"), request.session.testsfailed
    yield one.up()
    one.kill("postgres", signal.SIGQUIT)  # its last checkpoint would be for nobody
    one.close(keep=request.session.testsfailed > before)


@pytest.mark.parametrize("door", crash.DOORS)
def test_kills(durable, door):
    print(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS}")
    verdict, counted, load = crash.run(durable, door, KILLS, SEED)
    print(crash.report(verdict, load))
    assert is_clean(verdict), verdict
    load.check_order()
    assert counted == KILLS, "too few kills hit anything: another CRASH_SEED"


@pytest.mark.parametrize("name", mutant.MUTANTS)
def test_the_mutants_can_still_be_made(tmp_path, name):
    """`make crash` builds them; here it is only that their patches find their place."""
    _, path, *faults = mutant.MUTANTS[name]
    copy = tmp_path / "source"
    with open(os.path.join(CHECKOUT, path), encoding="utf-8") as source:
        copy.write_text(source.read(), encoding="utf-8")
    for line, fault in zip(faults[::2], faults[1::2]):
        mutant.patch(copy, line, fault)
        assert fault + line in copy.read_text(encoding="utf-8")


# ---- a subscription that is not killed but slow

def subscription(stack, **options):
    token = stack.token(None, "--oidc", tokens.PUSH_EMAIL)
    return Subscription(stack.url("ingestd", "/pubsub/push"), token, **options).start()


def published(sub, tenant, count, key=lambda n: ""):
    texts = [json.dumps(ev.reservation(tenant, "held", "2024-03-01T10:00", ev.ident("rsv", tenant, n))).encode()
             for n in range(count)]
    return texts, [sub.publish(text, {}, key(n)) for n, text in enumerate(texts)]


def stored(stack, tenant):
    """Bodies in the order in which they were received."""
    return [row[0].encode() for row in stack.query(
        "select body from events_raw.event where tenant_id = $1 order by received_at, dedupe_key", tenant)]


@contextlib.contextmanager
def landing_held(stack):
    """While it lasts, landing transactions wait for a lock."""
    with pgcluster.Conn(stack.env["DATABASE_URL"]) as conn:
        conn.query("begin")
        conn.query("lock table analytics_run.batch in exclusive mode")
        yield
        conn.query("rollback")


def test_push_again_after_the_deadline(stack):
    """No answer in time is no acknowledgement: the same messages arrive again while the first wait."""
    tenant = ev.tenant_id("deadline")
    with landing_held(stack):
        sub = subscription(stack, ack_deadline=0.2, twice=0)
        texts, messages = published(sub, tenant, 10)
        wait_until(lambda: sum(m.attempts for m in messages) > 2 * len(messages))
        assert sub.acknowledged == 0
        sub.ack_deadline = 20
    sub.drain()
    assert sorted(stored(stack, tenant)) == sorted(texts)
    assert all(m.acknowledgements == 1 for m in messages)


def test_push_in_order_and_twice(stack):
    """One key's messages land in the order of publishing, whatever is delivered again meanwhile."""
    tenant = ev.tenant_id("in order")
    sub = subscription(stack, twice=0.5)
    texts, messages = published(sub, tenant, 60, lambda n: f"key-{n % 3}")
    sub.drain()
    landed = stored(stack, tenant)
    assert sorted(landed) == sorted(texts)
    for key in range(3):
        mine = texts[key::3]
        assert [text for text in landed if text in mine] == mine
    assert sum(m.acknowledgements for m in messages) > len(messages)


def test_push_of_a_poison_message(stack):
    """A message that can never land is acknowledged as a dead letter and holds up nobody of its key."""
    tenant = ev.tenant_id("poison")
    sub = subscription(stack, twice=0)
    sub.publish(b"{" + tenant.encode(), {}, "key")
    texts, _ = published(sub, tenant, 2, lambda n: "key")
    sub.drain()
    assert stored(stack, tenant) == texts
    assert stack.query("select reason, times from analytics_run.dead_letter where body = decode($1, 'hex')",
                       (b"{" + tenant.encode()).hex()) == [["invalid_json", "1"]]
