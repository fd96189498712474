"""Platform events for tests, in the envelopes of their services, with ids that follow from what is said.

The same call gives the same event, byte for byte, so that a test can send it again; `n` tells apart
events that are otherwise the same. Times are UTC texts (2024-01-01T10:00), dates are texts too.
ulid() of a time sorts like the time; ident("ppt", ...) is a platform identifier.
"""

import datetime as dt
import hashlib
import json

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EPOCH = "2024-01-01T00:00"


def instant(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.timezone.utc)


def wire_time(text):
    return instant(text).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def ulid(when, *key):
    random = hashlib.sha256(repr(key).encode()).digest()[:10]
    bits = int(instant(when).timestamp() * 1000) << 80 | int.from_bytes(random, "big")
    return "".join(CROCKFORD[bits >> shift & 31] for shift in range(125, -1, -5))


def ident(prefix, *key):
    return f"{prefix}_{ulid(EPOCH, prefix, *key)}"


def tenant_id(name):
    return ident("tnt", name)


def money(amount, currency="USD"):
    return {"amountMicro": str(round(amount * 1_000_000)), "currency": currency}


def days(first, last):
    """The nights of a stay: `last`, the departure, is not one."""
    start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return [str(start + dt.timedelta(n)) for n in range((end - start).days)]


def item(room_type, start, end, rate=100, n=1, currency="USD", **more):
    """A room of a confirmed reservation."""
    return {"itemId": ident("rit", room_type, start, n), "roomTypeId": room_type,
            "stay": {"start": start, "end": end}, "adults": 2, "children": 0,
            "nightlyRates": [{"date": d, "amount": money(rate, currency)} for d in days(start, end)],
            **more}


def reservation(tenant, verb, when, reservation_id, n=0, **payload):
    """E1: melmastoon.reservation.<verb>.v1"""
    payload = {"reservationId": reservation_id, **payload}
    subject = f"melmastoon.reservation.{verb}.v1"
    return {
        "id": "evt_" + ulid(when, tenant, subject, reservation_id, n), "subject": subject,
        "occurredAt": wire_time(when), "tenantId": tenant,
        "correlationId": ident("cor", reservation_id),
        "producedBy": {"service": "reservation-service", "version": "4.2.0"},
        "metadata": {"schemaVersion": 1, "orderingKey": f"{tenant}:{reservation_id}",
                     "retentionClass": "regulated"},
        "payload": payload}


def confirmed(tenant, when, reservation_id, property_id, items, n=0, **more):
    """E1: a booking of these items."""
    total = sum(int(night["amount"]["amountMicro"]) for i in items for night in i["nightlyRates"])
    currency = next((night["amount"]["currency"] for i in items for night in i["nightlyRates"]), "USD")
    said = {"propertyId": property_id, "guestId": ident("gst", reservation_id), "channel": "direct",
            "bookedAt": wire_time(when), "items": items,
            "total": {"amountMicro": str(total), "currency": currency}, **more}
    return reservation(tenant, "confirmed", when, reservation_id, n, **said)


def inventory_day(tenant, when, property_id, room_type, day, total, blocked=0, n=0):
    """E3: melmastoon.inventory.room_type_daily.updated.v1"""
    return {
        "eventId": ulid(when, tenant, "inventory", room_type, day, n),
        "subject": "melmastoon.inventory.room_type_daily.updated.v1", "source": "inventory-service",
        "tenantId": tenant, "aggregateKind": "AvailabilityCalendar", "aggregateId": room_type,
        "occurredAt": wire_time(when), "publishedAt": wire_time(when), "schemaVersion": 1,
        "orderingKey": f"{tenant}:{room_type}",
        "payload": {"propertyId": property_id, "roomTypeId": room_type, "stayDate": day,
                    "total": total, "oosBlocked": blocked, "stopSell": False}}


