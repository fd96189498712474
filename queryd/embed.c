/* Embed tokens; see embed.h. */
#include "queryd/embed.h"

#include <errno.h>

#include "common/auth/jwt.h"
#include "common/base/clock.h"
#include "common/base/hash.h"

/* base64url of {"alg":"HS256","typ":"embed+jwt"} */
#define HEADER     "eyJhbGciOiJIUzI1NiIsInR5cCI6ImVtYmVkK2p3dCJ9"
#define BEARER     "Bearer "
#define CLAIMS_MAX ((size_t)64 * 1024) /* a thousand properties */
#define SIGNED_LEN ((HASH_SHA256_LEN * 4 + 2) / 3)

static void sign(const char *key, struct slice text, char out[SIGNED_LEN + 1])
{
	unsigned char mac[HASH_SHA256_LEN];

	hash_hmac_sha256(slice_of(key), text, mac);
	hash_base64url_encode(mac, sizeof(mac), out);
}

const char *embed_sign(const char *key, struct slice claims, struct arena *a)
{
	char *payload = arena_alloc(a, (claims.len * 4 + 2) / 3 + 1);
	char mac[SIGNED_LEN + 1];
	const char *text;

	hash_base64url_encode(claims.ptr, claims.len, payload);
	text = arena_printf(a, HEADER ".%s", payload);
	sign(key, slice_of(text), mac);
	return arena_printf(a, "%s.%s", text, mac);
}

bool embed_is(const char *authorization)
{
	return authorization != NULL &&
	       strncmp(authorization, BEARER HEADER ".", sizeof(BEARER HEADER ".") - 1) == 0;
}

static struct principal *holder(struct slice claims, struct err *e)
{
	struct principal *p = NULL;
	struct json *root = NULL;
	int64_t expires_s;

	if (json_parse(claims, CLAIMS_MAX, &root, e) < 0)
		return NULL;
	if (json_i64(json_get(root, "exp"), "exp", 0, INT64_C(1) << 40, &expires_s, e) == 0) {
		if (expires_s <= clock_wall_ms() / 1000)
			(void)err_set(e, -EACCES, "the embed token has expired");
		else
			p = principal_embedded(root, e);
	}
	json_free(root);
	return p;
}

struct principal *embed_verify(const char *key, const char *authorization, struct err *e)
{
	const char *token = authorization + sizeof(BEARER) - 1;
	const char *dot = strrchr(token, '.');
	const char *payload = token + sizeof(HEADER ".") - 1;
	struct principal *p = NULL;
	char mac[SIGNED_LEN + 1];
	unsigned char *claims;
	struct arena *a;
	size_t len;

	ASSERT(embed_is(authorization));
	if (key[0] == '\0' || dot < payload || strlen(dot + 1) != SIGNED_LEN ||
	    (size_t)(dot - payload) > CLAIMS_MAX) {
		(void)err_set(e, -EACCES, "the embed token is malformed");
		return NULL;
	}
	sign(key, (struct slice){token, (size_t)(dot - token)}, mac);
	if (!hash_equal_consttime(mac, dot + 1, SIGNED_LEN)) {
		(void)err_set(e, -EACCES, "the embed token's signature does not hold");
		return NULL;
	}
	a = arena_new();
	claims = arena_alloc(a, (size_t)(dot - payload) + 3);
	if (hash_base64url_decode((struct slice){payload, (size_t)(dot - payload)}, claims, &len) <
	    0)
		(void)err_set(e, -EACCES, "the embed token is malformed");
	else
		p = holder((struct slice){(const char *)claims, len}, e);
	arena_free(a);
	return p;
}
