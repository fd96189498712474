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
            self.room(key, n, room_type)

    def room(self, key, n, room_type):
        self.event("property.room.created", "2024-01-01T00:00", {
            "roomId": self.id("rmu", key, n), "propertyId": self.id("ppt", key),
            "roomTypeId": self.id("rmt", key, room_type), "number": str(n)})

    def absent(self, key, n, category, start, until=None):
        until = {"until": until} if until else {}
        self.event("property.room.out_of_order", "2024-01-02T00:00", {
            "roomId": self.id("rmu", key, n), "propertyId": self.id("ppt", key), "category": category,
            "from": start, **until})

    def stay(self, key, n, start, nights, rate=100, kind=None, channel="direct", then=(),
             currency="USD", room_type="a", segment=None, plan=None, lead=10, at="10:00", left=None):
        """Booked `lead` days before at that time; `left`: nights after which the guest departed."""
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
        if plan:
            payload["ratePlanId"] = plan
        booked = day(start) - dt.timedelta(lead)
        self.event("reservation.confirmed", f"{booked}T{at}", payload)
        if left is not None:
            end = day(start) + dt.timedelta(left)
        for k, verb in enumerate(then):
            when = f"{start if k == 0 else end}T1{2 + k}:00"
            more = {"actualDeparture": str(end)} if verb == "checked_out" else {}
            self.event(f"reservation.{verb}", when, {"reservationId": rsv, **more})

    def pay(self, n, outcome, when, **payload):
        self.event(f"payment.transaction.{outcome}", when, {
            "transactionId": self.id("txn", n), "paymentId": self.id("pay", n),
            "amount": {"amountMicro": "1000000", "currency": "USD"}, **payload})

    def task(self, n, verb, when, **payload):
        self.event(f"housekeeping.task.{verb}", when, {"taskId": self.id("hkt", n), **payload})

    def lock(self, n, verb, when, **payload):
        ids = {"keyCredentialId": self.id("key", n), "attemptId": self.id("kca", n), "lockDeviceId": self.id("lck", n)}
        self.event(f"lock.{verb}", when, {**ids, **payload})

    def suggestion(self, n, decision, when, **payload):
        self.event("ai_orchestrator.hitl.gate_decided", when, {
            "suggestionId": self.id("sug", n), "requestId": self.id("ifr", n), "decision": decision, **payload})

    def meta(self, n, verb, when, key, **payload):
        """Of the n-th session in the meta search, which is nobody's."""
        self.event(f"bff.consumer.{verb}", when, {
            "propertyId": self.id("ppt", key), "tenantId": self.tenant, **payload})
        said = self.events.pop()
        self.events.append({"payload": said["payload"], "envelope": {
            "eventId": said["id"], "subject": said["subject"], "occurredAt": said["occurredAt"],
            "tenantId": None, "sessionId": self.id("gms", n)}})

    def hand_over(self, n, when, key, **payload):
        self.meta(n, "handoff.initiated", when, key, handoffId=self.id("hof", n), **payload)

    def convert(self, n, when, rsv):
        self.event("bff.tenant.booking.draft.converted", when, {
            "handoffId": self.id("hof", n), "reservationId": rsv})

    def send(self, stack):
        stack.send_events(self.events)
        self.events = []
        stack.wait()


STAYED = ("checked_in", "checked_out")


def some(rng, **payload):
    """A payload in which now and then something is missing."""
    return {name: value for name, value in payload.items() if rng.random() < 0.9}


