"""The figures of a real hotel, counted in its table of bookings and asked of queryd.

BOOKINGS_CSV names the table, with or without .xz: the public "hotel booking demand" data set of Antonio, Almeida
and Nunes (Data in Brief 22, 2019), a line for each booking and what became of it. It is not part of this tree,
so without that variable there is nothing to do here.
"""

import collections
import csv
import datetime as dt
import itertools
import lzma
import os

import pytest

import figures
from hotel import Hotel, day

CSV = os.environ.get("BOOKINGS_CSV")
pytestmark = [pytest.mark.skipif(not CSV, reason="BOOKINGS_CSV names no table of bookings"), pytest.mark.timeout(900)]

ENDS = {"Check-Out": ("checked_in", "checked_out"), "Canceled": ("cancelled",), "No-Show": ("no_show",)}
AT_ONCE = 20000  # events of a request
WINDOW = {"from": "2015-01-01", "to": "2018-12-31"}  # every date of the table but some of booking


class Booking:
    """A line, read here once for the events and once for the counts."""

    def __init__(self, n, line):
        self.n, self.house, self.channel = n, line["hotel"], line["distribution_channel"]
        month = dt.datetime.strptime(line["arrival_date_month"], "%B").month
        self.arrival = dt.date(int(line["arrival_date_year"]), month, int(line["arrival_date_day_of_month"]))
        self.nights = int(line["stays_in_weekend_nights"]) + int(line["stays_in_week_nights"])
        self.departure = self.arrival + dt.timedelta(self.nights)
        self.lead, self.status = int(line["lead_time"]), line["reservation_status"]
        self.booked = self.arrival - dt.timedelta(self.lead)
        self.rate = round(float(line["adr"]) * 1_000_000)
        self.free, self.segment = line["market_segment"] == "Complementary", line["market_segment"]
        self.room_type, self.changes = line["reserved_room_type"], int(line["booking_changes"])

    def tell(self, hotel):
        rsv = {"reservationId": hotel.id("rsv", self.n)}
        dates = [self.arrival + dt.timedelta(k) for k in range(max(self.nights, 1))]
        money = {"amountMicro": str(self.rate), "currency": "EUR"}
        hotel.event("reservation.confirmed", f"{self.booked}T10:00", {
            **rsv, "propertyId": hotel.id("ppt", self.house), "channel": self.channel, "marketSegment": self.segment, "items": [{
                "itemId": "rit_1", "roomTypeId": hotel.id("rmt", self.house, self.room_type), "kind": "complimentary" if self.free else "sold",
                "stay": {"start": str(self.arrival), "end": str(self.departure)},
                "nightlyRates": [{"date": str(date), "amount": money} for date in dates]}]})
        for k in range(self.changes):
            hotel.event("reservation.modified", f"{self.booked}T11:{k:02}", {**rsv, "channel": self.channel})
        for verb, date in zip(ENDS[self.status], (self.arrival, self.departure)):
            hotel.event(f"reservation.{verb}", f"{date}T{15 if verb != 'checked_out' else 17}:00", rsv)

    def adds(self):
        """(metric, date, numerator, denominator) of all that it counts for."""
        if self.status == "Check-Out" and not self.free:
            for k in range(self.nights):
                night = self.arrival + dt.timedelta(k)
                yield from (("rooms_sold", night, 1, 0), ("room_revenue", night, self.rate, 0), ("adr", night, self.rate, 1),
                            ("channel_mix", night, 1, 1), ("channel_mix_revenue", night, self.rate, self.rate))
        if self.status == "Check-Out" and self.nights:
            yield "alos", self.departure, self.nights, 1
        yield from (("cancellation_rate", self.arrival, self.status == "Canceled", 1),
                    ("cancellation_rate_booked", self.booked, self.status == "Canceled", 1),
                    ("lead_time_days", self.arrival, self.lead, 1), ("channel_mix_bookings", self.arrival, 1, 1))
        if self.status != "Canceled":
            yield "no_show_rate", self.arrival, self.status == "No-Show", 1


@pytest.fixture(scope="module")
def bookings():
    with (lzma.open if CSV.endswith(".xz") else open)(CSV, "rt", encoding="utf-8") as table:
        return [Booking(n, line) for n, line in enumerate(csv.DictReader(table))]


@pytest.fixture(scope="module")
def counted(bookings):
    """{metric: {(month, channel): [numerator, denominator]}} of the window"""
    found = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    for booking in bookings:
        for metric, date, numerator, denominator in booking.adds():
            if day(WINDOW["from"]) <= date <= day(WINDOW["to"]):
                cell = found[metric][date.replace(day=1), booking.channel]
                cell[0], cell[1] = cell[0] + numerator, cell[1] + denominator
    return found


@pytest.fixture(scope="module")
def ask(stack, bookings):
    hotel = Hotel("real bookings")
    for house in sorted({booking.house for booking in bookings}):
        hotel.property(house, 0, "EUR", "Europe/Lisbon")
    for booking in bookings:
        booking.tell(hotel)
    events = iter(hotel.events)
    while part := list(itertools.islice(events, AT_ONCE)):
        assert stack.send_events(part)["accepted"] == len(part)
    stack.wait(600)
    token = stack.token(hotel.tenant)

    def run(metric, **body):
        answer = stack.compute(token, metric, dateRange=WINDOW, **body)
        assert answer.status == 200, answer
        return answer.json()["rows"]
    return run


@pytest.mark.parametrize("metric", ["rooms_sold", "room_revenue", "adr", "alos", "cancellation_rate", "cancellation_rate_booked",
                                    "no_show_rate", "lead_time_days", "channel_mix", "channel_mix_revenue", "channel_mix_bookings"])
def test_figures_are_those_of_the_table(ask, counted, metric):
    share = metric.startswith(figures.SHARED)
    for by_month, by_channel in itertools.product((True, False), (True, False)):
        if share and not by_channel:
            continue
        sums, whole = collections.defaultdict(lambda: [0, 0]), collections.Counter()
        for (month, channel), cell in counted[metric].items():
            key = (str(month) if by_month else None, channel if by_channel else None)
            sums[key] = [a + b for a, b in zip(sums[key], cell)]
            whole[key[0]] += cell[1]
        if share:
            sums = {key: [n, whole[key[0]]] for key, (n, _) in sums.items()}
        assert sums and any(cell[0] for cell in sums.values())
        served = ask(metric, **({"granularity": "month"} if by_month else {}), **({"dimensions": ["channel"]} if by_channel else {}))
        told = {(row.get("date"), row.get("channel")): row[metric] for row in served}
        assert set(sums) <= set(told) and len(told) == len(served)
        for key, figure in told.items():
            wanted = figures.figure_of(metric, sums[key]) if key in sums else None
            if key in sums:
                assert figures.same(figure, wanted), (key, figure, wanted)
            else:
                assert figure in (None, 0, "0"), (key, figure)
