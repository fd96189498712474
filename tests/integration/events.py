"""Builders of platform events for tests: dicts of the envelope E1 with ids that follow from what they say."""
import datetime as dt
import hashlib
import json

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
UTC = dt.timezone.utc


def ulid(when, *key):
    bits = int(when.timestamp() * 1000) << 80 | int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:10], "big")
    return "".join(CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5))


def ident(prefix, *key):
    return f"{prefix}_{ulid(dt.datetime(2024, 1, 1, tzinfo=UTC), prefix, *key)}"


TENANT, OTHER = ident("tnt", 1), ident("tnt", 2)
PROPERTY, TYPE_A, TYPE_B = ident("ppt", 1), ident("rmt", "a"), ident("rmt", "b")


def at(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text):
    return dt.date.fromisoformat(text)


def money(amount, currency="USD"):
    return {"amountMicro": str(round(amount * 1_000_000)), "currency": currency}


def event(subject, when, payload, tenant=TENANT, n=0):
    when = at(when) if isinstance(when, str) else when
    subject = f"melmastoon.{subject}.v1"
    return {"id": "evt_" + ulid(when, subject, n, json.dumps(payload, sort_keys=True)), "subject": subject,
            "occurredAt": when.isoformat().replace("+00:00", "Z"), "tenantId": tenant, "payload": payload}


def item(start, end, rate=100.0, kind=None, room_type=TYPE_A, n=1, currency="USD"):
    days = max((day(end) - day(start)).days, 1)
    made = {"itemId": f"rit_{n}", "roomTypeId": room_type, "stay": {"start": start, "end": end}, "adults": 2, "children": 1,
            "nightlyRates": [{"date": str(day(start) + dt.timedelta(k)), "amount": money(rate, currency)} for k in range(days)]}
    return made | ({"kind": kind} if kind else {})


def confirmed(when, rsv, items, **more):
    return event("reservation.confirmed", when, {"reservationId": rsv, "propertyId": PROPERTY, "guestId": ident("gst", rsv),
                 "channel": "direct", "items": items, "total": money(1)} | more)


def reservation(verb, when, rsv, **payload):
    return event(f"reservation.{verb}", when, {"reservationId": rsv, **payload})


def inventory(types, when="2024-01-01T00:00", zone="UTC", tenant=TENANT):
    """The events of a property with so many rooms of each type."""
    made = [event("property.published", when, {"propertyId": PROPERTY, "name": {"default": "House"}, "currency": "USD"}
                  | ({"timezone": zone} if zone else {}), tenant)]
    for room_type, rooms in types.items():
        made.append(event("property.room_type.created", when, {"roomTypeId": room_type, "propertyId": PROPERTY, "name": "T"}, tenant))
        made += [room("created", when, n, tenant=tenant, roomTypeId=room_type, number=str(n)) for n in range(rooms)]
    return made


def room(verb, when, n, tenant=TENANT, n_event=0, **payload):
    kind = payload.get("roomTypeId", "")
    return event(f"property.room.{verb}", when, {"roomId": ident("rmu", n), "propertyId": PROPERTY, **payload}, tenant, (n_event, kind))
