/*
 * L3: who is calling. A key set that keeps itself fresh and a bounded cache of verified tokens
 * (tokcache.h).
 *
 *	a file	is looked at when a token comes, once a second at most (at once for an unknown kid),
 *		and read again when it is another one
 *	a URL	is fetched in the background, again after 80 % of its Cache-Control max-age (taken
 *		as 1 min … 24 h), and once a minute at most for an unknown kid
 *
 * While the source fails the keys we have go on, for 24 h at most. A key that is gone from the set
 * ends its tokens at once: a new set flushes the cache.
 */
#ifndef COMMON_JWKS_H
#define COMMON_JWKS_H

#include "common/auth/jwt.h"

struct event_base;
struct jwks;

struct jwks_options {       /* texts are copied */
	const char *source; /* path, https:// URL, or http:// URL on loopback */
	const char *const *issuers;
	const char *audience;
	int cache_max; /* verified tokens remembered, at least 1 */
	/* Turns claims into the caller's own object (kept in the cache, freed by drop); NULL on
	 * refusal with e filled. */
	void *(*principal)(void *arg, const struct json *claims, struct err *e);
	void (*drop)(void *arg, void *principal);
	/* Reading the source fails (jwks_reason) or works again; for a URL also told after the
	 * first fetch; once more when the keys became too old to go on. May be NULL; must not free
	 * the jwks. */
	void (*on_state)(void *arg, bool ok);
	void *arg;
};

/* A file is read now (-ENOENT, -EINVAL …); a URL is fetched in the background. */
int jwks_new(struct event_base *base, const struct jwks_options *o, struct jwks **ret,
	     struct err *e) MUST_CHECK;
void jwks_free(struct jwks *k);
bool jwks_ready(const struct jwks *k); /* has keys */
/* Why the source could not be read the last time, for logs; "" when it could. */
const char *jwks_reason(const struct jwks *k);
/* The principal of a bearer token; borrowed until the loop's next turn. -EACCES: refused (401),
 * -EAGAIN: no keys yet (503). `authorization` is the header's value or NULL. */
int jwks_authenticate(struct jwks *k, const char *authorization, void **ret_principal,
		      struct err *e) MUST_CHECK;

#endif
