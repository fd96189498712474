"""A second opinion on the figures of a stream of platform events: plain Python, no database.

Reads NDJSON as ingestd must (every envelope, strict JSON, the first of an id counts), folds the
events of each key in their own order whatever the order of the lines, and computes the metrics of a
window of stay dates. Slow and simple on purpose; it shares nothing with the simulator or the SQL.
"""

import collections
import datetime as dt
import json
import math
import re
import zoneinfo

SUBJECT = re.compile(r"melmastoon(\.[a-z0-9_]+){2,}\.v[0-9]+")
TENANT = re.compile(r"tnt_[0-9A-HJKMNP-TV-Z]{26}")
IDENT = re.compile(r"([a-z_]+)_([0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26})")
PREFIXES = {"t": "tnt", "ten": "tnt", "prp": "ppt", "prop": "ppt", "pty": "ppt", "rom": "rmu",
            "rty": "rmt", "res": "rsv"}
NULL_TENANT = ("melmastoon.bff.consumer.", "melmastoon.iam.")
SIZE_MAX = 1 << 20
NOT_BEFORE, NOT_AFTER = (dt.datetime(y, 1, 1, tzinfo=dt.timezone.utc) for y in (2000, 2060))

Event = collections.namedtuple("Event", "id subject tenant at payload")


class Broken(Exception):
    pass


def canonical(ident):
    match = IDENT.fullmatch(ident)
    if not match:
        return ident
    prefix = PREFIXES.get(match[1], match[1])
    return f"{prefix}_{match[2].upper()}"


def _no_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Broken("duplicate key")
    return members


def _number(text):
    value = float(text)
    if math.isinf(value):
        raise Broken("absurd number")
    return value


def _check_texts(value):
    """What jsonb cannot hold: NUL and lone surrogates."""
    if isinstance(value, str):
        if any(c == "\0" or 0xD800 <= ord(c) < 0xE000 for c in value):
            raise Broken("bad text")
    elif isinstance(value, dict):
        for key, member in value.items():
            _check_texts(key)
            _check_texts(member)
    elif isinstance(value, list):
        for member in value:
            _check_texts(member)


def parse(line):
    """One line (bytes) as an Event; Broken when no reader may accept it."""
    if len(line) > SIZE_MAX:
        raise Broken("too large")
    try:
        raw = json.loads(line.decode("utf-8"), object_pairs_hook=_no_duplicates,
                         parse_float=_number)
    except ValueError as fault:
        raise Broken(str(fault)) from None
    if not isinstance(raw, dict):
        raise Broken("no object")
    _check_texts(raw)
    envelope = raw.get("envelope", raw)
    ident = next((envelope[k] for k in ("eventId", "id") if k in envelope), None)
    subject = next((envelope[k] for k in ("eventType", "type", "subject", "event_name")
                    if SUBJECT.fullmatch(str(envelope.get(k)))), None)
    if not ident or not subject:
        raise Broken("no id or subject")
    return Event(ident.removeprefix("evt_"), subject, _tenant(envelope, subject),
                 _time(envelope), next(raw[k] for k in ("payload", "data", "properties") if k in raw))


def _tenant(envelope, subject):
    key = next((k for k in ("tenantId", "tenantid") if k in envelope), None)
    if key is None:
        raise Broken("no tenant")
    if envelope[key] is None and subject.startswith(NULL_TENANT):
        return "_platform"
    tenant = canonical(str(envelope[key]))
    if not TENANT.fullmatch(tenant):
        raise Broken("bad tenant")
    return tenant


def _time(envelope):
    if "timestamp_ms" in envelope:
        return dt.datetime.fromtimestamp(envelope["timestamp_ms"] / 1000, dt.timezone.utc)
    text = str(envelope.get("occurredAt", envelope.get("time")))
    try:
        at = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Broken("bad time") from None
    if not NOT_BEFORE < at < NOT_AFTER:
        raise Broken("absurd time")
    return at


