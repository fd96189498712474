"""tools/stack token: claims, and signatures as other implementations see them."""

import base64
import json
import time

import pytest

from harness import run

TENANT = "tnt_01HZ0000000000000000000001"
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")


def decode(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims(token):
    return json.loads(decode(token.split(".")[1]))


def keys(stack):
    with open(stack.path("secrets", "jwks.json"), encoding="utf-8") as jwks:
        return {key["alg"]: key for key in json.load(jwks)["keys"]}


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_signatures_hold_for_jose(stack, tmp_path, algorithm):
    for _ in range(8):  # r and s of ES256 have leading zeros now and then
        token = stack.token(TENANT, "--alg", algorithm)
        (tmp_path / "key").write_text(json.dumps(keys(stack)[algorithm]))
        (tmp_path / "token").write_text(token)
        run(["jose", "jws", "ver", "-i", str(tmp_path / "token"), "-k", str(tmp_path / "key")])
    assert json.loads(decode(token.split(".")[0]))["alg"] == algorithm


def test_eddsa_signature_holds_for_openssl(stack, tmp_path):
    signed, _, signature = stack.token(TENANT).rpartition(".")
    assert json.loads(decode(signed.split(".")[0])) == {
        "alg": "EdDSA", "typ": "JWT", "kid": keys(stack)["EdDSA"]["kid"]}
    for name, content in {"key": ED25519_SPKI + decode(keys(stack)["EdDSA"]["x"]),
                          "signed": signed.encode(), "signature": decode(signature)}.items():
        (tmp_path / name).write_bytes(content)
    run(["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey",
         str(tmp_path / "key"), "-rawin", "-in", str(tmp_path / "signed"), "-sigfile",
         str(tmp_path / "signature")])


def test_jwks_holds_no_private_part(stack):
    assert set(keys(stack)) == {"EdDSA", "ES256", "RS256"}
    assert not any(set(key) & {"d", "p", "q"} for key in keys(stack).values())


def test_claims(stack):
    user = claims(stack.token(TENANT, "--user", "usr_1", "--role", "staff", "--role", "manager",
                              "--property", "ppt_1", "--property", "ppt_2", "--ttl", "60"))
    assert (user["sub"], user["tenantId"]) == ("usr_1", TENANT)
    assert (user["roles"], user["propertyAccess"]) == (["staff", "manager"], ["ppt_1", "ppt_2"])
    assert 55 < user["exp"] - time.time() <= 60
    plain = claims(stack.token(TENANT, "--aud", "somebody-else"))
    assert plain["roles"] == ["tenant.admin"] and "propertyAccess" not in plain
    assert plain["aud"] == "somebody-else"

    service = claims(stack.token(TENANT, "--service", "sync-service"))
    assert (service["sub"], service["aud"]) == ("sync-service", "analytics-ingest")
    assert service["tenants"] == [TENANT]
    assert "tenants" not in claims(stack.env["INGESTD_TOKEN"])

    oidc = claims(stack.token(None, "--oidc", "push@example.com"))
    assert oidc["iss"] == "https://accounts.google.com" and oidc["email_verified"] is True
    assert oidc["aud"] == stack.env["INGESTD_URL"] + "/pubsub/push"

    assert claims(stack.token(TENANT, "--ttl", "-60"))["exp"] < time.time()
