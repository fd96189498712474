"""A warehouse that was there before a consumer: what has landed until then is folded after the migration."""
import pgcluster
import warehouse as wh
from events import OTHER, PROPERTY, TENANT, event, ident
from warehouse import World


def task(n, tenant=TENANT):
    return event("housekeeping.task.created", f"2024-03-01T10:{n:02}", {"taskId": ident("hkt", n), "propertyId": PROPERTY}, tenant, n)


def test_events_of_a_new_consumer_are_queued_again(cluster):
    warehouse = [p for p in pgcluster.migrations() if p.parent.parent.name == "postgres"]
    first_new = next(n for n, p in enumerate(warehouse) if p.name == "0008_tables.sql")
    cluster.create("template_old")
    with cluster.connect("template_old") as admin:
        pgcluster.migrate(admin, [p for p in pgcluster.migrations() if p not in warehouse] + warehouse[:first_new])
    world = World(cluster, "upgraded", "template_old")
    wh.land(world.ingestd, [task(1), task(2), task(3, OTHER)])
    world.admin.query("delete from analytics_run.delta where consumer = 'none'")  # long since acknowledged
    wh.land(world.ingestd, [task(4), event("theme.published", "2024-03-01T10:00", {})])  # still to be
    for path in warehouse[first_new:]:
        pgcluster.migrate(world.admin, [path])
    assert world.rows("select consumer, sum(events), count(*) from analytics_run.delta group by 1 order by 1") == [["housekeeping", "4", "3"], ["none", "1", "1"]]
    wh.drain(world.etld)
    assert world.rows("select tenant_id, count(*) from analytics_curated.fact_housekeeping_task group by 1 order by 2") == [[OTHER, "1"], [TENANT, "3"]]
    world.close()
