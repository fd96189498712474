"""Hotels for the tests of queryd: their events, sent through ingestd, and requests about them."""

import datetime as dt
import hashlib
import itertools
import random

import pytest

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
UTC = dt.timezone.utc
API = "/api/v1/analytics"
CODES = "MELMASTOON."
METRICS = ["rooms_sold", "rooms_occupied", "rooms_available", "room_revenue", "occupancy_pct",
           "occupancy_total_pct", "occupancy_adjusted_pct", "adr", "revpar", "alos",
           "cancellation_rate", "no_show_rate", "lead_time_days"]


def ulid(*key, when=dt.datetime(2024, 1, 1, tzinfo=UTC)):
    digest = hashlib.sha256(repr(key).encode()).digest()[:10]
    bits = int(when.timestamp() * 1000) << 80 | int.from_bytes(digest, "big")
    return "".join(CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5))


def day(text):
    return dt.date.fromisoformat(text)


class Hotel:
    """Events of one tenant. Ids are functions of its name and of what they identify."""

    def __init__(self, name):
        self.name, self.events, self.n = name, [], itertools.count()
        self.tenant = self.id("tnt")

    def id(self, prefix, *key):
        return f"{prefix}_{ulid(self.name, prefix, *key)}"

    def event(self, subject, when, payload):
        when = dt.datetime.fromisoformat(when).replace(tzinfo=UTC)
        self.events.append({
            "id": "evt_" + ulid(self.name, subject, next(self.n), when=when),
            "subject": f"melmastoon.{subject}.v1", "occurredAt": when.isoformat().replace("+00:00", "Z"),
            "tenantId": self.tenant, "payload": payload})

    def property(self, key, rooms, currency="USD", timezone="UTC", room_type="a"):
        self.event("property.published", "2024-01-01T00:00", {
            "propertyId": self.id("ppt", key), "name": {"default": key}, "currency": currency,
            "timezone": timezone})
        for n in range(rooms):
            self.event("property.room.created", "2024-01-01T00:00", {
                "roomId": self.id("rmu", key, n), "propertyId": self.id("ppt", key),
                "roomTypeId": self.id("rmt", key, room_type), "number": str(n)})

    def absent(self, key, n, category, start, until=None):
        until = {"until": until} if until else {}
        self.event("property.room.out_of_order", "2024-01-02T00:00", {
            "roomId": self.id("rmu", key, n), "propertyId": self.id("ppt", key), "category": category,
            "from": start, **until})

    def stay(self, key, n, start, nights, rate=100, kind=None, channel="direct", then=(),
             currency="USD", room_type="a", segment=None):
        end = day(start) + dt.timedelta(nights)
        rsv = self.id("rsv", key, n)
        dates = [str(day(start) + dt.timedelta(k)) for k in range(max(nights, 1))]
        item = {"itemId": f"rit_{n}", "roomTypeId": self.id("rmt", key, room_type),
                "stay": {"start": start, "end": str(end)}, "adults": 2, "children": 0,
                "nightlyRates": [{"date": date, "amount": {"amountMicro": str(rate * 1_000_000),
                                                           "currency": currency}}
                                 for date in dates]}
        if kind:
            item["kind"] = kind
        payload = {"reservationId": rsv, "propertyId": self.id("ppt", key), "channel": channel,
                   "guestId": self.id("gst", n), "items": [item],
                   "total": {"amountMicro": "1", "currency": currency}}
        if segment:
            payload["marketSegment"] = segment
        booked = day(start) - dt.timedelta(10)
        self.event("reservation.confirmed", f"{booked}T10:00", payload)
        for k, verb in enumerate(then):
            when = f"{start if k == 0 else end}T1{2 + k}:00"
            more = {"actualDeparture": str(end)} if verb == "checked_out" else {}
            self.event(f"reservation.{verb}", when, {"reservationId": rsv, **more})

    def send(self, stack):
        stack.send_events(self.events)
        self.events = []
        stack.wait()


STAYED = ("checked_in", "checked_out")


@pytest.fixture(scope="session")
def random_hotel(stack):
    """Two currencies, two properties, every kind and end of a stay."""
    rng, hotel = random.Random(5), Hotel("random")
    hotel.property("kabul", 12, "AFN", "Asia/Kabul")
    hotel.property("dushanbe", 7, "USD", "Asia/Dushanbe")
    ends = [STAYED] * 6 + [("cancelled",), ("no_show",), ("checked_in",), ()]
    for n in range(300):
        key = rng.choice(("kabul", "dushanbe"))
        start = day("2024-02-20") + dt.timedelta(rng.randrange(70))
        hotel.stay(key, n, str(start), rng.choice((0, 1, 1, 2, 3, 9)), rng.randrange(20, 500),
                   rng.choice((None, None, None, "complimentary", "house_use")),
                   rng.choice(("direct", "ota", "gds")), rng.choice(ends),
                   "AFN" if key == "kabul" else "USD", segment=rng.choice((None, "leisure", "group")))
    hotel.absent("kabul", 0, "seasonal_closure", "2024-03-01", "2024-04-01")
    hotel.absent("kabul", 1, "short", "2024-03-10", "2024-03-20")
    hotel.send(stack)
    return hotel


WINDOW = {"from": "2024-02-25", "to": "2024-05-02"}


def compute(stack, token, metric, **body):
    answer = stack.compute(token, metric, **{"dateRange": WINDOW, **body})
    assert answer.status == 200, answer
    return answer.json()


@pytest.fixture(scope="session")
def token(stack, random_hotel):
    return stack.token(random_hotel.tenant)