def operate(hotel, rng, keys, reservations):
    """What happens beside the stays, in four months, at any time of the day."""
    def instant(after=None, minutes=120 * 1440):
        start = dt.datetime(2024, 2, 1) if after is None else dt.datetime.fromisoformat(after)
        return (start + dt.timedelta(minutes=rng.randrange(minutes), seconds=rng.randrange(60))).isoformat()

    for n in range(150):
        when, place = instant(), hotel.id("ppt", rng.choice((*keys, *keys, "of nobody")))
        outcomes = rng.choice((("captured",), ("failed",), ("authorized",), ("authorized", "captured"), ("authorized", "voided"),
                               ("captured", "refunded"), ("failed", "captured")))
        for outcome in outcomes:
            hotel.pay(n, outcome, when, **some(rng, propertyId=place, method=rng.choice(("card", "cash"))))
            when = instant(when)
        when = instant()
        hotel.task(n, "created", when, **some(rng, propertyId=place, kind=rng.choice(("turnover", "turnover", "deep_clean"))))
        for verb in rng.choice(((), ("completed",), ("completed",), ("completed", "inspected"), ("cancelled",),
                                ("completed", "inspected", "completed"), ("completed", "cancelled"))):
            when = instant(when, 200)
            hotel.task(n, verb, when, **({"result": rng.choice(("passed", "failed"))} if verb == "inspected" else {}))
        when = instant()
        for verb in rng.choice((("credential.requested", "credential.issued"), ("credential.requested", "credential.failed"),
                                ("credential.issued", "credential.activated", "credential.revoked"), ("access.granted",),
                                ("access.denied",), ("access.denied",), ("device.health_alert",), ("credential.requested",))):
            hotel.lock(n, verb, when, **some(rng, propertyId=place))
            when = instant(when, 2000)
        when, about = instant(), some(rng, propertyId=place, capability=rng.choice(("upsell", "pricing.suggest")))
        hotel.event("ai_orchestrator.inference.completed", when, {"requestId": hotel.id("ifr", n), **about})
        if rng.random() < 0.8:
            hotel.suggestion(n, rng.choice(("accepted", "edited", "rejected", "expired")), instant(when, 3000), **about)
        when, key = instant(), rng.choice(keys)
        source = some(rng, metaSource=rng.choice(("kayak", "google")))
        for _ in range(rng.choice((0, 1, 1, 2))):
            hotel.meta(n, "click.property", when, key, **source)
            when = instant(when, 100)
        if rng.random() < 0.7:
            hotel.hand_over(n, when, key, **source)
            if rng.random() < 0.6:
                hotel.convert(n, instant(when, rng.choice((60, 29 * 1440, 80 * 1440))), rng.choice(reservations))
            else:  # the reservation alone knows where it came from
                hotel.event("reservation.modified", instant(when), {
                    "reservationId": rng.choice(reservations), "handoffId": hotel.id("hof", n)})
        else:
            hotel.event("bff.tenant.booking.draft.converted", instant(when, 60), {
                "sessionId": hotel.id("gms", n), "propertyId": hotel.id("ppt", key), "reservationId": rng.choice(reservations)})


@pytest.fixture(scope="session")
def random_hotel(stack):
    """Two currencies, two properties, every kind and end of a stay, and what every metric is about."""
    rng, more, hotel = random.Random(5), random.Random(6), Hotel("random")
    hotel.property("kabul", 12, "AFN", "Asia/Kabul")
    hotel.property("dushanbe", 7, "USD", "Asia/Dushanbe")
    hotel.room("kabul", 100, "suite")
    hotel.room("dushanbe", 100, "suite")
    ends = [STAYED] * 6 + [("cancelled",), ("no_show",), ("checked_in",), ()]

    def stay(n, first, then=None):
        key = rng.choice(("kabul", "dushanbe"))
        start, nights = first + dt.timedelta(rng.randrange(70)), rng.choice((0, 1, 1, 2, 3, 9))
        hotel.stay(key, n, str(start), nights, rng.randrange(20, 500),
                   rng.choice((None, None, None, "complimentary", "house_use")),
                   rng.choice(("direct", "ota", "gds")), then or rng.choice(ends),
                   "AFN" if key == "kabul" else "USD", segment=rng.choice((None, "leisure", "group")),
                   plan=more.choice((None, "flexible", "saver")), lead=more.choice((1, 2, 5, 10, 45)),
                   at=f"{more.randrange(24):02}:{more.randrange(60):02}", left=more.choice((None, None, None, nights // 2)),
                   room_type=more.choice(("a", "a", "suite")))
        return hotel.id("rsv", key, n)

    reservations = [stay(n, day("2024-02-20")) for n in range(300)]
    for n in range(300, 360):
        stay(n, day("2023-02-22"))  # what pace compares with
    yesterday = (dt.datetime.now(UTC) - dt.timedelta(1)).strftime("%Y-%m-%dT%H:%M")
    for n in range(360, 365):  # taken back, and pickup of these days
        hotel.event("reservation.confirmed", yesterday, {"reservationId": stay(n, day("2024-02-25"), ("cancelled",))})
    for n in range(365, 380):  # at a house that nobody has published; its guests pay nothing
        hotel.stay("of nobody", n, str(day("2024-03-01") + dt.timedelta(n % 30)), n % 3, 0, "complimentary", "direct",
                   rng.choice(ends), lead=3, at="23:40")
    for n in range(6):  # of which nobody knows for when
        rsv = {"reservationId": hotel.id("rsv", "open", n)}
        hotel.event("reservation.confirmed", f"2024-03-0{1 + n}T21:00", {
            **rsv, "propertyId": hotel.id("ppt", "kabul"), "channel": "direct"})
        if n % 2:
            hotel.event("reservation.cancelled", f"2024-03-1{n}T21:00", rsv)
    for n, verb in enumerate(("held", "hold_expired")):  # of a reservation that never was
        hotel.event(f"reservation.{verb}", f"2024-03-0{n + 1}T10:00", {
            "reservationId": hotel.id("rsv", "held"), "propertyId": hotel.id("ppt", "kabul"),
            "stay": {"start": "2024-03-10", "end": "2024-03-12"}})
    hotel.absent("kabul", 0, "seasonal_closure", "2024-03-01", "2024-04-01")
    hotel.absent("kabul", 1, "short", "2024-03-10", "2024-03-20")
    operate(hotel, more, ("kabul", "dushanbe"), reservations)
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
