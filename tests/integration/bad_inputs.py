"""Bad, strange and borderline inputs of ingestd, each with what it must answer: tables, no code to run.

EVENTS: single events. (what, event, reason, place): `reason` is the code of the dead letter and `place`
how its detail begins; with LANDS the event is accepted and raw holds its bytes.
BODIES: whole bodies of POST /v1/events. (what, content type, body, expected): a status, or the four
counts of a 200 with the (index, code) of its errors.
PUSHES: bodies of POST /pubsub/push, all answered 204. (what, body, reason, place) as EVENTS.
REQUESTS: raw HTTP. (what, bytes, statuses of the answers, events that land); see request().
CLAIMS: changes to the claims of a good service token, (what, changes, status).
HEADERS: Authorization headers made from a good one, (what, header, status).

An event is written as changes to GOOD, members as JSON text: event(x='1') adds one, event(id=None)
leaves one out. @ stands for an id that is the case's own, so that every event is another one.
"""

import base64
import datetime as dt
import gzip
import json

import platform_events as ev

LANDS = None
TENANT, OTHER = ev.tenant_id("bad inputs"), ev.tenant_id("bad inputs, the other")
MIB = 1 << 20
JSON, NDJSON = "application/json", "application/x-ndjson"
ULID = TENANT[4:]
GOOD = {"id": '"evt_@"', "subject": '"melmastoon.reservation.held.v1"', "occurredAt": '"2024-03-01T10:00:00Z"',
        "tenantId": f'"{TENANT}"', "payload": "{}"}


def event(**changes):
    """GOOD with changes, as bytes; a value is JSON text or bytes that pretend to be."""
    members = []
    for key, value in {**GOOD, **changes}.items():
        if value is not None:
            value = value if isinstance(value, bytes) else value.encode()
            members.append(f'"{key}":'.encode() + value)
    return b"{" + b",".join(members) + b"}"


def padded(size):
    """A good event of exactly so many bytes; its @ will be an id of 26."""
    short = event(x='""')
    return event(x='"' + "x" * (size - len(short) - 25) + '"')


def hours_ahead(hours):
    when = dt.datetime.now(dt.timezone.utc) + dt.timedelta(hours=hours)
    return json.dumps(when.strftime("%Y-%m-%dT%H:%M:%SZ"))


def nested(depth):
    """A value that is so deep; the event around it is one more."""
    return "[" * depth + "]" * depth


def keys(count):
    return "{" + ",".join(f'"k{n}":0' for n in range(count)) + "}"


# ---- single events

