/* Keys, key sets and tokens; see mint.h. */
#include "tests/unit/mint.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

EVP_PKEY *mint_key(enum mint_kind kind)
{
	EVP_PKEY *key = kind == MINT_RSA    ? EVP_RSA_gen(2048)
			: kind == MINT_P256 ? EVP_EC_gen("P-256")
					    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	ASSERT(key != NULL);
	return key;
}

void mint_base64url(struct strbuf *out, const void *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < len ? (unsigned)p[i + 1] << 8 : 0) |
			     (i + 2 < len ? p[i + 2] : 0U);

		for (size_t d = 0; d < 4 && d <= len - i; d++)
			strbuf_append_char(out, digits[v >> (18 - 6 * d) & 63]);
	}
}

void mint_number(struct strbuf *out, const char *name, const EVP_PKEY *key, const char *param,
		 int len)
{
	unsigned char bytes[1024];
	BIGNUM *n = NULL;

	ASSERT(EVP_PKEY_get_bn_param(key, param, &n) == 1);
	len = len != 0 ? len : BN_num_bytes(n);
	ASSERT(BN_bn2binpad(n, bytes, len) == len);
	BN_free(n);
	strbuf_appendf(out, ",\"%s\":\"", name);
	mint_base64url(out, bytes, (size_t)len);
	strbuf_append_char(out, '"');
}

void mint_jwk(struct strbuf *out, const EVP_PKEY *key, enum mint_kind kind, const char *kid)
{
	static const char *const heads[MINT_KINDS] = {"\"kty\":\"RSA\"",
						      "\"kty\":\"EC\",\"crv\":\"P-256\"",
						      "\"kty\":\"OKP\",\"crv\":\"Ed25519\""};
	unsigned char raw[32];
	size_t len = sizeof(raw);

	if (out->len > 0 && out->ptr[out->len - 1] == '}')
		strbuf_append_char(out, ',');
	strbuf_appendf(out, "{%s,\"kid\":\"%s\"", heads[kind], kid);
	if (kind == MINT_RSA) {
		mint_number(out, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
		mint_number(out, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (kind == MINT_P256) {
		mint_number(out, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
		mint_number(out, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	} else {
		ASSERT(EVP_PKEY_get_raw_public_key(key, raw, &len) == 1);
		strbuf_append_str(out, ",\"x\":\"");
		mint_base64url(out, raw, len);
		strbuf_append_char(out, '"');
	}
	strbuf_append_char(out, '}');
}

size_t mint_signature(EVP_PKEY *key, bool der, struct slice text, unsigned char out[1024])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ed = EVP_PKEY_is_a(key, "ED25519") == 1;
	size_t len = 1024;

	ASSERT(EVP_DigestSignInit_ex(ctx, NULL, ed ? NULL : "SHA256", NULL, NULL, key, NULL) == 1);
	ASSERT(EVP_DigestSign(ctx, out, &len, (const unsigned char *)text.ptr, text.len) == 1);
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_is_a(key, "EC") == 1 && !der) {
		const unsigned char *p = out;
		ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);

		ASSERT(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32) == 32);
		ASSERT(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32) == 32);
		ECDSA_SIG_free(sig);
		len = 64;
	}
	return len;
}

void mint_unsigned(struct strbuf *out, const char *header, const char *payload)
{
	mint_base64url(out, header, strlen(header));
	strbuf_append_char(out, '.');
	mint_base64url(out, payload, strlen(payload));
}

void mint_token(struct strbuf *out, EVP_PKEY *key, const char *header, const char *payload)
{
	unsigned char signature[1024];
	size_t len;

	strbuf_reset(out);
	mint_unsigned(out, header, payload);
	len = mint_signature(key, false, strbuf_slice(out), signature);
	strbuf_append_char(out, '.');
	mint_base64url(out, signature, len);
}