def read(lines):
    """(events by id, number of broken lines, number of repeated or conflicting ones)."""
    events, broken, again = {}, 0, 0
    for line in lines:
        try:
            event = parse(line)
        except Broken:
            broken += 1
            continue
        key = (event.tenant, event.id)
        if ".pricing." in event.subject:  # its ids are new with every delivery
            key = (event.tenant, event.subject, event.at, json.dumps(event.payload, sort_keys=True))
        if key in events:
            again += 1
        else:
            events[key] = event
    return list(events.values()), broken, again


def date(text):
    return dt.date.fromisoformat(text)


def micro(money):
    return int(money["amountMicro"])


DAY = dt.timedelta(days=1)
LIFECYCLE = {"held": "held", "confirmed": "confirmed", "checked_in": "checked_in",
             "checked_out": "checked_out", "cancelled": "cancelled", "no_show": "no_show",
             "hold_expired": "expired"}


class Reservation:
    """The fold of one reservation's events in order."""

    def __init__(self):
        self.status = self.prop = self.channel = self.actual_departure = None
        self.confirmed = False
        self.items = []

    def apply(self, verb, payload):
        self.status = LIFECYCLE.get(verb, self.status)
        self.confirmed = self.confirmed or verb == "confirmed"
        self.prop = payload.get("propertyId", self.prop)
        self.channel = payload.get("channel", self.channel)
        self.items = payload.get("items", self.items)
        if verb == "dates_changed" and "stay" in payload:
            self.items = [dict(item, stay=payload["stay"], nightlyRates=payload["nightlyRates"])
                          for item in self.items]
        self.actual_departure = payload.get("actualDeparture", self.actual_departure)

    @property
    def arrival(self):
        return min(date(item["stay"]["start"]) for item in self.items)

    @property
    def departure(self):
        if self.status == "checked_out" and self.actual_departure:
            return date(self.actual_departure)
        return max(date(item["stay"]["end"]) for item in self.items)

    def sold_nights(self):
        """(date, micro) of each night that counts as sold."""
        if self.status not in ("confirmed", "checked_in", "checked_out"):
            return
        for item in self.items:
            if item.get("kind", "sold") != "sold":
                continue
            rates = {rate["date"]: micro(rate["amount"]) for rate in item["nightlyRates"]}
            day = date(item["stay"]["start"])
            while day < min(date(item["stay"]["end"]), self.departure):
                yield day, rates[str(day)]
                day += DAY


def reservations(events):
    folded = collections.defaultdict(Reservation)
    for event in events:
        verb = event.subject.split(".")[2]
        if event.subject.startswith("melmastoon.reservation.") and "reservationId" in event.payload:
            folded[event.tenant, event.payload["reservationId"]].apply(verb, event.payload)
    return [r for r in folded.values() if r.confirmed]


class Rooms:
    """Rooms, closures and inventory totals of one property."""

    def __init__(self):
        self.zone = zoneinfo.ZoneInfo("UTC")
        self.created = []  # (instant, room type)
        self.outages = collections.defaultdict(list)  # room: [from, until or None, closes]
        self.totals = {}  # (room type, date): total

    def apply(self, event):
        payload, verb = event.payload, event.subject.split(".", 2)[2]
        if verb == "published.v1":
            self.zone = zoneinfo.ZoneInfo(payload["timezone"])
        elif verb == "room.created.v1":
            self.created.append((event.at, canonical(payload["roomTypeId"])))
        elif verb == "room.out_of_order.v1":
            start, until = date(payload["from"]), payload.get("until")
            until = date(until) if until else dt.date.max
            category = payload.get("category", "short")
            long = (until - start).days >= 180
            self.outages[payload["roomId"]].append(
                [start, until, category != "short" or ("category" not in payload and long)])
        elif verb == "room.returned.v1" and self.outages[payload["roomId"]]:
            outage = self.outages[payload["roomId"]][-1]
            outage[1] = min(outage[1], event.at.astimezone(self.zone).date())
        elif verb == "room_type_daily.updated.v1":
            key = (canonical(payload["roomTypeId"]), date(payload["stayDate"]))
            self.totals[key] = payload["total"]

    def available(self, day):
        count = collections.Counter(kind for at, kind in self.created
                                    if at.astimezone(self.zone).date() <= day)
        total = sum(self.totals.get((kind, day), n) for kind, n in count.items())
        closed = sum(1 for outages in self.outages.values()
                     for start, until, closes in outages if closes and start <= day < until)
        return total - closed