SYNTAX = [
    ("cut off after a colon", b'{"id":', "invalid_json", "byte 6"),
    ("cut off after a brace", b"{", "invalid_json", "byte 1"),
    ("cut off in a key", b'{"id', "invalid_json", "byte"),
    ("cut off before the end", event()[:-1], "invalid_json", "byte"),
    ("a word", b"nonsense", "invalid_json", "byte 0"),
    ("half of null", b"nul", "invalid_json", "byte"),
    ("Python's True", b"True", "invalid_json", "byte 0"),
    ("null", b"null", "not_an_object", "byte 0"),
    ("a boolean", b"false", "not_an_object", "byte 0"),
    ("a number", b"42", "not_an_object", "byte 0"),
    ("a text", b'"text"', "not_an_object", "byte 0"),
    ("an empty text", b'""', "not_an_object", "byte 0"),
    ("an empty object", b"{}", "missing_event_id", "$.eventId: missing"),
    ("two objects", b"{} {}", "invalid_json", "byte 3"),
    ("something after it", event() + b" x", "invalid_json", "byte"),
    ("a brace too many", event() + b"}", "invalid_json", "byte"),
    ("a bracket for a brace", event()[:-1] + b"]", "invalid_json", "byte"),
    ("a byte order mark", b"\xef\xbb\xbf" + event(), "invalid_json", "byte 0"),
    ("UTF-16", event().decode().encode("utf-16-le"), "invalid_json", "byte 1"),
    ("NUL after it", event() + b"\0", "invalid_json", "byte"),
    ("a vertical tab", event() + b"\v", "invalid_json", "byte"),
    ("a no-break space", event() + b"\xc2\xa0", "invalid_json", "byte"),
    ("a key without quotes", b'{id:"evt_@"}', "invalid_json", "byte 1"),
    ("single quotes", b"{'id':'evt_@'}", "invalid_json", "byte 1"),
    ("a number as key", b'{1:"evt_@"}', "invalid_json", "byte 1"),
    ("no colon", b'{"id" "evt_@"}', "invalid_json", "byte 6"),
    ("two colons", b'{"id"::"evt_@"}', "invalid_json", "byte 6"),
    ("no comma", b'{"a":1 "b":2}', "invalid_json", "byte 7"),
    ("two commas", b'{"a":1,,"b":2}', "invalid_json", "byte 7"),
    ("a comma first", b'{,"a":1}', "invalid_json", "byte 1"),
    ("a comma last", b'{"a":1,}', "invalid_json", "byte 7"),
    ("a comma last in an array", b'{"a":[1,]}', "invalid_json", "byte 8"),
    ("a hole in an array", b'{"a":[,1]}', "invalid_json", "byte 6"),
    ("crossed brackets", b'{"a":[}', "invalid_json", "byte 6"),
    ("a comment", b'{/* */"a":1}', "invalid_json", "byte 1"),
    ("a comment to the end of the line", event() + b"// x", "invalid_json", "byte"),
    ("a value without quotes", event(x="text"), "invalid_json", "byte"),
    ("undefined", event(x="undefined"), "invalid_json", "byte"),
    ("white space everywhere", b" \t" + event().replace(b":", b" :\t", 1) + b" ", LANDS, ""),
]
NUMBERS = [
    *((f"the number {text}", event(x=text), "invalid_json", "byte") for text in (
        "01", "-01", "00", "+1", "-", ".5", "1.", "-.5", "1e", "1e+", "1E-", "1.e5", "0x10", "1_000", "1,5",
        "NaN", "-NaN", "Infinity", "-Infinity", "1e131072", "1e999999", "1e-16384", "1" + "0" * 131072, "1e+-5", "--1",
        "1f", "١")),
    *((f"the number {text[:40]}", event(x=text), LANDS, "") for text in (
        "-0", "0.0", "1E5", "1e-5", "9007199254740993", "-9223372036854775809",
        "123456789012345678901234567890", "3.141592653589793238462643383279", "1e400", "1e131071", "1e-16383")),
]
TEXTS = [
    *((f"the escape {text}", event(x=f'"{text}"'), "invalid_json", "byte") for text in (
        r"\x41", r"\u12", r"\u12G4", r"\U0041", r"\'", r"\0", "\\", r"\u0000", r"a\u0000b", r"\ud800", r"\udc00",
        r"\ud800\ud800", r"\udc00\ud800", r"\ud800x", r"\ud800\n")),
    ("a NUL escape in a key", b'{"\\u0000":1}', "invalid_json", "byte"),
    ("a lone surrogate in a key", b'{"\\ud83d":1}', "invalid_json", "byte"),
    ("a tab in a text", event(x=b'"a\tb"'), "invalid_json", "byte"),
    ("a NUL in a text", event(x=b'"a\0b"'), "invalid_json", "byte"),
    ("an escape character in a text", event(x=b'"a\x1b[0m"'), "invalid_json", "byte"),
    ("a text without end", event(x=b'"abc')[:-1], "invalid_json", "byte"),
    ("DEL in a text", event(x=b'"\x7f"'), LANDS, ""),
    ("a surrogate pair", event(x=r'"\ud83d\ude00"'), LANDS, ""),
    ("all escapes", event(x=r'"\"\\\/\b\f\n\r\tA"'), LANDS, ""),
    ("the last character", event(x=b'"\xf4\x8f\xbf\xbf"'), LANDS, ""),
    ("a non-character", event(x=b'"\xef\xbf\xbf"'), LANDS, ""),
    ("right-to-left override", event(x='"\u202etxt"'), LANDS, ""),
    *((f"the bytes {raw.hex()}", event(x=b'"' + raw + b'"'), "invalid_utf8", "byte") for raw in (
        b"\xff", b"\xfe", b"\x80", b"\xbf\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"caf\xe9", b"\xc3\x28")),
    ("bad UTF-8 in a key", event()[:-1] + b',"\xff":1}', "invalid_utf8", "byte"),
]
SHAPES = [
    ("as deep as may be", event(x=nested(63)), LANDS, ""),
    ("one deeper", event(x=nested(64)), "too_deep", "byte"),
    ("objects one deeper", event(x='{"a":' * 64 + "1" + "}" * 64), "too_deep", "byte"),
    ("very deep and open", b'{"x":' + b"[" * 100000, "too_deep", "byte"),
    ("a key twice", event()[:-1] + b',"id":"evt_@"}', "duplicate_key", "byte"),
    ("a key twice, once escaped", event()[:-1] + b',"\\u0069d":"evt_@"}', "duplicate_key", "byte"),
    ("a key twice, deep inside", event(x='[{"a":{"b":1,"c":2,"b":3}}]'), "duplicate_key", "byte"),
    ("the empty key twice", event(x='{"":1,"":2}'), "duplicate_key", "byte"),
    ("a key twice in two objects", event(x='[{"a":1},{"a":1}]'), LANDS, ""),
    ("a key in two cases", event(ID='"x"', Id='"y"'), LANDS, ""),
    ("the empty key", event(x='{"":{"":1}}'), LANDS, ""),
    ("a key as long as a page", event(x='{"' + "k" * 65536 + '":1}'), LANDS, ""),
    ("as many keys as may be, with the event's five", event(payload=keys(4091)), LANDS, ""),
    ("one key more", event(payload=keys(4092)), "too_many_keys", "byte"),
    ("as many members as may be", event(**{f"m{n}": "0" for n in range(251)}), LANDS, ""),
    ("one member more", event(**{f"m{n}": "0" for n in range(252)}), "too_many_keys", "byte"),
    ("as large as may be", padded(MIB), LANDS, ""),
    ("one byte larger", padded(MIB + 1), "too_large", "byte 1048576"),
    ("many bytes larger", padded(3 * MIB), "too_large", "byte 1048576"),
]
IDS = [
    ("no id", event(id=None), "missing_event_id", "$.eventId: missing"),
    *((f"the id {text[:30]}", event(id=text), "missing_event_id", "$.id") for text in (
        "null", '""', "7", "1.5", "true", "[]", "{}", '["evt_@"]', '{"id":"evt_@"}', r'"a\nb"', r'"a\u007f"',
        '"' + "x" * 201 + '"')),
    ("an id of 200 bytes", event(id='"' + "x" * 174 + '@"'), LANDS, ""),
    ("an id of letters that take two bytes", event(id='"' + "é" * 101 + '"'), "missing_event_id", "$.id"),
    ("an id that is no ULID", event(id='"order/@/1"'), LANDS, ""),
    ("an id with an escape", event(id=r'"evt\u005f@"'), LANDS, ""),
    ("eventId of a wrong type beside a good id", event(eventId="7"), LANDS, ""),
    ("eventId null beside a good id", event(eventId="null"), LANDS, ""),
    ("an id in the envelope only", event(id=None, envelope='{"eventId":"evt_@"}'), LANDS, ""),
    ("an envelope that is a text", event(envelope='"text"'), LANDS, ""),
    ("an envelope that is a list", event(id=None, envelope='[{"eventId":"evt_@"}]'), "missing_event_id", "$.eventId"),
]
SUBJECTS = [
    ("no subject", event(subject=None), "missing_subject", "$.eventType: missing"),
    *((f"the subject {text[:40]}", event(subject=text), "missing_subject", "$.subject") for text in (
        "null", '""', "7", "[]", '["melmastoon.a.b.v1"]', '"reservation.held.v1"', '"acme.reservation.held.v1"',
        '"melmastoon"', '"melmastoon.v1"', '"melmastoon.reservation.v1"', '"melmastoon.reservation.held"',
        '"melmastoon.reservation.held.v"', '"melmastoon.reservation.held.1"', '"melmastoon.reservation.held.v1x"',
        '"melmastoon.reservation.held.v-1"', '"melmastoon.reservation.held.v1.5"', '"melmastoon.reservation.held.V1"',
        '"Melmastoon.reservation.held.v1"', '"melmastoon.Reservation.held.v1"', '"melmastoon..held.v1"',
        '".melmastoon.reservation.held.v1"', '"melmastoon.reservation.held.v1."', '"melmastoon.reservation.held.v1 "',
        '" melmastoon.reservation.held.v1"', r'"melmastoon.reservation.held.v1\n"', '"melmastoon.reservation-x.held.v1"',
        '"melmastoon.reservation/held.v1"', '"melmastoon.réservation.held.v1"', '"melmastoon.reservation.held.v٣"',
        '"melmastoon.reservation.*.v1"', '"melmastoon.reservation.held.v99999999999"',
        '"melmastoon.reservation.' + "x" * 175 + '.v1"')),
    ("a subject of 200 bytes", event(subject='"melmastoon.reservation.' + "x" * 174 + '.v1"'), LANDS, ""),
    ("a new subject", event(subject='"melmastoon.spa.treatment.booked.v3"'), LANDS, ""),
    ("a subject of many words", event(subject='"melmastoon.a.b.c.d.e.f.g.v12"'), LANDS, ""),
    ("a subject with an escape", event(subject=r'"melmastoon.reservation.he\u006cd.v1"'), LANDS, ""),
    ("another type beside a good subject", event(type='"com.example.thing"'), LANDS, ""),
    ("eventType of a wrong type beside it", event(eventType="{}"), LANDS, ""),
]
TENANTS = [
    ("no tenant", event(tenantId=None), "missing_tenant", "$.tenantId: missing"),
    ("tenant null", event(tenantId="null"), "null_tenant_not_allowed", "$.tenantId: null"),
    *((f"the tenant {text[:40]}", event(tenantId=text), "bad_tenant", "$.tenantId") for text in (
        '""', "7", "true", "[]", f'["{TENANT}"]', f'{{"id":"{TENANT}"}}', '"tnt_"', '"tnt_1"', f'"{TENANT[:-1]}"',
        f'"{TENANT}0"', f'"{TENANT} "', f'" {TENANT}"', f'"TNT_{ULID}"', f'"tnt-{ULID}"', f'"{ULID}"',
        f'"tnt_session_{ULID}"', f'"ppt_{ULID}"', f'"tnt_tnt_{ULID}"', f'"tnt_{ULID[:-1]}U"', f'"tnt_{ULID[:-1]}I"',
        f'"tnt_{ULID[:-1]}L"', f'"tnt_{ULID[:-1]}O"', f'"tnt_{ULID[:-1]}é"', '"_platform"', '"*"', '"analytics_admin"',
        "\"tnt_' or 1=1 --\"", r'"tnt_\u0030"')),
    ("a tenant with another prefix", event(tenantId=f'"t_{ULID}"'), LANDS, ""),
    ("a tenant in lower case", event(tenantId=f'"ten_{ULID.lower()}"'), LANDS, ""),
    ("tenantId of a wrong type beside a good tenantid", event(tenantId="7", tenantid=f'"{TENANT}"'), LANDS, ""),
    ("no tenant where null is allowed",
     event(subject='"melmastoon.bff.consumer.search.executed.v1"', tenantId=None), "missing_tenant", "$.tenantId"),
]
TIMES = [
    ("no time", event(occurredAt=None), "missing_time", "$.occurredAt: missing"),
    ("time null", event(occurredAt="null"), "missing_time", "$.occurredAt: null"),
    *((f"the time {text}", event(occurredAt=text), "bad_time", "$.occurredAt") for text in (
        '""', "true", "[]", "{}", '"yesterday"', '"now"', '"infinity"', '"2024-02-30T00:00:00Z"', '"2023-02-29T00:00:00Z"',
        '"1900-02-29T00:00:00Z"', '"2024-00-10T00:00:00Z"', '"2024-13-10T00:00:00Z"', '"2024-01-00T00:00:00Z"',
        '"2024-01-32T00:00:00Z"', '"2024-04-31T00:00:00Z"', '"2024-03-01T24:00:00Z"', '"2024-03-01T10:60:00Z"',
        '"2024-03-01T10:00:61Z"', '"2024-03-01T10:00:60Z"', '"2016-12-31T23:59:60+01:00"', '"2024-03-01T10:00:00"',
        '"2024-03-01T10:00Z"', '"2024-03-01"', '"20240301T100000Z"', '"2024-3-1T10:00:00Z"', '"2024-03-01T1:00:00Z"',
        '"2024-03-01T10:00:00,5Z"', '"2024-03-01T10:00:00.Z"', '"2024-03-01T10:00:00.1234567890Z"',
        '"2024-03-01T10:00:00+24:00"', '"2024-03-01T10:00:00+04:60"', '"2024-03-01T10:00:00+0430"',
        '"2024-03-01T10:00:00+04"', '"2024-03-01T10:00:00 Z"', '"2024-03-01T10:00:00ZZ"', '"2024-03-01T10:00:00Z "',
        '" 2024-03-01T10:00:00Z"', '"2024-03-01T10:00:00 UTC"', '"2024-03-01T10:00:00+04:30[Asia/Kabul]"',
        '"0000-01-01T00:00:00Z"', '"-001-01-01T00:00:00Z"', '"12024-03-01T10:00:00Z"', '"+2024-03-01T10:00:00Z"',
        '"0001-01-01T00:00:00+00:01"', '"2024-W09-5T10:00:00Z"', '"2024-061T10:00:00Z"', '"Fri, 01 Mar 2024 10:00:00 GMT"',
        '"۲۰۲۴-03-01T10:00:00Z"', '"1709287200000"', '"1709287200"', "1709287200000.5", "1e400", "-62135596800001",
        "253402300800000", "99999999999999999999")),
    *((f"the time {text}", event(occurredAt=text), LANDS, "") for text in (
        '"2024-02-29T23:59:59Z"', '"2000-02-29T00:00:00Z"', '"2016-12-31T23:59:60Z"', '"2017-01-01T04:29:60+04:30"',
        '"2024-03-01T10:00:00+04:30"', '"2024-03-01T10:00:00-00:00"', '"2024-03-01T10:00:00+23:59"',
        '"2024-03-01t10:00:00z"', '"2024-03-01 10:00:00Z"', '"2024-03-01T10:00:00.123456789Z"', '"0001-01-01T00:00:00Z"',
        '"1969-12-31T23:59:59.999Z"', "1709287200000", "1709287200", "0", "-1", "-62135596800000")),
    *((f"the time {text}", event(occurredAt=text), "future_time", "$.occurredAt") for text in (
        '"2049-01-01T00:00:00Z"', '"9999-12-31T23:59:59Z"', "253402300799999", "2493072000000")),
    ("25 hours ahead", event(occurredAt=hours_ahead(25)), "future_time", "$.occurredAt"),
    ("23 hours ahead", event(occurredAt=hours_ahead(23)), LANDS, ""),
    ("another member's good time", event(occurredAt='"soon"', time='"2024-03-01T10:00:00Z"'), LANDS, ""),
]
REST = [  # nothing else can keep an event from landing: what is unusable is left out
    *((f"{key} {value[:30]}", event(**{key: value}), LANDS, "") for key, value in (
        ("payload", "null"), ("payload", '"text"'), ("payload", "[1,2]"), ("payload", "7"), ("payload", ""
         '{"amountMicro":1.5}'), ("aggregate", "7"), ("aggregate", '{"type":7,"id":[]}'),
        ("aggregate", '{"id":"' + "x" * 300 + '"}'), ("version", '"one"'), ("version", "-1"), ("version", "1e99"),
        ("schemaVersion", '"1.2.3"'), ("schemaVersion", "99999999999"), ("producer", "[]"), ("producer", '"@1"'),
        ("producedBy", '{"service":null}'), ("source", '""'), ("correlationId", "5"), ("correlationId", '"' + "c" * 300 + '"'),
        ("causationId", r'"\u0001"'), ("traceparent", "{}"), ("orderingKey", '"' + "k" * 2000 + '"'), ("metadata", "[]"),
        ("metadata", '{"retentionClass":7,"dataResidency":7}'), ("metadata", '{"dataResidency":"Mars"}'),
        ("retentionClass", '"for ever"'), ("publishedAt", '"never"'), ("publishedAt", '"9999-12-31T23:59:59Z"'),
        ("envelope", '{"samplingRate":0}'), ("envelope", '{"samplingRate":-1}'), ("envelope", '{"samplingRate":2}'),
        ("envelope", '{"samplingRate":"half"}'), ("envelope", '{"samplingRate":1e-300}'))),
    ("no payload", event(payload=None), LANDS, ""),
]
EVENTS = SYNTAX + NUMBERS + TEXTS + SHAPES + IDS + SUBJECTS + TENANTS + TIMES + REST


# ---- whole bodies

A, B = event(payload='{"n":1}'), event(id='"evt_@-b"', payload='{"n":2}')  # two events of one case
NOTHING = [0, 0, 0, 0]


def dead(*codes):
    """Counts of a body whose lines or elements are all dead letters."""
    return [0, 0, 0, len(codes), *enumerate(codes)]


BODIES = [
    ("nothing", JSON, b"", 400),
    ("no lines", NDJSON, b"", 400),
    ("white space", JSON, b" \n", dead("invalid_json")),
    ("an empty array", JSON, b"[]", NOTHING),
    ("an empty array with space", JSON, b"\t[ \n ] ", NOTHING),
    ("only empty lines", NDJSON, b"\n\r\n \t\n", NOTHING),
    ("an open array", JSON, b"[", 400),
    ("an open array after an event", JSON, b"[" + A, 400),
    ("an array closed twice", JSON, b"[" + A + b"]]", 400),
    ("two arrays", JSON, b"[" + A + b"][" + B + b"]", 400),
    ("a comma in an array", JSON, b"[,]", 400),
    ("a comma at the end of an array", JSON, b"[" + A + b",]", 400),
    ("no comma in an array", JSON, b"[" + A + b" " + B + b"]", 400),
    ("an array closed by a brace", JSON, b"[" + A + b"}", 400),
    ("a broken element", JSON, b"[" + A + b',{"a":}]', 400),
    ("bad UTF-8 between elements", JSON, b"[" + A + b",\xff]", 400),
    ("a byte order mark before an array", JSON, b"\xef\xbb\xbf[" + A + b"]", dead("invalid_json")),
    ("elements that are no objects", JSON, b'[1,"a",null,true,[]]', dead(*["not_an_object"] * 5)),
    ("an array in an array", JSON, b"[[" + A + b"]]", dead("not_an_object")),
    ("a NUL escape in one element", JSON, b'[{"a":"\\u0000"},' + A + b"]", [1, 0, 0, 1, (0, "invalid_json")]),
    ("a key twice in one element", JSON, b"[" + A + b',{"a":1,"a":2}]', [1, 0, 0, 1, (1, "duplicate_key")]),
    ("the same event twice", JSON, b"[" + A + b"," + A + b"]", [1, 1, 0, 0]),
    ("lines for JSON", JSON, A + b"\n" + B, dead("invalid_json")),
    ("an array for lines", NDJSON, b"[" + A + b"," + B + b"]", dead("not_an_object")),
    ("one event over several lines", NDJSON, b"{\n}\n", dead("invalid_json", "invalid_json")),
    ("lines with commas", NDJSON, A + b",\n" + B + b",\n", dead("invalid_json", "invalid_json")),
    ("two events on a line", NDJSON, A + b" " + B, dead("invalid_json")),
    ("lines that end with CR alone", NDJSON, A + b"\r" + B, dead("invalid_json")),
    ("lines that end with CR LF", NDJSON, A + b"\r\n" + B + b"\r\n", [2, 0, 0, 0]),
    ("a line separator character", NDJSON, A + "\u2028".encode() + B, dead("invalid_json")),
    ("a NUL between lines", NDJSON, A + b"\n\0\n" + B, [2, 0, 0, 1, (1, "invalid_json")]),
    ("a byte order mark before lines", NDJSON, b"\xef\xbb\xbf" + B + b"\n" + A, [1, 0, 0, 1, (0, "invalid_json")]),
    ("an empty line between", NDJSON, A + b"\n\n" + b"x\n" + B, [2, 0, 0, 1, (2, "invalid_json")]),
    ("a line without its end", NDJSON, A + b"\n" + B[:-1], [1, 0, 0, 1, (1, "invalid_json")]),
    ("a type in capitals", "Application/JSON", A, [1, 0, 0, 0]),
    ("a charset", "application/json;charset=UTF-8", A, [1, 0, 0, 0]),
    ("a type with an empty parameter", "application/x-ndjson;", A, [1, 0, 0, 0]),
    ("CloudEvents, structured", "application/cloudevents+json; charset=utf-8", A, [1, 0, 0, 0]),
    ("CloudEvents, batch", "application/cloudevents-batch+json", b"[" + A + b"," + B + b"]", [2, 0, 0, 0]),
    ("JSON lines by another name", "application/jsonl", A + b"\n" + B, [2, 0, 0, 0]),
    *((f"the type {kind}", kind, A, 415) for kind in (
        "text/plain", "text/json", "application/jsonx", "application", "application/", "/json", "*/*", "application/xml",
        "application/json, text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/octet-stream", "application/cloudevents+avro", "application/x-ndjson/x")),
]
# Content-Encoding: what would have to be unpacked first is not taken, and not kept as a dead letter
ENCODINGS = [("gzip", gzip.compress(A), 415), ("deflate", A, 415), ("br", A, 415), ("gzip, identity", A, 415),
             ("nonsense", A, 415), ("identity", A, 200)]


# ---- Pub/Sub push

def b64(data):
    return base64.b64encode(data).decode()


def push(message=None, **members):
    """A push body; `message` is JSON text."""
    return json.dumps(members)[:-1].encode() + (b", " if members else b"") + b'"message":' + message.encode() + b"}"


def message(**changes):
    """A message with a good event; values are JSON text, None leaves out."""
    members = {"messageId": '"1"', "publishTime": '"2024-03-01T10:00:00Z"', "data": '"=@="', **changes}
    return "{" + ",".join(f'"{key}":{value}' for key, value in members.items() if value is not None) + "}"


def data(text):
    return f'"{b64(text)}"'


PUSHES = [
    ("nothing", b"", "invalid_json", "byte 0"),
    ("no JSON", b"message", "invalid_json", "byte 0"),
    ("cut off", push(message())[:-1], "invalid_json", "byte"),
    ("bad UTF-8", b'{"message":"\xff"}', "invalid_utf8", "byte"),
    ("a text", b'"message"', "bad_message", "$.message"),
    ("message twice", push(message())[:-1] + b',"message":{}}', "duplicate_key", "byte"),
    *((f"the data {value[:24]}", push(message(data=value)), "bad_message", "$.message.data") for value in (
        "7", "true", "{}", "[]", '"*"', '"a"', '"ab=c"', '"=ab"', '"YQ==="', '"é"', r'"YQ\n=="')),
    ("a NUL escape in the data", push(message(data=r'"YQ\u0000="')), "invalid_json", "byte"),
    ("no data", push(message(data=None)), "invalid_json", "byte 0"),
    ("data null", push(message(data="null")), "invalid_json", "byte 0"),
    ("empty data", push(message(data='""')), "invalid_json", "byte 0"),
    ("data that is no JSON", push(message(data=data(b"text"))), "invalid_json", "byte 0"),
    ("data that is packed", push(message(data=data(gzip.compress(b"{}", mtime=0)))), "invalid_json", "byte 0"),
    ("data that is no object", push(message(data=data(b"[1]"))), "not_an_object", "byte 0"),
    ("data that is too large", push(message(data=data(b'{"x":"' + b"x" * MIB + b'"}'))), "too_large", "byte 1048576"),
    ("base64 in base64", push(message(data=data(data(b"{}").encode()))), "not_an_object", "byte 0"),
    *((f"the attributes {value}", push(message(attributes=value)), "bad_message", "$.message.attributes") for value in (
        "7", "[]", '"a"', "true")),
    ("too many attributes", push(message(attributes=json.dumps({f"a{n}": "" for n in range(300)}))), "bad_message",
     "$.message.attributes"),
    ("attributes null", push(message(attributes="null")), LANDS, ""),
    ("attributes that are no texts", push(message(attributes='{"a":7,"b":null,"tenantId":[]}')), LANDS, ""),
    ("a messageId that is a number", push(message(messageId="7")), LANDS, ""),
    ("no messageId", push(message(messageId=None)), LANDS, ""),
    ("a publishTime that is none", push(message(publishTime='"soon"')), LANDS, ""),
    ("an orderingKey that is a list", push(message(orderingKey="[]")), LANDS, ""),
    ("a deliveryAttempt that is a text", push(message(), deliveryAttempt="many"), LANDS, ""),
    ("a deliveryAttempt below one", push(message(), deliveryAttempt=-3), LANDS, ""),
    ("a subscription that is a number", push(message(), subscription=7), LANDS, ""),
    ("members that nobody knows", push(message(colour='"red"'), colour="red"), LANDS, ""),
    ("no id but the message's, unusable", push(message(messageId='""', data=data(event(id=None)))), "missing_event_id",
     "$.eventId"),
]


# ---- HTTP

def request(line="POST /v1/events HTTP/1.1", body=A, length=True, host="Host: ingestd", close=True, **headers):
    """A request as bytes; a header's _ stands for -, a list is several of the name."""
    lines = [line, host, "Content-Type: " + NDJSON, "Authorization: Bearer %TOKEN%"]
    lines += [f"Content-Length: {len(body) + 25 * body.count(b'@')}"] if length is True else []
    for name, values in headers.items():
        lines += [f"{name.replace('_', '-')}: {value}" for value in (values if isinstance(values, list) else [values])]
    lines += ["Connection: close"] if close else []
    return "\r\n".join(filter(None, lines)).encode(errors="surrogateescape") + b"\r\n\r\n" + body


def chunked(*chunks, **options):
    """A request whose body is made of chunks, given as they are on the wire."""
    return request(body=b"".join(chunks), length=False, Transfer_Encoding="chunked", **options)


def chunk(data, extension=b""):
    return b"%x" % (len(data) + 25 * data.count(b"@")) + extension + b"\r\n" + data + b"\r\n"


LAST = b"0\r\n\r\n"
HUGE = "x" * 40000
REQUESTS = [
    ("a good one", request(), [200], 1),
    ("HTTP/1.0", request("POST /v1/events HTTP/1.0"), [200], 1),
    ("an absolute target", request("POST http://ingestd/v1/events HTTP/1.1"), [200], 1),
    ("a query", request("POST /v1/events?x=1&y HTTP/1.1"), [200], 1),
    ("an escaped path", request("POST /v1/%65vents HTTP/1.1"), [200], 1),
    ("an empty line before", b"\r\n" + request(), [400], 0),
    ("chunks", chunked(chunk(A[:10]), chunk(A[10:]), LAST), [200], 1),
    # no extensions are taken; of bad chunks it is said that they are, or that the body is too large
    ("a chunk with an extension", chunked(chunk(A, b";x=y"), LAST), [413], 0),
    ("chunks with a trailer", chunked(chunk(A), b"0\r\nX-Sum: 1\r\n\r\n"), [200], 1),
    ("a chunk size that is none", chunked(b"xyz\r\n", A, LAST), [413], 0),
    ("a chunk size below zero", chunked(b"-5\r\n", A, LAST), [413], 0),
    ("a chunk size beyond 64 bits", chunked(b"fffffffffffffffff\r\n", A, LAST), [413], 0),
    ("a chunk larger than a body may be", chunked(b"fffffff\r\n", A), [413], 0),
    ("chunks and a length", chunked(chunk(A), LAST, Content_Length=5), [400], 0),
    ("another transfer coding", request(length=False, Transfer_Encoding="gzip"), [400], 0),
    ("chunked not last", request(length=False, Transfer_Encoding="chunked, gzip"), [400], 0),
    ("chunked in HTTP/1.0", chunked(chunk(A), LAST, line="POST /v1/events HTTP/1.0"), [400], 0),
    ("no length", request(length=False), [400], 0),
    ("two lengths that differ", request(length=False, Content_Length=[5, 6]), [400], 0),
    *((f"the length {value}", request(length=False, Content_Length=value), [400], 0) for value in (
        "x", "-1", "+5", "0x10", "5, 6", "1.5", "5 5")),
    # a body that is too large is read to its end before it is refused; these never end
    ("a length above the limit", request(length=False, Content_Length=(32 << 20) + 1), [408], 0),
    ("a length beyond 64 bits", request(length=False, Content_Length="9" * 20), [408], 0),
    ("a length that says more", request(body=A, length=False, Content_Length=5000), [408], 0),
    ("a length that says less", request(body=b"\n" * 9 + b"x\r\n\r\n", length=False, Content_Length=9, close=False),
     [200, 400], 0),
    *((f"the method {method}", request(f"{method} /v1/events HTTP/1.1"), [405], 0) for method in (
        "GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FETCH", "post", "P(ST")),
    ("a NUL in the method", request("P\0ST /v1/events HTTP/1.1"), [400], 0),
    ("CONNECT", request("CONNECT ingestd:443 HTTP/1.1"), [400], 0),
    *((f"the path {path[:30]}", request(f"POST {path} HTTP/1.1"), [404], 0) for path in (
        "/", "/v1/events/", "/v1//events", "//v1/events", "/v1/Events", "/v1/events/../events", "/v1/events.json",
        "/pubsub/push/", "/v2/events")),
    *((f"the target {path[:30]}", request(f"POST {path} HTTP/1.1"), [400], 0) for path in (
        "v1/events", "/v1/events%00", "/v1/events%zz", "/v1/events%", "/v1/\udcff", "*")),
    ("no version", request("POST /v1/events"), [400], 0),
    ("a version that is none", request("POST /v1/events HTTP/x"), [400], 0),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400], 0),
    ("TLS", bytes.fromhex("16030100a5010000a10303") + b"\0" * 100 + b"\r\n\r\n", [400], 0),
    ("a line of nonsense", b"nonsense\r\n\r\n", [400], 0),
    ("two Hosts", request(host="Host: a\r\nHost: b"), [400], 0),
    ("no Host", request(host=""), [400], 0),
    ("a header without a colon", request(host="Host: a\r\nnonsense"), [400], 0),
    ("a space before the colon", request(host="Host: a\r\nX-A : b"), [400], 0),
    ("a header without a name", request(host="Host: a\r\n: b"), [400], 0),
    ("a very long target", request(f"POST /{HUGE} HTTP/1.1"), [431], 0),
    ("a very long header", request(X_A=HUGE), [431], 0),
    ("very many headers", request(X_A=["x" * 20] * 2000), [431], 0),
    ("Expect", request(Expect="100-continue"), [200], 1),
    ("an Expect that is none", request(Expect="a miracle"), [400], 0),
    ("an upgrade to h2c", request(Upgrade="h2c", HTTP2_Settings="AAMAAABkAAQCAAAAAAIAAAAA"), [200], 1),
    ("an upgrade to a WebSocket", request(Upgrade="websocket", Sec_WebSocket_Version="13"), [200], 1),
    ("two at once", request(close=False) + request(body=B), [200, 200], 2),
    ("a good one, then nonsense", request(close=False) + b"nonsense\r\n\r\n", [200, 400], 1),
    ("a bad one, then a good one", request("POST /v1/event HTTP/1.1", close=False) + request(), [404, 200], 1),
    ("not to be kept open, then another", request() + request(body=B), [200], 1),
]


