/*
 * Embed tokens: short-lived JWTs that queryd signs itself (HS256, with the key of embed_key_file)
 * and only queryd accepts, for reading the data of one dashboard. What is signed names the tenant,
 * the dashboard and the properties of the user who shared it; nothing else opens with it.
 *
 * The key is for this alone, the header is fixed, and user tokens are never checked with it:
 * neither kind of token can pass for the other.
 */
#ifndef QUERYD_EMBED_H
#define QUERYD_EMBED_H

#include "common/base/arena.h"
#include "queryd/principal.h"

/* The token of the claims, in the arena. The same claims give the same token. */
const char *embed_sign(const char *key, struct slice claims, struct arena *a);
/* Whether the header's value looks like one: a signature is not checked. */
bool embed_is(const char *authorization);
/* The holder, for principal_free(); NULL with the reason, for the log, when it is refused. */
struct principal *embed_verify(const char *key, const char *authorization,
			       struct err *e) MUST_CHECK;

#endif
