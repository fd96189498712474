"""The scanner and Postgres 15 agree on what JSON is.

Texts that are hand-picked, generated and mutated are judged by build/MODE/tests/tools/scan_lines and
by `::jsonb` in a private Postgres. The scanner may be stricter only where its header says so, and then
it must be right about the reason; it may never be more lenient.
"""

import json
import os
import random
import shutil
import subprocess
import tempfile

import pytest

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCAN_LINES = os.path.join(CHECKOUT, "build", os.environ.get("MODE", "release"),
                          "tests", "tools", "scan_lines")
PG_BIN = "/usr/lib/postgresql/15/bin"
DEPTH_MAX, KEYS_MAX = 64, 4096
MUTANTS = 40000

JUDGE = """
create function verdict(text_bytes bytea) returns text language plpgsql as $$
begin
    perform convert_from(text_bytes, 'UTF8')::jsonb;
    return 'ok';
exception when others then
    return sqlstate;
end $$;
create temporary table texts (n serial, hex text);
copy texts (hex) from stdin;
%s\\.
select verdict(decode(hex, 'hex')) from texts order by n;
drop function verdict;
"""


@pytest.fixture(scope="module")
def postgres_verdicts():
    """A function from texts to `ok` or the SQLSTATE that ::jsonb raises; a Postgres of its own."""
    directory = tempfile.mkdtemp(prefix="jsonb-", dir="/tmp")
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    if user:
        shutil.chown(directory, "postgres", "postgres")
    data = os.path.join(directory, "data")

    def run(program, *args, text=None):
        done = subprocess.run([os.path.join(PG_BIN, program), *args], input=text, text=True, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **user)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def judge(texts):
        script = JUDGE % "".join(text.hex() + "\n" for text in texts)
        return run("psql", "-XAtq", "-h", directory, "-U", "postgres", "-v", "ON_ERROR_STOP=1",
                   "-f", "-", "postgres", text=script)

    run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
    # with a log file, or the server would hold our pipes open
    run("pg_ctl", "-D", data, "-w", "-l", os.path.join(directory, "log"), "-o", options, "start")
    yield judge
    run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    shutil.rmtree(directory)


