"""A stack on which tests run etlds of their own, and what they ask about it.

Its own etld, queryd and dqd are stopped, so that whatever happens to the queue is a test's doing.
"""

import json
import os
import signal

import pytest

from events import ident
from harness import BIN, Stack, run, wait_until
from instance import Instance

GATE = 7_000  # an advisory lock: whoever writes a `gated` reservation as confirmed waits for it


@pytest.fixture(scope="session")
def etl(request):
    stack = started()
    yield stack
    stack.close(keep=request.session.testsfailed > 0)


def started():
    """One more such stack, for tests that leave more behind than rows."""
    stack = EtlStack()
    stack.up()
    # this year's: tests may set the horizon as they like afterwards
    wait_until(lambda: stack.query("select state from analytics.etl_jobs where kind = 'horizon'") == [["succeeded"]], 60)
    for name in ("etld", "queryd", "dqd"):
        stack.kill(name, signal.SIGTERM)
    # no lock_timeout: a slow machine must not open the gate
    stack.query(f"""
        create function public.wait_at_gate() returns trigger language plpgsql security definer
        set lock_timeout = 0 as $$
        begin
            perform pg_advisory_xact_lock_shared({GATE});
            return new;
        end $$;
        create trigger gate before insert on analytics_curated.fact_reservation_v1 for each row
            when (new.channel = 'gated' and new.status = 'confirmed') execute function public.wait_at_gate()""")
    return stack


class EtlStack(Stack):
    def value(self, sql, *params):
        return self.query(sql, *params)[0][0]

    def etld(self, **settings):
        """One more etld, as a daemon; in a `with`."""
        return Instance(self, "etld", **settings)

    def oneshot(self, *args, check=0, settings=None, **options):
        """An etld one-shot; the finished process."""
        settings = {"hint_listen": "", "bus_listen": "", **(settings or {})}
        words = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        return run([os.path.join(BIN, "etld"), "-c", self.path("etc", "etld.conf"), *words, *args], check,
                   **options)

    def status(self):
        return json.loads(self.oneshot("status", "--json").stdout)

    def send(self, events, tenant):
        """Builders of events.py speak of one tenant: here they are another's."""
        self.send_events([event | {"tenantId": tenant} for event in events])

    def pending(self):
        return int(self.value("select (select count(*) from analytics_run.delta)"
                              " + (select count(*) from analytics_run.touched)"))

    def shard(self, tenant):
        return int(self.value("select analytics_run.shard_of($1)", tenant))

    def touch_all(self, consumer, tenant):
        self.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) values ($1, $2, 'all', '')",
                   consumer, tenant)

    def curated_tables(self):
        """{curated table: its columns, but for those that may differ}"""
        return dict(self.query(
            "select table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position)"
            " from information_schema.columns join information_schema.tables using (table_schema, table_name)"
            " where table_schema = 'analytics_curated' and table_type = 'BASE TABLE'"
            " and column_name not in ('_batch_id', '_updated_at', 'batch_id')"
            " group by 1 having bool_or(column_name = 'tenant_id')"))

    def digests(self, tenants):
        """{(curated table, tenant): (rows, a digest of all their bytes)}"""
        found = {}
        for table, columns in self.curated_tables().items():
            for tenant, *digest in self.query(
                    "select tenant_id, count(*), md5(string_agg(line, e'\\n' order by line collate \"C\"))"
                    f" from (select tenant_id, row({columns})::text as line from analytics_curated.{table}"
                    " where tenant_id = any (string_to_array($1, ','))) r group by 1", ",".join(tenants)):
                found[table, tenant] = digest
        return found

    def forget(self, tenants):
        """Throws away all that was made of their events and queues these again."""
        mine = ",".join(tenants)
        for table in self.curated_tables():
            self.query(f"delete from analytics_curated.{table} where tenant_id = any (string_to_array($1, ','))", mine)
        self.query("insert into analytics_run.delta (batch_id, tenant_id, domain, events, key_lo, key_hi)"
                   " select batch_id, tenant_id, domain, count(*), min(dedupe_key), max(dedupe_key) from events_raw.event"
                   " where tenant_id = any (string_to_array($1, ',')) group by 1, 2, 3", mine)

    def published(self, key):
        """(last word of the subject, payload) of what the outbox has for an ordering key, in order."""
        return [(subject.split(".")[-2], json.loads(envelope)["payload"]) for subject, envelope in self.query(
            "select subject, envelope from analytics_run.outbox where ordering_key = $1 order by outbox_id", key)]

    def refreshed(self, tenant):
        """Payloads of the tenant's projection.refreshed so far, those among them that are not due yet."""
        self.query("update analytics_run.refresh_due set due_at = now() where tenant_id = $1", tenant)
        self.oneshot("run")
        return [said for kind, said in self.published(tenant) if kind == "refreshed"]


def tenants_of_shards(stack, shards, name):
    """A tenant in each of these shards."""
    found, n = {}, 0
    while len(found) < len(set(shards)):
        tenant = ident("tnt", name, n := n + 1)
        if (shard := stack.shard(tenant)) in shards:
            found.setdefault(shard, tenant)
    return [found[shard] for shard in shards]


def counter(etld, name, **labels):
    """A counter of an etld's /metrics, summed over the labels that are not given."""
    total = 0
    for line in etld.http("GET", "/metrics").body.decode().splitlines():
        series, _, value = line.rpartition(" ")
        if series.split("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
            total += float(value)
    return total


def drain(stack, **settings):
    """Everything due is applied, by an etld that then ends."""
    with stack.etld(**settings):
        wait_until(lambda: stack.pending() == 0, 60)
