/*
 * The token verifier; see jwt.h. What keeps a forged token out:
 *
 *	a token names a key of our set (kid) and nothing more: keys and URLs inside a token (jwk,
 *	jku, x5c, x5u) are never looked at, and without a key there is no token
 *	a key has one algorithm and `alg` must be that one: "none" and HS256 are nobody's
 *	there is one way to write a token: three parts, canonical base64url, JSON objects without
 *	repeated keys; so no other reader can see another token in the same bytes
 *	extensions that must be understood (crit, b64, zip) are not understood
 *	a signature has the one length that its key demands
 *	the payload is not parsed before the signature held
 */
#include "common/auth/jwt.h"

#include <errno.h>
#include <math.h>
#include <strings.h>

#include "common/base/hash.h"
#include "common/base/num.h"

#define TIME_MAX (INT64_C(1) << 53)

/* hash_base64url_decode wants three bytes more than it writes. */
#define DECODED(len) ((len) + 3)

static int refuse(struct err *e, const char *why)
{
	return err_set(e, -EACCES, "%s", why);
}

/* One part of the token, a base64url JSON object. */
static int parse_part(struct slice part, const char *what, struct json **ret, struct err *e)
{
	unsigned char text[DECODED(JWT_TOKEN_MAX * 3 / 4)];
	struct err why = ERR_INIT;
	struct json *v = NULL;
	size_t len;

	if (hash_base64url_decode(part, text, &len) < 0)
		return err_set(e, -EACCES, "the %s is not base64url", what);
	if (json_parse((struct slice){(const char *)text, len}, len, &v, &why) < 0)
		return err_set(e, -EACCES, "the %s is %s", what, why.msg);
	if (json_kind(v) != JSON_OBJECT) {
		json_free(v);
		return err_set(e, -EACCES, "the %s is no JSON object", what);
	}
	*ret = v;
	return 0;
}

/* The key that the header names. */
static int choose_key(const struct jwk_set *keys, const struct json *header, const struct jwk **ret,
		      struct err *e)
{
	static const char *const extensions[] = {"crit", "b64", "zip"};
	const char *alg = json_string_or_null(json_get(header, "alg"));
	const char *kid = json_string_or_null(json_get(header, "kid"));
	const struct jwk *key;

	for (size_t i = 0; i < ARRAY_SIZE(extensions); i++)
		if (json_get(header, extensions[i]) != NULL)
			return err_set(e, -EACCES, "the header has \"%s\"", extensions[i]);
	if (alg == NULL || kid == NULL)
		return refuse(e, "the header needs strings alg and kid");
	key = jwk_set_find(keys, kid);
	if (key == NULL)
		return err_set(e, -ENOKEY, "unknown kid \"%s\"", kid);
	if (strcmp(alg, jwk_alg(key)) != 0)
		return err_set(e, -EACCES, "alg \"%s\", but key \"%s\" is for %s", alg, kid,
			       jwk_alg(key));
	*ret = key;
	return 0;
}

/* A token's parts, still encoded. A fourth one stays in the signature, where '.' is no digit. */
struct parts {
	struct slice header, payload, signature;
	struct slice text; /* what is signed */
};

static int split(struct slice token, struct parts *ret, struct err *e)
{
	const char *dot1, *dot2 = NULL;

	if (token.len > JWT_TOKEN_MAX)
		return refuse(e, "the token is too long");
	dot1 = token.len != 0 ? memchr(token.ptr, '.', token.len) : NULL;
	if (dot1 != NULL)
		dot2 = memchr(dot1 + 1, '.', (size_t)(token.ptr + token.len - dot1 - 1));
	if (dot2 == NULL)
		return refuse(e, "the token has less than three parts");
	ret->header = (struct slice){token.ptr, (size_t)(dot1 - token.ptr)};
	ret->payload = (struct slice){dot1 + 1, (size_t)(dot2 - dot1 - 1)};
	ret->signature = (struct slice){dot2 + 1, (size_t)(token.ptr + token.len - dot2 - 1)};
	ret->text = (struct slice){token.ptr, (size_t)(dot2 - token.ptr)};
	return 0;
}