def scanner_verdicts(texts):
    done = subprocess.run([SCAN_LINES], input="".join(text.hex() + "\n" for text in texts),
                          text=True, stdout=subprocess.PIPE, check=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


class Shape:
    """What only the scanner objects to, found out another way."""

    def __init__(self, text):
        self.repeated = False
        self.depth = self.keys = 0
        value = json.loads(text.decode(), object_pairs_hook=self.pairs, parse_int=str,
                           parse_float=str, parse_constant=str)
        self.measure(value, 1)

    def pairs(self, pairs):
        self.repeated |= len({key for key, _ in pairs}) < len(pairs)
        self.keys += len(pairs)
        return dict(pairs)

    def measure(self, value, depth):
        if isinstance(value, (list, dict)):
            self.depth = max(self.depth, depth)
            for inner in value.values() if isinstance(value, dict) else value:
                self.measure(inner, depth + 1)


def check(texts, postgres_verdicts):
    """Compares the verdicts; how many texts had which pair."""
    seen = {}
    for text, ours, theirs in zip(texts, scanner_verdicts(texts), postgres_verdicts(texts),
                                  strict=True):
        seen[ours, theirs] = seen.get((ours, theirs), 0) + 1
        if theirs != "ok":
            assert ours != "ok", f"too lenient, Postgres says {theirs}: {text!r}"
            continue
        shape = Shape(text)
        if ours == "duplicate_key":
            assert shape.repeated, text
        elif ours == "too_deep":
            assert shape.depth > DEPTH_MAX, text
        elif ours == "too_many_keys":
            assert shape.keys > KEYS_MAX, text
        else:
            assert ours == "ok", f"too strict, {ours}: {text!r}"
            assert not shape.repeated and shape.depth <= DEPTH_MAX, text
    return seen


NUMBERS = """0 -0 00 01 -01 +1 1. .5 -.5 1.0 1e5 1E5 1e+5 1e-5 1e 1e+ 1.e5 1.5e5 - -- 1-1 0x10 NaN Infinity
-Infinity nan 1_000 1e131071 1e131072 9e131071 -9.99e131071 10e131071 0.1e131072 0.1e131073 0.01e131073
0.01e131074 1e-16383 1e-16384 1.5e-16383 1.5e-16382 0e16384 0e-16383 0e-16384 0e131072 0e999999 0e1073741822
0e1073741823 0e1073741824 0e-1073741823 0e99999999999999999999999 1e99999999999999999999999 1e-9999999999999
0.0e0000000000000000000000000000000001 1e0000000000000000000000000000000131071 9007199254740993
1e00000000000000000000000000000000131072 123456789012345678901234567890.5 0.0 -0.0 -0e5 0.000e-16380
0.000e-16381""".split()

STRINGS = [
    rb'"\u0000"', rb'"\u0001"', rb'"\u00"', rb'"\u00zz"', rb'"\uD800"', rb'"\uD800\uDC00"',
    rb'"\uDBFF\uDFFF"', rb'"\uDC00"', rb'"\uD800\uD800"', rb'"\uD800\u0041"', rb'"\uD800x"',
    rb'"\uD83D\uDE00"', rb'"\ud83d\ude00"', rb'"\uD800\n"', rb'"\uD800\"', rb'"\uFFFF"', rb'"\uFFFE"',
    rb'"\q"', rb'"\a"', rb'"\v"', rb'"\0"', rb'"\x41"', rb'"\U0041"', rb'"\"', rb'"\\"', rb'"\/"',
    rb'"\b\f\n\r\t"', b'"\t"', b'"\n"', b'"\x00"', b'"\x1f"', b'"\x7f"', b'"\xc2\x80"', b'"\xc0\x80"',
    b'"\xc1\xbf"', b'"\xe0\x80\x80"', b'"\xe0\xa0\x80"', b'"\xed\x9f\xbf"', b'"\xed\xa0\x80"',
    b'"\xed\xbf\xbf"', b'"\xee\x80\x80"', b'"\xef\xbf\xbf"', b'"\xef\xbb\xbf"', b'"\xf0\x80\x80\x80"',
    b'"\xf0\x90\x80\x80"', b'"\xf4\x8f\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"',
    b'"\x80"', b'"\xff"', b'"\xc3"', b'"\xe2\x82"', b'"\xf0\x9f\x98"', b"'a'", b'"a', b'a"', b'"',
]

DOCUMENTS = [
    b"", b" ", b"\t\n\r ", b"\x0b1", b"\x0c1", b"\xc2\xa01", b"\xef\xbb\xbf{}", b"{}", b"[]", b"{ }", b"[ ]",
    b"null", b"true", b"false", b"nul", b"nulll", b"True", b"tru", b"truefalse", b"1 2", b"{} {}", b"[]]",
    b"[", b"]", b"{", b"}", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1,,2]", b"[1 2]", b"[}", b"{]", b"[1}",
    b'{"a"}', b'{"a":}', b'{"a":1,}', b'{,"a":1}', b'{"a":1 "b":2}', b'{"a":1:2}', b"{a:1}", b"{1:2}",
    b'{"a":1,"b":2}', b'{"a" : 1 , "b" : [ ] }', b'{"a":1', b'{"a"', b'{"a":', b'{"', b'{"a":1}x', b"//x\n1",
    b"/**/1", b'{"":1}', b'{"a":{"a":{"a":1}}}', b'{"a":1,"a":2}', rb'{"a":1,"\u0061":2}',
    rb'{"\ud83d\ude00":1,"\uD83D\uDE00":2}', b'{"x":{"b":1,"b":1}}', b'[{"b":1},{"b":1}]',
    b'{"a":1,"b":{"a":1},"c":{"a":1},"a":1}', b"[" * 64 + b"]" * 64, b"[" * 65 + b"]" * 65,
    b'{"a":' * 64 + b"1" + b"}" * 64, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 63 + b"{}" + b"]" * 63,
    b"[" * 64 + b"{}" + b"]" * 64, b"[" * 5000,
    b"{" + b",".join(b'"%d":0' % n for n in range(KEYS_MAX)) + b"}",
    b"{" + b",".join(b'"%d":0' % n for n in range(KEYS_MAX + 1)) + b"}",
]

