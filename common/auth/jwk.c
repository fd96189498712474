/*
 * Public keys on OpenSSL 3; see jwk.h. Keys are checked once, when the set is read; a malformed one
 * refuses the whole set, so that its owner hears of it and the caller goes on with the set before.
 *
 * OpenSSL leaves its errors in a queue of the thread, where the next TLS connection would find
 * them: every function that may fail empties it.
 */
#include "common/auth/jwk.h"

#include <errno.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"

#define KEYS_MAX      64
#define RSA_BITS_MIN  2048
#define RSA_BYTES_MAX JWK_SIGNATURE_MAX
#define EXPONENT_MAX  8  /* bytes */
#define COORDINATE    32 /* bytes, of a point of P-256; an Ed25519 key is one */
#define RAW_SIGNATURE (2 * COORDINATE)
#define DER_MAX       (RAW_SIGNATURE + 16)

/* hash_base64url_decode wants three bytes more than it writes. */
#define DECODED(len) ((len) + 3)

struct key_type;

struct jwk {
	char *kid;
	const struct key_type *type;
	EVP_PKEY *pkey;
};

struct jwk_set {
	size_t count;
	struct jwk keys[KEYS_MAX];
};

/* A base64url member of a JWK; out holds DECODED(max) bytes. */
static int jwk_bytes(const struct json *jwk, const char *name, unsigned char *out, size_t max,
		     size_t *ret_len, struct err *e)
{
	const char *text;
	int r = json_string(json_get(jwk, name), name, &text, e);

	if (r < 0)
		return r;
	if (strlen(text) > (max * 4 + 2) / 3 ||
	    hash_base64url_decode(slice_of(text), out, ret_len) < 0)
		return err_set(e, -EINVAL, "%s must be base64url of at most %zu bytes", name, max);
	return 0;
}

static int make_pkey(const char *type, OSSL_PARAM *params, EVP_PKEY **ret, struct err *e)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;
	int r = 0;

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
		*ret = pkey;
	else
		r = err_set(e, -EINVAL, "not a valid %s public key", type);
	EVP_PKEY_CTX_free(ctx);
	return r;
}

/* A big-endian number in place into the machine's order, as OSSL_PARAM wants it. */
static bool to_native(unsigned char *number, size_t len)
{
	BIGNUM *n = BN_bin2bn(number, (int)len, NULL);
	bool ok = n != NULL && BN_bn2nativepad(n, number, (int)len) == (int)len;

	BN_free(n);
	return ok;
}

/* OpenSSL's own check of an RSA key looks for primes: 60 ms for 4096 bits, in which the loop
 * stands, and nothing learnt about a key that its owner published. Length and exponent are what
 * counts: with exponent 1 every text is its own signature. */
static int import_rsa(const struct json *jwk, EVP_PKEY **ret, struct err *e)
{
	unsigned char n[DECODED(RSA_BYTES_MAX)], exponent[DECODED(EXPONENT_MAX)];
	size_t n_len = 0, exponent_len = 0;
	EVP_PKEY *pkey = NULL;
	int r = jwk_bytes(jwk, "n", n, RSA_BYTES_MAX, &n_len, e);
	int bits;

	if (r == 0)
		r = jwk_bytes(jwk, "e", exponent, EXPONENT_MAX, &exponent_len, e);
	if (r < 0)
		return r;
	if (exponent_len == 0 || exponent[exponent_len - 1] % 2 == 0 ||
	    (exponent_len == 1 && exponent[0] == 1) || exponent[0] == 0)
		return err_set(e, -EINVAL, "e must be odd, above 1, without leading zeros");
	if (!to_native(n, n_len) || !to_native(exponent, exponent_len))
		return err_set(e, -EINVAL, "n and e must be numbers");
	r = make_pkey("RSA",
		      (OSSL_PARAM[]){OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, n_len),
				     OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, exponent,
							     exponent_len),
				     OSSL_PARAM_construct_end()},
		      &pkey, e);
	if (r < 0)
		return r;
	bits = EVP_PKEY_get_bits(pkey);
	if (bits < RSA_BITS_MIN) {
		EVP_PKEY_free(pkey);
		return err_set(e, -EINVAL, "an RSA key of %d bits, at least %d are needed", bits,
			       RSA_BITS_MIN);
	}
	*ret = pkey;
	return 0;
}

/* OpenSSL refuses a point off the curve; on P-256 there is no other bad one. */
static int import_p256(const struct json *jwk, EVP_PKEY **ret, struct err *e)
{
	unsigned char point[1 + COORDINATE + DECODED(COORDINATE)] = {POINT_CONVERSION_UNCOMPRESSED};
	char group[] = "P-256";
	size_t x_len = 0, y_len = 0;
	int r = jwk_bytes(jwk, "x", point + 1, COORDINATE, &x_len, e);

	if (r == 0)
		r = jwk_bytes(jwk, "y", point + 1 + COORDINATE, COORDINATE, &y_len, e);
	if (r < 0)
		return r;
	if (x_len != COORDINATE || y_len != COORDINATE)
		return err_set(e, -EINVAL, "x and y must have %d bytes", COORDINATE);
	return make_pkey("EC",
			 (OSSL_PARAM[]){OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
									 group, 0),
					OSSL_PARAM_construct_octet_string(
						OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * COORDINATE),
					OSSL_PARAM_construct_end()},
			 ret, e);
}

static int import_ed25519(const struct json *jwk, EVP_PKEY **ret, struct err *e)
{
	unsigned char x[DECODED(COORDINATE)];
	size_t len = 0;
	int r = jwk_bytes(jwk, "x", x, COORDINATE, &len, e);

	if (r < 0)
		return r;
	return make_pkey(
		"ED25519",
		(OSSL_PARAM[]){OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, x, len),
			       OSSL_PARAM_construct_end()},
		ret, e);
}