int jwt_verify(const struct jwk_set *keys, struct slice token, struct json **ret_claims,
	       struct err *e)
{
	unsigned char bytes[DECODED(JWK_SIGNATURE_MAX)];
	const struct jwk *key = NULL;
	struct json *object = NULL;
	struct parts p = {.text = {NULL, 0}};
	size_t len, expected;
	int r = split(token, &p, e);

	if (r == 0)
		r = parse_part(p.header, "header", &object, e);
	if (r < 0)
		return r;
	r = choose_key(keys, object, &key, e);
	json_free(object);
	if (r < 0)
		return r;
	expected = jwk_signature_len(key);
	if (p.signature.len > (expected * 4 + 2) / 3 ||
	    hash_base64url_decode(p.signature, bytes, &len) < 0 || len != expected)
		return refuse(e, "the signature has not the form of its key");
	if (!jwk_signature_holds(key, p.text, bytes))
		return refuse(e, "the signature does not hold");
	return parse_part(p.payload, "payload", ret_claims, e);
}

int jwt_read_marked(struct slice token, struct json **ret_claims, struct err *e)
{
	struct json *header = NULL;
	struct parts p = {.text = {NULL, 0}};
	int r = split(token, &p, e);

	if (r == 0)
		r = parse_part(p.header, "header", &header, e);
	json_free(header);
	if (r < 0)
		return r;
	if (!slice_eq_str(p.signature, JWT_PLATFORM_MARK))
		return refuse(e, "the platform has not verified this token");
	return parse_part(p.payload, "payload", ret_claims, e);
}

bool jwt_bearer(const char *authorization, struct slice *ret)
{
	static const char scheme[] = "Bearer ";

	if (authorization == NULL || strncasecmp(authorization, scheme, strlen(scheme)) != 0)
		return false;
	authorization += strlen(scheme);
	*ret = slice_of(authorization + strspn(authorization, " "));
	return ret->len > 0 && ret->len <= JWT_TOKEN_MAX;
}

/* ---- the claims */

/* Seconds since 1970: a JSON number of integral value, also when written 1.7e9. */
static int claim_seconds(const struct json *claims, const char *name, int64_t *ret, struct err *e)
{
	const struct json *claim = json_get(claims, name);
	struct strbuf text = STRBUF_INIT;
	double v = -1;

	if (claim == NULL)
		return err_set(e, -EACCES, "no %s", name);
	json_write(claim, &text);
	if (num_double(strbuf_slice(&text), &v) < 0 || v < 0 || v > (double)TIME_MAX ||
	    v != floor(v)) {
		strbuf_clear(&text);
		return err_set(e, -EACCES, "%s must be whole seconds since 1970", name);
	}
	strbuf_clear(&text);
	*ret = (int64_t)v;
	return 0;
}

/* nbf, iat: when present, not after now. */
static int check_begun(const struct json *claims, const char *name, const struct jwt_expect *x,
		       struct err *e)
{
	int64_t t = 0;
	int r;

	if (json_get(claims, name) == NULL)
		return 0;
	r = claim_seconds(claims, name, &t, e);
	if (r == 0 && t > x->now_s + x->leeway_s)
		r = err_set(e, -EACCES, "%s is %lld s ahead", name, (long long)(t - x->now_s));
	return r;
}

int jwt_check_claims(const struct json *claims, const struct jwt_expect *x, int64_t *ret_end_s,
		     struct err *e)
{
	const char *const *issuer = x->issuers;
	int64_t end = 0;
	int r;

	ASSERT(x->leeway_s >= 0 && x->leeway_s <= JWT_LEEWAY_S);
	r = claim_seconds(claims, "exp", &end, e);
	if (r < 0)
		return r;
	end += x->leeway_s;
	if (x->now_s >= end)
		return err_set(e, -EACCES, "expired %lld s ago", (long long)(x->now_s - end));
	if ((r = check_begun(claims, "nbf", x, e)) < 0 ||
	    (r = check_begun(claims, "iat", x, e)) < 0)
		return r;
	while (issuer != NULL && *issuer != NULL && !json_is(json_get(claims, "iss"), *issuer))
		issuer++;
	if (issuer != NULL && *issuer == NULL)
		return refuse(e, "another issuer");
	if (x->audience != NULL && !json_has(json_get(claims, "aud"), x->audience))
		return refuse(e, "another audience");
	*ret_end_s = end;
	return 0;
}
