"""`currency`: every night at its business date's rate, compared with SQL over the nights and the
rates; what has no rate is an error, not a missing row."""

import datetime as dt
from fractions import Fraction

import pytest

from hotel import API, CODES, WINDOW, Hotel, day

# (base, quote, day, rate; events say it in millionths): AFN and EUR to USD directly, TJS only the other way round, JPY not at all
RATES = [("AFN", "USD", "2024-02-10", "0.0135"), ("AFN", "USD", "2024-03-05", "0.014"), ("AFN", "USD", "2024-04-01", "0.0142"),
         ("EUR", "USD", "2024-01-01", "1.09"), ("USD", "TJS", "2024-02-20", "10.95"), ("USD", "TJS", "2024-03-20", "11.05")]


@pytest.fixture(scope="module")
def hotel(stack):
    made = Hotel("exchange")
    currencies = ("USD", "AFN", "EUR", "TJS")
    for key in currencies:
        made.property(key, 5, key)
    for n in range(60):
        key = currencies[n % 4]
        made.stay(key, n, str(day("2024-02-26") + dt.timedelta(n)), 1 + n % 3, 50 + n, currency=key,
                  channel=("direct", "ota")[n % 2])
    made.property("tokyo", 5, "JPY")
    made.stay("tokyo", 99, "2024-03-10", 2, 9000, currency="JPY")
    made.stay("tokyo", 98, "2024-06-10", 1, 0, currency="JPY")  # nothing to convert
    for n, (base, quote, date, rate) in enumerate(RATES):
        made.event("billing.folio.opened", f"{date}T10:00", {
            "folioId": made.id("fol", n), "fxSnapshot": {"baseCurrency": base, "rates": {quote: str(round(Fraction(rate) * 10**6))}, "takenAt": f"{date}T08:00:00Z"}})
    made.send(stack)
    return made


@pytest.fixture(scope="module")
def ask(stack, hotel):
    token = stack.token(hotel.tenant)

    def run(check=200, **query):
        if "filters" not in query:  # all but the one without a rate
            query["filters"] = [{"dimension": "property_id", "op": "ne", "values": [hotel.id("ppt", "tokyo")]}]
        answer = stack.http("POST", "queryd", f"{API}/queries:run", {"query": {"dateRange": WINDOW, **query}}, token)
        assert answer.status == check, answer
        return answer.json()
    return run


def rate_of(currency, target, date):
    """The latest on or before the date, either direction."""
    known = [(d, base == currency, Fraction(rate)) for base, quote, d, rate in RATES
             if {base, quote} == {currency, target} and d <= date]
    if currency == target:
        return Fraction(1)
    _, direct, rate = max(known)
    return rate if direct else 1 / rate


def nights(stack, hotel):
    return [(property_id, currency, date, channel, int(rate)) for property_id, currency, date, channel, rate in stack.query(
        "select property_id, currency, stay_date, channel, rate_micro from analytics_curated.fact_room_night where tenant_id = $1"
        " and currency <> 'JPY' and stay_date between $2 and $3", hotel.tenant, WINDOW["from"], WINDOW["to"])]


@pytest.mark.parametrize("target", ["USD"])
@pytest.mark.parametrize("granularity", [None, "week", "month"])
def test_amounts_are_those_of_each_nights_rate(stack, hotel, ask, target, granularity):
    result = ask(metrics=["room_revenue", "adr", "revpar", "rooms_sold"], currency=target, dimensions=["property_id"],
                 **({"granularity": granularity} if granularity else {}))
    assert {r["currency"] for r in result["rows"]} == {target}
    wanted, sold = {}, {}
    for property_id, currency, date, _, rate in nights(stack, hotel):
        start = day(date)
        if granularity:
            start = start - dt.timedelta(start.weekday()) if granularity == "week" else start.replace(day=1)
        key = (property_id, str(start) if granularity else None)
        wanted[key] = wanted.get(key, 0) + rate * rate_of(currency, target, date)
        sold[key] = sold.get(key, 0) + 1
    for row in result["rows"]:
        key = (row["property_id"], row.get("date"))
        assert abs(int(row["room_revenue"]) - wanted.get(key, 0)) <= 70  # half a micro-unit a day
        assert row["rooms_sold"] == sold.get(key, 0)
        if sold.get(key):
            assert abs(int(row["adr"]) - wanted[key] / sold[key]) <= 35
    assert abs(int(result["totals"]["room_revenue"]) - sum(wanted.values())) <= 300
    assert result["totals"]["currency"] == target
    assert abs(int(result["totals"]["adr"]) - sum(wanted.values()) / sum(sold.values())) <= 5


def test_shares_of_converted_amounts(stack, hotel, ask):
    rows = {r["channel"]: r["channel_mix_revenue"] for r in ask(metrics=["channel_mix_revenue"], currency="USD")["rows"]}
    wanted = {}
    for _, currency, date, channel, rate in nights(stack, hotel):
        wanted[channel] = wanted.get(channel, 0) + rate * rate_of(currency, "USD", date)
    whole = sum(wanted.values())
    assert rows == {c: pytest.approx(float(v / whole), rel=1e-7) for c, v in wanted.items()}


def test_compared_window_has_its_own_rates(ask):
    both = ask(metrics=["room_revenue"], currency="USD", dateRange={"from": "2024-03-25", "to": "2024-04-07"},
               compareTo="previous_period")
    there = ask(metrics=["room_revenue"], currency="USD", dateRange=both["comparedTo"])
    assert both["rows"][0]["room_revenue_previous"] == there["rows"][0]["room_revenue"] != "0"


def test_a_missing_rate_is_said(hotel, ask):
    problem = ask(metrics=["adr"], currency="USD", filters=[], check=422)
    assert problem["code"] == CODES + "ANALYTICS.QUERY_REJECTED"
    assert "JPY" in problem["detail"] and "USD" in problem["detail"] and "2024-03-10" in problem["detail"]
    before = ask(metrics=["adr"], currency="EUR", check=422)  # USD and EUR have one, AFN and EUR do not
    assert "EUR" in before["detail"]
    free = ask(metrics=["room_revenue"], currency="USD", dateRange={"from": "2024-06-10", "to": "2024-06-10"}, filters=[])
    assert free["rows"] == [{"currency": "USD", "room_revenue": "0"}]  # nothing to convert needs no rate


def test_bad_currencies(ask):
    for code in ("usd", "US", "USDX", 1, ""):
        assert ask(metrics=["adr"], currency=code, check=400)["violations"][0]["field"] == "currency"
    assert ask(metrics=["rooms_sold"], currency="USD", check=400)["violations"][0]["field"] == "currency"
