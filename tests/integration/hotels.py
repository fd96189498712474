"""Two small hotels of any tenant, as events: every curated table gets rows, in April 2026.

All names, ids and values are the tenant's own, so that a test can look for them (marks(tenant)) in
what others see, and hold what quoting gets wrong.
"""

from events import confirmed, event, ident, item, money

NIGHTS = 6  # of the stay at the first hotel; at the second it is half of them
DAY = "2026-03-01T"


def properties(tenant):
    return [ident("ppt", tenant, 1), ident("ppt", tenant, 2)]


def word(tenant, text):
    return f"{text} of {tenant[-6:]}'s \"<&>\\ {{}},é"


def stay(tenant, n, nights=NIGHTS):
    """A reservation at the tenant's n-th hotel from 2026-04-01 on."""
    made = item("2026-04-01", f"2026-04-{1 + nights:02d}", currency="EUR",
                room_type=ident("rmt", tenant, n)) | {"itemId": ident("rit", tenant, n)}
    return confirmed(DAY + "10:00", ident("rsv", tenant, n), [made],
                     propertyId=properties(tenant)[n - 1], guestId=ident("gst", tenant, n),
                     channel=word(tenant, "channel"), marketSegment=word(tenant, "segment"),
                     ratePlanId=word(tenant, "plan")) | {"tenantId": tenant}


def hotel_group(tenant):
    """Its events: for each hotel a room type, a room, a stay and a payment."""
    events = [event("tenant.created", DAY + "01:00", {
        "name": word(tenant, "group"), "timezone": "UTC", "defaultCurrency": "EUR"}, tenant)]
    for n, property_id in enumerate(properties(tenant), 1):
        of_hotel = {"propertyId": property_id, "roomTypeId": ident("rmt", tenant, n)}
        for subject, payload in (
                ("property.published", {
                    "propertyId": property_id, "name": {"default": word(tenant, "hotel")},
                    "city": word(tenant, "city"), "timezone": "UTC", "currency": "EUR"}),
                ("property.room_type.created", of_hotel | {"name": {"default": word(tenant, "type")}}),
                ("property.room.created", of_hotel | {
                    "roomId": ident("rmu", tenant, n), "number": word(tenant, "room")}),
                ("payment.transaction.captured", {
                    "transactionId": ident("cap", tenant, n), "paymentId": ident("pay", tenant, n),
                    "reservationId": ident("rsv", tenant, n), "propertyId": property_id,
                    "amount": money(50, "EUR"), "method": "card"})):
            events.append(event(subject, DAY + "02:00", payload, tenant))
        events.append(stay(tenant, n, NIGHTS // n))
    return events


def property_marks(tenant, n):
    """Ids of what belongs to the tenant's n-th hotel alone."""
    kinds = ("ppt", "rmt", "rmu", "rsv", "rit", "cap", "pay", "gst")
    return [ident(kind, tenant, n)[4:] for kind in kinds]


def marks(tenant):
    """Texts that name the tenant or anything of its own."""
    return [tenant[4:], f"of {tenant[-6:]}'s", *property_marks(tenant, 1), *property_marks(tenant, 2)]
