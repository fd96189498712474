"""Our verifier against others that share no code with it above libcrypto.

Some 250 tokens, honest, odd and mutated, are signed with OpenSSL's command line and judged by
build/MODE/tests/tools/verify_token and by oracles, at least two for each algorithm: jwcrypto and PyJWT
(all of them), the `jose` command (RS256, ES256), and below JOSE `openssl pkeyutl` (EdDSA, which jose
cannot). We may never accept what an oracle refuses. We may refuse what one accepts only where STRICTER
says so, and the reason we give must be the one listed there.
"""

import base64
import json
import os
import random
import subprocess
import tempfile

import jwt
import pytest
from jwcrypto import jwk, jws
from jwcrypto.common import JWException

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VERIFY_TOKEN = os.path.join(CHECKOUT, "build", os.environ.get("MODE", "release"),
                            "tests", "tools", "verify_token")
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MUTANTS = 60  # of each algorithm
GENPKEY = {
    "RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "EdDSA": ["-algorithm", "ED25519"],
}

# What we refuse and an oracle lets pass: our reason (its beginning) -> why we are right to.
STRICTER = {
    'the header has "': "an extension that we do not understand changes what the token means",
    "the header needs strings alg and kid": "jose tries every key it has; we take the one named",
    'unknown kid "': "the same",
    'alg "': "the openssl oracle reads no header; jose lets the key speak when alg is missing",
    "the header is not base64url": "jose skips space in front of a token",
    "the signature has not the form of its key": "a signature has one canonical base64url form",
    "the header is not valid JSON": "the openssl oracle reads no header, jose takes double keys",
    "the header is no JSON object": "the openssl oracle reads no header",
    "the payload is not valid JSON": "JWS signs any bytes, a JWT is a JSON object",
    "the payload is no JSON object": "the same",
}


def run(*argv, data=b"", check=True):
    done = subprocess.run(argv, input=data, capture_output=True, check=False)
    assert not check or done.returncode == 0, (argv, done.stderr)
    return done


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def unb64(text):
    """As lenient as a decoder may be: padding is made up, spare bits are dropped."""
    return base64.urlsafe_b64decode(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4))


def der_numbers(der):
    """SEQUENCE of two INTEGERs -> 32 + 32 bytes."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return b"".join(n.to_bytes(32, "big") for n in numbers)


class Key:
    """A key pair in files; its JWK; signing and the oracle's verdict, both by other people's code."""

    def __init__(self, directory, alg):
        self.alg, self.kid = alg, f"key-{alg.lower()}"
        self.pem, self.pub, self.jwks, self.scratch = (
            os.path.join(directory, alg + end) for end in (".pem", ".pub", ".jwk", ".scratch"))
        run("openssl", "genpkey", *GENPKEY[alg], "-out", self.pem)
        run("openssl", "pkey", "-in", self.pem, "-pubout", "-out", self.pub)
        der = run("openssl", "pkey", "-in", self.pem, "-pubout", "-outform", "DER").stdout
        if alg == "RS256":
            n = run("openssl", "rsa", "-in", self.pem, "-noout", "-modulus").stdout
            self.jwk = {"kty": "RSA", "n": bytes.fromhex(n.decode().split("=")[1]), "e": b"\1\0\1"}
        elif alg == "ES256":
            self.jwk = {"kty": "EC", "crv": "P-256", "x": der[-64:-32], "y": der[-32:]}
        else:
            self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": der[-32:]}
        self.jwk = {k: b64(v).decode() if isinstance(v, bytes) else v for k, v in self.jwk.items()}
        self.jwk.update(kid=self.kid, alg=alg, use="sig")
        with open(self.jwks, "w", encoding="ascii") as out:
            json.dump(self.jwk, out)

    def save(self, data):
        with open(self.scratch, "wb") as out:
            out.write(data)
        return self.scratch

    def sign(self, signed):
        if self.alg == "EdDSA":
            signature = run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.pem,
                            "-in", self.save(signed)).stdout
        else:
            signature = run("openssl", "dgst", "-sha256", "-sign", self.pem, data=signed).stdout
        return der_numbers(signature) if self.alg == "ES256" else signature

    def token(self, header, payload):
        signed = b64(header) + b"." + b64(payload)
        return signed + b"." + b64(self.sign(signed))

    def jose(self, token):
        return run("jose", "jws", "ver", "-i", "-", "-k", self.jwks, "-O", os.devnull,
                   data=token, check=False).returncode == 0

    def pkeyutl(self, token):
        signed, _, signature = token.rpartition(b".")
        try:
            signature = unb64(signature)
        except ValueError:
            return False
        with open(self.scratch + ".sig", "wb") as out:
            out.write(signature)
        return run("openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", self.pub,
                   "-sigfile", self.scratch + ".sig", "-in", self.save(signed),
                   check=False).returncode == 0

    def jwcrypto(self, token):
        """It verifies what it decoded and encoded again: of a token that is not canonical it says nothing (None)."""
        try:
            if token != b".".join(b64(unb64(part)) for part in token.split(b".")):
                return None
            heard = jws.JWS()
            heard.allowed_algs = [self.alg]
            heard.deserialize(token.decode(), jwk.JWK(**self.jwk))
            return heard.is_valid
        except (JWException, ValueError, TypeError):
            return False

    def pyjwt(self, token):
        try:
            jwt.decode(token, jwt.PyJWK(self.jwk, self.alg).key, [self.alg],
                       options=dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud"), False))
            return True
        except (jwt.PyJWTError, ValueError, TypeError):
            return False

    def verdicts(self, token):
        """{oracle: whether it accepts}"""
        oracles = [self.jwcrypto, self.pyjwt, self.pkeyutl if self.alg == "EdDSA" else self.jose]
        said = {oracle.__name__: oracle(token) for oracle in oracles}
        return {name: accepts for name, accepts in said.items() if accepts is not None}


def honest(key, rng):
    header = {"alg": key.alg, "kid": key.kid, **rng.choice(({}, {"typ": "JWT"}, {"cty": "\u00e9\u4e2d"}))}
    claims = {"sub": "".join(chr(rng.choice((rng.randrange(32, 127), rng.randrange(160, 0xd800))))
                             for _ in range(rng.randrange(40))),
              "exp": rng.randrange(1 << 40), "roles": ["a"] * rng.randrange(30)}
    items = list(header.items())
    rng.shuffle(items)
    return key.token(json.dumps(dict(items)).encode(),
                     json.dumps(claims, ensure_ascii=rng.random() < 0.5).encode())


def odd(key):
    """Tokens that the key's owner signed and nobody should have asked him to."""
    alg, kid = key.alg.encode(), key.kid.encode()
    plain = b'{"alg":"%s","kid":"%s"}' % (alg, kid)
    headers = [plain[:-1] + b',"%s}' % extra for extra in (
        b'crit":["exp"],"exp":1', b'crit":["unknown"],"unknown":1', b'crit":[]', b'b64":true',
        b'b64":false', b'zip":"DEF"', b'alg":"none"', b'alg":"%s"' % alg, b'kid":"other"',
        b'jwk":{"kty":"oct","k":"AAAA"}', b'jku":"http://127.0.0.1:1/"', b'x5c":["AAAA"]')]
    headers += [b'{"alg":"%s"}' % alg, b'{"kid":"%s"}' % kid, b'{"alg":"none","kid":"%s"}' % kid,
                b'{"alg":"HS256","kid":"%s"}' % kid, b'{"alg":"%s","kid":"other"}' % alg,
                b'{"alg":"%s","kid":7}' % alg, b'[]', b'', plain + b' x', b' ' + plain + b'\n']
    tokens = [key.token(header, b'{"exp":1}') for header in headers]
    tokens += [key.token(plain, payload) for payload in
               (b'', b'[]', b'"x"', b'\xff', b'{"a":1,"a":2}', b'{"a":"\\u0000"}', b'{"a":1}}')]
    return tokens