# ---- tokens

CLAIMS = [
    ("as it should be", {}, 200),
    ("an audience of several", {"aud": ["x", "analytics-ingest"]}, 200),
    ("its tenant", {"tenants": [TENANT]}, 200),
    ("an audience that only begins so", {"aud": "analytics-ingest-push"}, 401),
    ("an audience that is a number", {"aud": 7}, 401),
    ("no audience", {"aud": None}, 401),
    ("an empty list of audiences", {"aud": []}, 401),
    ("another issuer", {"iss": "https://example.com"}, 401),
    ("no issuer", {"iss": None}, 401),
    ("expired", {"exp": 1}, 401),
    ("never expires", {"exp": None}, 401),
    ("expires as a text", {"exp": "4102444800"}, 401),
    ("expires beyond all numbers", {"exp": 1e300}, 401),
    ("not yet", {"nbf": 4102444800}, 401),
    ("not before a text", {"nbf": "now"}, 401),
    ("no subject", {"sub": None}, 401),
    ("a subject that is a number", {"sub": 7}, 401),
    ("tenants that are a text", {"tenants": TENANT}, 401),
    ("tenants that are numbers", {"tenants": [7]}, 401),
    ("no tenants at all", {"tenants": []}, 403),
    ("another tenant", {"tenants": [OTHER]}, 403),
    ("every tenant by a star", {"tenants": ["*"]}, 403),
]
HEADERS = [  # %TOKEN% is a good one
    ("the scheme in lower case", "bearer %TOKEN%", 200),
    ("no scheme", "%TOKEN%", 401),
    ("another scheme", "Basic %TOKEN%", 401),
    ("a scheme alone", "Bearer", 401),
    ("an empty token", "Bearer ", 401),
    ("two tokens", "Bearer %TOKEN% %TOKEN%", 401),
    ("a token in quotes", 'Bearer "%TOKEN%"', 401),
    ("a token with a newline's escape", "Bearer %TOKEN%\\n", 401),
    ("a token with padding", "Bearer %TOKEN%=", 401),
    ("a token of four parts", "Bearer %TOKEN%.x", 401),
    ("a long token", "Bearer " + "a" * 20000, 401),
]


def own(case, body):
    """The body with the case's own id in place of @."""
    return body.replace(b"@", ev.ulid("2024-03-01T10:00", "bad inputs", case).encode())