EVENT = json.dumps({
    "id": "evt_01HZ0000000000000000000009", "subject": "melmastoon.reservation.confirmed.v1",
    "occurredAt": "2026-01-02T03:04:05.678Z", "tenantId": "tnt_01HZ0000000000000000000001",
    "producedBy": {"service": "reservation-service", "version": "1.0.0"}, "correlationId": None,
    "payload": {"name": "هتل کابل \U0001f3e8", "escaped": "a\"b\\c\n\u0001", "nights": 3, "adr": 12.50,
                "micro": -1.5e-7, "flags": [True, False, None, [], {}],
                "items": [{"itemId": "rit_1", "stay": {"start": "2026-01-02", "end": "2026-01-05"}}]},
}).encode()
SEEDS = [EVENT, b'{"a":[1,2,{"b":"c"}]}', json.dumps(json.loads(EVENT), ensure_ascii=False).encode(),
         json.dumps(json.loads(EVENT), ensure_ascii=False, indent=1).encode()]
TOKENS = [b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"1", b"-", b".", b"e", b"0", b"\\u", b"\\u0000",
          b"\\ud83d", b"\\ude00", b"null", b"true", b" ", b"\n", b"\x00", b"\x80", b"\xc3", b"\xa9", b"\xed\xa0\x80",
          b'"id":1,', b'"a":', b"1e999999", b'\\"', b"\xf0\x9f\x8f\xa8", b"/"]


def mutants(rng, count):
    """Texts near to valid ones: bytes changed, cut, doubled, tokens put in."""
    for _ in range(count):
        text = bytearray(rng.choice(SEEDS))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at, length = rng.randrange(len(text) + 1), rng.choice((1, 1, 2, 5, 40))
            kind = rng.randrange(5)
            if kind == 0:
                text[at:at + 1] = bytes([rng.randrange(256)])
            elif kind == 1:
                del text[at:at + length]
            elif kind == 2:
                text[at:at] = rng.choice(TOKENS)
            elif kind == 3:
                text[at:at + length] = rng.choice(TOKENS)
            else:
                source = rng.randrange(len(text) + 1)
                text[at:at] = text[source:source + length]
        yield bytes(text)


def number_texts(rng, count):
    """Numbers around the limits of numeric."""
    for _ in range(count):
        whole = "0" if rng.random() < 0.4 else "9" * rng.choice((1, 2, 5, 100))
        zeros = "0" * rng.choice((0, 0, 1, 3, 4, 5, 50))
        fraction = "." + zeros + rng.choice(("", "1", "123", "5000")) if rng.random() < 0.6 else ""
        if fraction == ".":
            fraction = ".0"
        near = rng.choice((0, 5, 16383, 131071, 1073741823))
        exponent = rng.choice((1, -1)) * (near + rng.randrange(-110, 111))
        yield f"{rng.choice(('', '-'))}{whole}{fraction}e{exponent}".encode()


def test_hand_picked(postgres_verdicts):
    texts = [number.encode() for number in NUMBERS] + STRINGS + DOCUMENTS
    texts += [b'{"k":' + text + b"}" for text in texts] + [b'{"k":[' + text + b"]}" for text in texts]
    texts += [b'{"' + b"9" * digits + b'":' + b"9" * digits + b"}" for digits in (131072, 131073)]
    texts += [b"0." + b"0" * (digits - 1) + b"1" for digits in (16383, 16384)]
    seen = check(texts, postgres_verdicts)
    assert ("duplicate_key", "ok") in seen and ("too_deep", "ok") in seen
    assert ("too_many_keys", "ok") in seen


def test_mutants(postgres_verdicts):
    seen = check(list(mutants(random.Random(20261123), MUTANTS)), postgres_verdicts)
    assert seen["ok", "ok"] > MUTANTS / 20 and ("invalid_utf8", "22021") in seen


def test_numbers(postgres_verdicts):
    seen = check(list(number_texts(random.Random(15), 4000)), postgres_verdicts)
    assert seen["ok", "ok"] > 400 and seen["invalid_json", "22003"] > 400