def _property_service(tenant, what, entity, entity_id, when, n, data):
    return {
        "eventId": "evt_" + ulid(when, tenant, what, entity_id, n),
        "eventType": f"melmastoon.property.{what}.v1", "schemaVersion": 1,
        "occurredAt": wire_time(when), "tenantId": tenant,
        "aggregate": {"type": entity, "id": entity_id}, "version": n + 1,
        "producer": {"service": "property-service", "version": "1.7.3"},
        "trace": {"traceId": "2c2f72c5b7a4ad0004ffc55301b41a97", "causationId": None}, "data": data}


def hotel(tenant, verb, when, property_id, n=0, **data):
    """E6: melmastoon.property.<verb>.v1"""
    data = {"propertyId": property_id, "name": {"default": "House"}, "city": "Kabul", "country": "AF",
            "timezone": "Asia/Kabul", "currency": "USD", "checkInTime": "14:00", **data}
    return _property_service(tenant, verb, "property", property_id, when, n, data)


def room_type(tenant, verb, when, room_type_id, property_id, n=0, **data):
    """E6: melmastoon.property.room_type.<verb>.v1"""
    data = {"roomTypeId": room_type_id, "propertyId": property_id, "name": {"default": "Twin"},
            "maxOccupancy": 2, **data}
    return _property_service(tenant, f"room_type.{verb}", "room_type", room_type_id, when, n, data)


def room(tenant, verb, when, room_id, room_type_id, property_id, n=0, **data):
    """E6: melmastoon.property.room.<verb>.v1"""
    data = {"roomId": room_id, "propertyId": property_id, "roomTypeId": room_type_id, "number": "100",
            **data}
    return _property_service(tenant, f"room.{verb}", "room", room_id, when, n, data)


def tenant(tenant, verb, when, n=0, **data):
    """E7: melmastoon.tenant.<verb>.v1"""
    data = {"tenantId": tenant, "name": "Hotels", "region": "AF", "defaultCurrency": "USD",
            "timezone": "Asia/Kabul", "dataResidency": "AF", **data}
    return {
        "specVersion": "1.0", "id": "evt_" + ulid(when, tenant, "tenant", verb, n),
        "type": f"melmastoon.tenant.{verb}.v1", "source": "tenant-service", "subject": tenant,
        "time": wire_time(when), "tenantId": tenant, "correlationId": ident("req", tenant, verb, n),
        "causationId": None, "actor": {"type": "user", "id": ident("usr", tenant)}, "data": data}


def payment(tenant, verb, when, transaction_id, amount=100, n=0, currency="USD", **data):
    """E12: melmastoon.payment.transaction.<verb>.v1, a CloudEvent"""
    payment_id = ident("pay", transaction_id)
    data = {"transactionId": transaction_id, "paymentId": payment_id,
            "amount": money(amount, currency), "method": "card", "vendor": "stripe", **data}
    return {
        "specversion": "1.0", "id": ulid(when, tenant, "payment", verb, transaction_id, n),
        "type": f"melmastoon.payment.transaction.{verb}.v1",
        "source": "//melmastoon/payment-gateway-service",
        "subject": f"{tenant}/payments/{payment_id}", "time": wire_time(when),
        "datacontenttype": "application/json", "tenantid": tenant, "data": data}


def small_hotel(tenant_name, rooms=2):
    """The set-up of one hotel: (its events, property id, room type id)."""
    tnt, ppt, rmt = tenant_id(tenant_name), ident("ppt", tenant_name), ident("rmt", tenant_name)
    events = [tenant(tnt, "created", "2023-12-01T00:00"),
              hotel(tnt, "published", "2023-12-01T01:00", ppt),
              room_type(tnt, "created", "2023-12-01T02:00", rmt, ppt)]
    events += [room(tnt, "created", "2023-12-01T03:00", ident("rmu", tenant_name, i), rmt, ppt,
                    number=str(100 + i)) for i in range(rooms)]
    return events, ppt, rmt


def ndjson(events):
    """One event a line; texts and bytes go as they are."""
    lines = (e if isinstance(e, (str, bytes)) else json.dumps(e) for e in events)
    return b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