def mutate(token, rng):
    parts = token.split(b".")
    which = rng.randrange(3)
    part = bytearray(parts[which])
    at = rng.randrange(len(part))
    kind = rng.randrange(9)
    if kind == 0:
        part[at] = rng.choice(ALPHABET)
    elif kind == 1:
        part[at] = rng.randrange(256)
    elif kind == 2:
        del part[at:at + rng.randrange(1, 5)]
    elif kind == 3:
        part[at:at] = rng.choice((b"=", b"\n", b" ", b"A", b".", b"\0"))
    elif kind == 4:
        part += rng.choice((b"=", b"==", b"\n", b" ", b"A", b"AA", b"AAAA", b"."))
    elif kind == 5:  # the same bits, another last digit
        part[-1] = ALPHABET[ALPHABET.index(part[-1]) ^ 1]
    elif kind == 6:
        part = part.replace(b"-", b"+").replace(b"_", b"/")
    elif kind == 7:
        part[:] = b"" if rng.random() < 0.5 else parts[rng.randrange(3)]
    parts[which] = bytes(part)
    if kind == 8:
        rng.shuffle(parts)
    return b".".join(parts)


@pytest.fixture(scope="module")
def keys():
    with tempfile.TemporaryDirectory(prefix="jwt-") as directory:
        made = [Key(directory, alg) for alg in GENPKEY]
        yield made


def our_verdicts(keys, tokens):
    path = keys[0].jwks + "s"
    with open(path, "w", encoding="ascii") as out:
        json.dump({"keys": [key.jwk for key in keys]}, out)
    lines = b"".join(token.hex().encode() + b"\n" for token in tokens)
    verdicts = run(VERIFY_TOKEN, path, data=lines).stdout.decode().splitlines()
    assert len(verdicts) == len(tokens)
    return verdicts


@pytest.mark.parametrize("alg", GENPKEY)
def test_agrees_with_the_oracle(keys, alg):
    rng = random.Random(f"jwt {alg}")
    key = next(k for k in keys if k.alg == alg)
    good = [honest(key, rng) for _ in range(5)]
    assert our_verdicts(keys, good) == ["ok"] * len(good)
    tokens = good + odd(key) + [mutate(rng.choice(good), rng) for _ in range(MUTANTS)]
    counts = {"both accept": 0, "both refuse": 0, "stricter": 0}
    for token, ours in zip(tokens, our_verdicts(keys, tokens)):
        theirs = key.verdicts(token)
        if ours == "ok":
            refused = {name for name, accepts in theirs.items() if not accepts}
            assert not refused, f"we accept {token!r}, {refused} do not"
            counts["both accept"] += 1
        elif not any(theirs.values()):
            counts["both refuse"] += 1
        else:
            reason = ours.partition(" ")[2]
            assert reason.startswith(tuple(STRICTER)), f"we refuse {token!r}: {reason}; {theirs}"
            counts["stricter"] += 1
    print(counts)
    assert counts["both accept"] >= 8 and counts["both refuse"] >= 20, counts
