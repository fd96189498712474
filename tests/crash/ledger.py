"""What was sent, what of it was acknowledged, and what the warehouse must hold after all.

An event is known by the sha-256 of its bytes: raw holds exactly the bytes that came in, so equal sets
of digests are equal events, byte for byte.
"""

import collections
import hashlib
import threading

RAW_DIGESTS = "select encode(sha256(convert_to(body, 'UTF8')), 'hex') from events_raw.event"
UNRECORDED = """select count(*) from events_raw.event e
 where not exists (select from analytics_run.batch b where b.batch_id = e.batch_id)"""


def digest(body):
    return hashlib.sha256(body).hexdigest()


class Ledger:
    """Filled by several threads at once."""

    def __init__(self):
        self._lock = threading.Lock()
        self.sent, self.acknowledged = set(), set()
        self.repeats = 0    # events that were sent again after their acknowledgement
        self.forgotten = 0  # of these: answered as if they were new

    def note_sent(self, digests):
        with self._lock:
            self.sent.update(digests)

    def note_acknowledged(self, digests):
        with self._lock:
            self.acknowledged.update(digests)

    def note_repeated(self, events, accepted):
        with self._lock:
            self.repeats += events
            self.forgotten += accepted


Verdict = collections.namedtuple("Verdict", "raw lost missing doubled foreign forgotten strays")


def audit(stack, ledger):
    """Compares the whole of raw with the ledger; every figure but `raw` should be 0."""
    raw = collections.Counter(row[0] for row in stack.query(RAW_DIGESTS))
    dead = int(stack.query("select count(*) from analytics_run.dead_letter")[0][0])
    return Verdict(
        raw=raw.total(),
        lost=len(ledger.acknowledged - raw.keys()),
        missing=len(ledger.sent - raw.keys()),
        doubled=sum(n > 1 for n in raw.values()),
        foreign=len(raw.keys() - ledger.sent) + dead,
        forgotten=ledger.forgotten,
        strays=int(stack.query(UNRECORDED)[0][0]))


def is_clean(verdict):
    return verdict.raw > 0 and not any(verdict[1:])
