/*
 * L3: bearer tokens, a small verifier: the algorithm is the key's, never the token's; keys come
 * from our set only, never from the token. See jwt.c for each rule that keeps a forged token out.
 * Claims are read after the signature held.
 *
 * jwks.c holds the key set (file or URL) and remembers verified tokens for at most 60 s.
 */
#ifndef COMMON_JWT_H
#define COMMON_JWT_H

#include "common/auth/jwk.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define JWT_TOKEN_MAX ((size_t)16 * 1024)
#define JWT_LEEWAY_S  60 /* how far clocks may disagree; more is not allowed */

/* Checks form and signature; ret_claims is the payload's JSON object (json_free). The reason in e
 * is for the log: callers answer 401 without it. -EACCES on any refusal; -ENOKEY when the kid is
 * not in the set (the set may be refreshed, then try again). */
int jwt_verify(const struct jwk_set *keys, struct slice token, struct json **ret_claims,
	       struct err *e) MUST_CHECK;

/* What stands in place of the signature where the platform has verified the token before us. */
#define JWT_PLATFORM_MARK "SIGNATURE_REMOVED_BY_GOOGLE"
/* The claims of a token whose signature the platform's ingress has checked and replaced by exactly
 * JWT_PLATFORM_MARK. Form only: whoever can reach the listener past that ingress can claim
 * anything, so this is for a deployment whose operator said so. -EACCES on any other token. */
int jwt_read_marked(struct slice token, struct json **ret_claims, struct err *e) MUST_CHECK;

/* The token of "Bearer TOKEN"; false: NULL or something else. */
bool jwt_bearer(const char *authorization, struct slice *ret) MUST_CHECK;

struct jwt_expect {
	const char *const *issuers; /* ended by NULL; NULL: any */
	const char *audience;       /* claim `aud` equals it or contains it; NULL: any */
	int64_t now_s, leeway_s;    /* leeway_s: 0 … JWT_LEEWAY_S */
};
/* exp (required), nbf and iat (when present), iss, aud. Times are whole seconds. ret_end_s: from
 * then on the token is refused (exp plus leeway). -EACCES with the reason. */
int jwt_check_claims(const struct json *claims, const struct jwt_expect *x, int64_t *ret_end_s,
		     struct err *e) MUST_CHECK;

#endif
