"""Keys and tokens of a stack: one Ed25519, P-256 and RSA key, their JWKS, and JWTs signed with them.

OpenSSL's command line does the cryptography. Private keys stay with the user who called
tools/stack: the daemons read the JWKS only and cannot make tokens.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import subprocess
import time

from .process import StackError, clean_environment, write_atomic

ISSUER = "https://iam.melmastoon.ghasi.io"
AUDIENCE = "analytics-service"
INGEST_AUDIENCE = "analytics-ingest"
GOOGLE_ISSUER = "https://accounts.google.com"
PUSH_EMAIL = "pubsub-push@stack.iam.gserviceaccount.com"
SCHEDULER_EMAIL = "scheduler@stack.iam.gserviceaccount.com"
SCHEDULER_EMAIL = "scheduler@stack.iam.gserviceaccount.com"

ALGORITHMS = {
    "EdDSA": ("ed25519.pem", ["-algorithm", "ED25519"]),
    "ES256": ("p256.pem", ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
    "RS256": ("rsa.pem", ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
}


def _openssl(*argv, data=b""):
    done = subprocess.run(["openssl", *argv], input=data, capture_output=True, check=False,
                          env=clean_environment())
    if done.returncode != 0:
        raise StackError(f"openssl {argv[0]}: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def new_signing_key():
    """A private key for records of purges, as PEM."""
    return _openssl("genpkey", "-algorithm", "ED25519").decode().strip()


def _b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def create_keys(home):
    """Makes the keys that are not there and the JWKS of all three."""
    for name, options in ALGORITHMS.values():
        if not os.path.exists(home("secrets", name)):
            pem = _openssl("genpkey", *options).decode()
            write_atomic(home("secrets", name), pem, 0o600)
    jwks = home("secrets", "jwks.json")
    if not os.path.exists(jwks):
        keys = [_public_jwk(home, algorithm) for algorithm in ALGORITHMS]
        write_atomic(jwks, json.dumps({"keys": keys}, indent=2) + "\n", 0o644)


def _public_jwk(home, algorithm):
    pem = home("secrets", ALGORITHMS[algorithm][0])
    common = {"kid": f"stack-{algorithm.lower()}", "alg": algorithm, "use": "sig"}
    if algorithm == "RS256":
        modulus = _openssl("rsa", "-in", pem, "-noout", "-modulus").decode().strip()
        number = bytes.fromhex(modulus.partition("=")[2])
        return {"kty": "RSA", "n": _b64(number), "e": "AQAB", **common}
    public = _openssl("pkey", "-in", pem, "-pubout", "-outform", "DER")
    if algorithm == "EdDSA":  # the raw key ends the DER
        return {"kty": "OKP", "crv": "Ed25519", "x": _b64(public[-32:]), **common}
    return {"kty": "EC", "crv": "P-256", "x": _b64(public[-64:-32]), "y": _b64(public[-32:]),
            **common}


def sign(home, algorithm, claims):
    header = {"alg": algorithm, "typ": "JWT", "kid": f"stack-{algorithm.lower()}"}
    signed = ".".join(_b64(json.dumps(part, separators=(",", ":")).encode())
                      for part in (header, claims))
    pem = home("secrets", ALGORITHMS[algorithm][0])
    if algorithm == "EdDSA":
        signature = _sign_ed25519(pem, signed.encode())
    else:
        signature = _openssl("dgst", "-sha256", "-sign", pem, data=signed.encode())
        if algorithm == "ES256":
            signature = _ecdsa_raw(signature)
    return f"{signed}.{_b64(signature)}"


def _sign_ed25519(pem, data):
    """pkeyutl wants a file whose size it can ask for: one in memory."""
    fd = os.memfd_create("jwt")
    try:
        os.write(fd, data)
        done = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", pem,
                               "-in", f"/proc/self/fd/{fd}"], pass_fds=[fd],
                              capture_output=True, check=False, env=clean_environment())
    finally:
        os.close(fd)
    if done.returncode != 0:
        raise StackError(f"openssl pkeyutl: {done.stderr.decode('utf-8', 'replace').strip()}")
    return done.stdout


def _ecdsa_raw(der):
    """ASN.1 SEQUENCE of two INTEGERs -> 32 + 32 bytes."""
    numbers, at = [], 2
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def scope_value(key, tenant, backend, expires):
    """The signed setting that lets one backend of a tenant see all of its properties."""
    text = f"{tenant}|all|{backend}|{expires}"
    return f"{expires}|all|{hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()}"


def service_claims(name, audience=None, tenants=(), ttl=900):
    claims = {"iss": ISSUER, "sub": name, "aud": audience or INGEST_AUDIENCE, **_times(ttl)}
    if tenants:
        claims["tenants"] = list(tenants)
    return claims


def oidc_claims(email, audience, ttl=900):
    """As Google signs them for Pub/Sub push and Cloud Scheduler."""
    return {"iss": GOOGLE_ISSUER, "sub": "100000000000000000001", "azp": "100000000000000000001",
            "email": email, "email_verified": True, "aud": audience, **_times(ttl)}


def user_claims(tenant, user=None, roles=(), properties=None, audience=None, ttl=900):
    claims = {"iss": ISSUER, "sub": user or "usr_01HZ0000000000000000000001", "tenantId": tenant,
              "roles": list(roles or ["tenant.admin"]), "aud": audience or AUDIENCE, **_times(ttl)}
    if properties:
        claims["propertyAccess"] = list(properties)
    return claims


def _times(ttl):
    now = int(time.time())
    return {"iat": min(now, now + ttl), "exp": now + ttl, "jti": secrets.token_hex(8)}