def figures(events, first, last):
    """{(tenant, property): {figure: value}} over the stay dates first to last."""
    events = sorted(events, key=lambda e: (e.at, e.id))
    rooms = collections.defaultdict(Rooms)
    for event in events:
        if event.subject.split(".")[1] in ("property", "inventory"):
            rooms[event.tenant, canonical(event.payload["propertyId"])].apply(event)
    result = {}
    for key, house in rooms.items():
        days = (first + i * DAY for i in range((last - first).days + 1))
        result[key] = collections.Counter(roomsAvailable=sum(house.available(d) for d in days))
    tenant_of = {prop: (tenant, prop) for tenant, prop in rooms}
    for rsv in reservations(events):
        _add(result[tenant_of[rsv.prop]], rsv, first, last)
    return result


def _add(counts, rsv, first, last):
    for day, rate in rsv.sold_nights():
        if first <= day <= last:
            counts["roomsSold"] += 1
            counts["roomRevenueMicro"] += rate
            counts["channel." + rsv.channel] += 1
    nights = (rsv.departure - rsv.arrival).days
    if rsv.status == "checked_out" and nights > 0 and first <= rsv.departure <= last:
        counts["staysDeparted"] += 1
        counts["nightsDeparted"] += nights
    if first <= rsv.arrival <= last:
        counts["reservationsArriving"] += 1
        counts["cancelled"] += rsv.status == "cancelled"
        counts["noShows"] += rsv.status == "no_show"
        counts["arrived"] += rsv.status in ("checked_in", "checked_out")


# ---- beside the stays

ACTIVITY = {  # subject: (group, figure)
    "housekeeping.task.created": ("housekeeping", "tasks"),
    **{f"housekeeping.task.{verb}": ("housekeeping", verb)
       for verb in ("assigned", "reassigned", "started", "completed", "escalated", "cancelled")},
    **{f"lock.credential.{verb}": ("lock", "keys" + verb.capitalize())
       for verb in ("requested", "issued", "activated", "suspended", "revoked", "failed")},
    "lock.access.granted": ("lock", "granted"), "lock.access.denied": ("lock", "denied"),
    "lock.device.health_alert": ("lock", "alerts"), "bff.consumer.click.property": ("funnel", "clicks"),
    "bff.consumer.handoff.initiated": ("funnel", "handoffs"), "bff.tenant.handoff.consumed": ("funnel", "consumed"),
    "bff.tenant.booking.draft.created": ("funnel", "drafts"),
    "bff.tenant.booking.draft.converted": ("funnel", "converted"),
    "ai_orchestrator.inference.completed": ("ai", "inferences"), "ai.forecast.produced": ("forecast", "runs"),
    "ai_orchestrator.forecast.produced": ("forecast", "runs"),
}
KEYS = ("taskId", "draftId")  # by which events that name no property follow one that does


def activity(events):
    """{property: {group: {figure: count}}}; events without a property belong to that of their task or draft."""
    home, found = {}, collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
    for event in sorted(events, key=lambda e: (e.at, e.id)):
        payload, subject = event.payload, event.subject.removeprefix("melmastoon.").rpartition(".")[0]
        keys = [payload[key] for key in KEYS if key in payload]
        prop = canonical(payload["propertyId"]) if "propertyId" in payload else next(
            (home[key] for key in keys if key in home), None)
        home.update((key, prop) for key in keys)
        groups = found[prop]
        if subject in ACTIVITY:
            group, figure = ACTIVITY[subject]
            groups[group][figure] += 1
        if subject.endswith("draft.converted"):
            groups["funnel"]["convertedHandoffs"] += "handoffId" in payload
        elif subject.endswith("task.inspected"):
            groups["housekeeping"][payload["result"]] += 1
        elif subject.endswith("gate_decided"):
            groups["ai"][payload["decision"]] += 1
        elif subject.endswith("forecast.produced"):
            groups["forecast"]["points"] += len(payload["points"])
    return found