/* The keys there are for us; an algorithm that is not here does not exist. */
static const struct key_type {
	const char *kty, *crv, *alg;
	const char *digest;   /* NULL: the algorithm hashes by itself */
	size_t signature_len; /* 0: the modulus' */
	bool ecdsa;           /* the signature is r and s, OpenSSL wants DER */
	int (*import)(const struct json *jwk, EVP_PKEY **ret, struct err *e);
} key_types[] = {
	{"RSA", NULL, "RS256", "SHA256", 0, false, import_rsa},
	{"EC", "P-256", "ES256", "SHA256", RAW_SIGNATURE, true, import_p256},
	{"OKP", "Ed25519", "EdDSA", NULL, RAW_SIGNATURE, false, import_ed25519},
};

/* The key's type if it is one of ours, meant for checking signatures, and can be named. */
static const struct key_type *usable_type(const struct json *jwk)
{
	const struct json *use = json_get(jwk, "use"), *ops = json_get(jwk, "key_ops");
	const struct json *alg = json_get(jwk, "alg");

	if ((use != NULL && !json_is(use, "sig")) || (ops != NULL && !json_has(ops, "verify")) ||
	    json_string_or_null(json_get(jwk, "kid")) == NULL)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(key_types); i++) {
		const struct key_type *t = &key_types[i];

		if (json_is(json_get(jwk, "kty"), t->kty) &&
		    (t->crv == NULL || json_is(json_get(jwk, "crv"), t->crv)))
			return alg == NULL || json_is(alg, t->alg) ? t : NULL;
	}
	return NULL;
}

const struct jwk *jwk_set_find(const struct jwk_set *set, const char *kid)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->keys[i].kid, kid) == 0)
			return &set->keys[i];
	return NULL;
}

static int add_key(struct jwk_set *set, const struct json *jwk, struct err *e)
{
	const struct key_type *type = usable_type(jwk);
	struct jwk *key = &set->keys[set->count];
	const char *kid;
	int r;

	if (type == NULL)
		return 0;
	kid = json_string_or_null(json_get(jwk, "kid"));
	if (set->count == KEYS_MAX)
		return err_set(e, -EINVAL, "more than %d keys", KEYS_MAX);
	if (jwk_set_find(set, kid) != NULL)
		return err_set(e, -EINVAL, "kid \"%s\" occurs twice", kid);
	r = type->import(jwk, &key->pkey, e);
	if (r < 0)
		return err_wrap(e, r, "key \"%s\"", kid);
	key->type = type;
	key->kid = xstrdup(kid);
	set->count++;
	return 0;
}

int jwk_set_parse(struct slice jwks, struct jwk_set **ret, struct err *e)
{
	const struct json *list;
	struct jwk_set *set;
	struct json *doc;
	int r = json_parse(jwks, JWK_SET_MAX, &doc, e);

	if (r < 0)
		return err_wrap(e, r, "JWKS");
	set = xcalloc(1, sizeof(*set));
	list = json_get(doc, "keys");
	if (list == NULL || json_kind(list) != JSON_ARRAY)
		r = err_set(e, -EINVAL, "an object with an array \"keys\" is needed");
	for (size_t i = 0; r == 0 && i < json_len(list); i++)
		r = add_key(set, json_at(list, i), e);
	if (r == 0 && set->count == 0)
		r = err_set(e, -EINVAL, "no usable key (with kid, for RS256, ES256 or EdDSA)");
	json_free(doc);
	ERR_clear_error();
	if (r < 0) {
		jwk_set_free(set);
		return err_wrap(e, r, "JWKS");
	}
	*ret = set;
	return 0;
}

void jwk_set_free(struct jwk_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++) {
		EVP_PKEY_free(set->keys[i].pkey);
		free(set->keys[i].kid);
	}
	free(set);
}

size_t jwk_set_count(const struct jwk_set *set)
{
	return set->count;
}

/* ---- signatures */

/* r and s as DER; the length, 0 on failure. Whether they lie in 1..order-1 is OpenSSL's check. */
static size_t ecdsa_der(const unsigned char *raw, unsigned char out[DER_MAX])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, COORDINATE, NULL);
	BIGNUM *s = BN_bin2bn(raw + COORDINATE, COORDINATE, NULL);
	int len = 0;

	if (sig != NULL && ECDSA_SIG_set0(sig, r, s) == 1) { /* fails on NULL */
		len = i2d_ECDSA_SIG(sig, &out);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return len > 0 ? (size_t)len : 0;
}

const char *jwk_alg(const struct jwk *key)
{
	return key->type->alg;
}

size_t jwk_signature_len(const struct jwk *key)
{
	size_t len = key->type->signature_len;

	return len != 0 ? len : (size_t)EVP_PKEY_get_size(key->pkey);
}

bool jwk_signature_holds(const struct jwk *key, struct slice text, const unsigned char *signature)
{
	const struct key_type *type = key->type;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = jwk_signature_len(key);
	unsigned char der[DER_MAX];
	bool ok;

	if (type->ecdsa) {
		len = ecdsa_der(signature, der);
		signature = der;
	}
	ok = ctx != NULL && len != 0 &&
	     EVP_DigestVerifyInit_ex(ctx, NULL, type->digest, NULL, NULL, key->pkey, NULL) == 1 &&
	     EVP_DigestVerify(ctx, signature, len, (const unsigned char *)text.ptr, text.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}
