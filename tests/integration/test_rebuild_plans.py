"""One touched key costs what belongs to it, whatever the size of the tenant."""
import json

import pytest

import warehouse as wh
from events import PROPERTY, TENANT
from warehouse import World

N = 10000
EVENT = "occurred_at, event_id, batch_id"
AT = "timestamptz '2024-01-01Z' + n * interval '1 minute', lpad(n::text, 26, '0'), 1"
NAME = "'{}_' || lpad((n / 4)::text, 26, '0')"

# table -> (columns, values), of the n-th of N rows
ROWS = {
    "event_housekeeping": (f"task_id, verb, at, property_id, {EVENT}", f"{NAME.format('hkt')}, 'created', now(), $2, {AT}"),
    "event_lock": (f"lock_key, verb, property_id, {EVENT}", f"{NAME.format('key')}, 'credential.issued', $2, {AT}"),
    "event_fx": ("base_currency, quote_currency, captured_at, property_id, rate, source, said_at, event_id, batch_id",
                 "'AFN', 'USD', timestamptz '2024-01-01Z' + n * interval '1 hour', $2, 1, '', now(), n, 1"),
    "event_audit": (f"subject, {EVENT}", f"'s', {AT}"),
    "event_ai": (f"suggestion_id, verb, at, request_id, property_id, {EVENT}",
                 f"{NAME.format('sug')}, 'decided', now(), {NAME.format('ifr')}, $2, {AT}"),
    "event_forecast": ("property_id, forecast_run_id, room_type_id, generated_at, stay_date, rooms_p10, rooms_p50, rooms_p90, occupancy, adr_micro, currency, "
                       + EVENT, f"$2, 'fcr_' || n, '', now(), array[date '2024-01-01'], '{{1}}', '{{1}}', '{{1}}', '{{1}}', '{{1}}', '{{USD}}', {AT}"),
    "event_funnel": (f"verb, owner_id, session_id, handoff_id, property_id, reservation_id, {EVENT}",
                     f"'converted', $1, 'gms_' || n / 4, 'hof_' || n / 4, $2, 'rsv_' || n / 4, {AT}"),
}
KEYS = {
    "rebuild_housekeeping": "hkt_" + "77".zfill(26), "rebuild_lock": "key_" + "77".zfill(26), "rebuild_fx": "AFN/USD@2024-06-01", "rebuild_audit": "77".zfill(26),
    "rebuild_suggestion": "ssug_" + "77".zfill(26), "rebuild_forecast": f'f["{PROPERTY}", "fcr_77", ""]', "rebuild_funnel": "hhof_77",
}


@pytest.fixture(scope="module")
def big_world(cluster):
    world = World(cluster, "big_world")
    for table, (columns, values) in ROWS.items():
        world.admin.query(f"insert into analytics_curated.{table} (tenant_id, {columns}) select $1, {values} from generate_series(1, {N}) n where $2 <> ''", TENANT, PROPERTY)
    world.admin.query("insert into analytics_curated.dim_property_v1 select $1, $2, null, null, null, null, null, null, 'published', now(), now(), 1, 1, now()", TENANT, PROPERTY)
    # every row that there is to be, made behind etld's back by etld's own statements
    world.admin.query("insert into analytics_run.touched (consumer, tenant_id, kind, key) select c, $1, 'all', '' from unnest($2::text[]) c", TENANT,
                      "{" + ",".join(wh.REBUILDS) + "}")
    wh.drain(world.etld, 50000)
    world.admin.query("vacuum analyze")
    yield world
    world.close()


@pytest.mark.parametrize("plan", ("custom", "generic"))
@pytest.mark.parametrize("statement", KEYS)
def test_one_touched_key_reads_few_rows_by_indexes(big_world, statement, plan):
    """Planned for the key (as in units of many), and by a plan made once (as in units of a few)."""
    sql = (wh.SQL / wh.ETLD / f"{statement}.sql").read_text(encoding="utf-8")
    key = KEYS[statement].replace("\\", "\\\\").replace('"', '\\"')
    conn = big_world.etld
    conn.query("begin")
    conn.query(f"set local plan_cache_mode = force_{plan}_plan")
    conn.query(f"prepare rebuild as {sql}")
    explained = conn.query(f"explain (analyze, format json, timing off) execute rebuild ('{{{TENANT}}}', '{{\"{key}\"}}', 1, 1)")
    conn.query("deallocate rebuild")
    conn.query("rollback")
    nodes, todo = [], [json.loads(explained[0][0])[0]["Plan"]]
    while todo:
        nodes.append(todo.pop())
        todo += nodes[-1].get("Plans", [])
    scans = [n for n in nodes if "Relation Name" in n and n["Node Type"] != "ModifyTable"]
    assert not [n for n in scans if n["Node Type"] == "Seq Scan"], scans
    read = sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"] for n in scans)
    assert 0 < read < 200, [(n["Relation Name"], n["Actual Rows"], n["Actual Loops"]) for n in scans]
