"""dim_fx as a function of the snapshots in folios and pricing events."""
import random

import pytest

import warehouse as wh
from events import PROPERTY, TENANT, at, dt, event, ident
from warehouse import World

FAR = ident("ppt", 2)


def snapshot(rates, taken=None, base="AFN", source="pricing-service:daily"):
    return {"baseCurrency": base, "rates": rates, "source": source} | ({"takenAt": taken} if taken else {})


def folio(when, rates, taken=None, place=PROPERTY, n=0, **more):
    return event("billing.folio.opened", when, {"folioId": ident("fol", when, n), "propertyId": place and place.replace("ppt_", "prop_"),
                                                "fxSnapshot": snapshot(rates, taken, **more)}, n=n)


def published(zone, when="2024-01-01T00:00"):
    return event("property.published", when, {"propertyId": PROPERTY, "timezone": zone})


def rates(world, *columns, tenant=TENANT):
    return [tuple(r) for r in world.rows(f"select {', '.join(columns)} from analytics_curated.dim_fx where tenant_id = $1"
                                         " order by base_currency, quote_currency, rate_date", tenant)]


def test_the_last_snapshot_of_the_propertys_day_holds(world):
    world.apply([published("Asia/Kabul"),  # UTC + 4:30
                 folio("2024-03-01T09:00", {"USD": "70000000", "EUR": "76000000"}, "2024-03-01T00:00:00Z"),
                 folio("2024-03-01T20:00", {"USD": "71000000"}, "2024-03-01T19:29:59Z"),
                 folio("2024-03-01T21:00", {"USD": "72000000"}, "2024-03-01T19:30:00Z"),  # midnight in Kabul
                 folio("2024-03-02T21:00", {"USD": "73000000"}, "2024-03-02T21:00:00Z", place=None)])  # no property: UTC
    assert rates(world, "base_currency", "quote_currency", "rate_date", "rate_micro", "rate", "source") == [
        ("AFN", "EUR", "2024-03-01", "76000000", "76.0000000000000000", "pricing-service:daily"),
        ("AFN", "USD", "2024-03-01", "71000000", "71.0000000000000000", "pricing-service:daily"),
        ("AFN", "USD", "2024-03-02", "73000000", "73.0000000000000000", "pricing-service:daily")]
    # the zone becomes another one: so do the days
    world.apply([event("property.updated", "2024-04-01T00:00", {"propertyId": PROPERTY, "timezone": "UTC"})])
    assert rates(world, "quote_currency", "rate_date", "rate_micro") == [
        ("EUR", "2024-03-01", "76000000"), ("USD", "2024-03-01", "72000000"), ("USD", "2024-03-02", "73000000")]
    assert world.value("select count(*) from analytics_run.touched") == "0"


def test_exact_rates_and_what_is_none(world):
    world.apply([event("pricing.fx_snapshot.captured", "2024-03-01T09:00", {"snapshotId": ident("fxs", 1), "capturedAt": "2024-02-29T08:00:00Z", "fxSnapshot":
                       snapshot({"IRR": "23.8095", "EUR": 1085000, "PKR": "0", "AED": "-1", "TJS": "x", "USD": "1", "usd": "1", "SAR": None}, base="USD")}),
                 event("pricing.fx_snapshot.captured", "2024-03-01T09:00", {"baseCurrency": "USD", "rates": {"GBP": "1270000"}, "takenAt": "2024-03-01T07:00:00Z"}),
                 event("billing.folio.opened", "2024-03-01T09:00", {"folioId": "fol_1"}),
                 event("billing.folio.opened", "2024-03-01T09:00", {"folioId": "fol_2", "fxSnapshot": {"rates": {"EUR": "1"}}})])
    assert rates(world, "base_currency", "quote_currency", "rate_date", "rate_micro", "rate::float8") == [
        ("USD", "EUR", "2024-02-29", "1085000", "1.085"), ("USD", "GBP", "2024-03-01", "1270000", "1.27"),
        ("USD", "IRR", "2024-02-29", "24", "2.38095e-05")]
    assert sorted((r[0].rsplit(":", 1)[1], r[1]) for r in world.rows("select key, error from analytics_run.failed_keys")) == [
        (c, "no usable rate") for c in ("AED", "EUR", "PKR", "SAR", "TJS", "usd")]


def test_a_correction_holds_and_a_repetition_of_what_was_corrected_does_not(world):
    taken = "2024-03-01T00:00:00Z"
    world.apply([folio("2024-03-01T08:00", {"USD": "70000000"}, taken)])
    world.apply([folio("2024-03-01T09:00", {"USD": "7000000"}, taken)])
    assert rates(world, "rate_micro") == [("7000000",)]
    world.apply([folio(f"2024-03-01T{h}:00", {"USD": "70000000"}, taken) for h in (10, 11, 12)])
    assert rates(world, "rate_micro") == [("7000000",)]
    assert world.value("select count(*) from analytics_curated.event_fx") == "2"  # whatever the number of folios
    assert world.value("select data_version from analytics_run.table_state where table_name = 'dim_fx'") == "2"


def stream(rng, tenant):
    t0 = at("2024-03-01T00:00")
    events = [published(rng.choice(("Asia/Kabul", "America/New_York", "Pacific/Kiritimati")))]
    for n in range(rng.randint(20, 50)):
        taken = t0 + dt.timedelta(hours=rng.randint(0, 96))
        events.append(folio(t0 + dt.timedelta(hours=rng.randint(0, 120)), {"USD": str(rng.randint(1, 3)), "EUR": "5"}, taken.isoformat().replace("+00:00", "Z"),
                            rng.choice((PROPERTY, PROPERTY, FAR, None)), n, source=rng.choice(("a", "b"))))
    return [e | {"tenantId": tenant} for e in events]


@pytest.fixture(scope="module")
def shared_world(cluster):
    world = World(cluster, "shared_world")
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(6))
def test_any_order_gives_the_same_rows(shared_world, seed):
    found = wh.same_in_any_order(shared_world, lambda tenant: stream(random.Random(seed), tenant), ("dim_fx",), random.Random(seed), ("fx", "property"))
    assert not found["dim_fx"].startswith("0 ")
