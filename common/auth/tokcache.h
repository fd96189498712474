/*
 * L3: tokens that were verified, so that the next request with the same bytes costs a lookup and
 * not a signature. Pure: the caller brings the time.
 *
 * A token is remembered for at most 60 s and never past its own end; the whole token is compared,
 * not its hash; a change of the keys flushes all. Tokens and bytes are bounded, the oldest goes
 * first. Only a verified token may be put in, so nobody without one can push others out.
 */
#ifndef COMMON_TOKCACHE_H
#define COMMON_TOKCACHE_H

#include "common/base/base.h"

#define TOKCACHE_LIFE_MS     60000
#define TOKCACHE_TOKEN_BYTES 2048 /* of memory for each of `max` tokens, on average */

struct tokcache;

struct tokcache_now {
	int64_t mono_ms, wall_s;
};

/* drop frees a value; it is called by tokcache_reap and tokcache_free only. */
struct tokcache *tokcache_new(int max, void (*drop)(void *arg, void *value), void *arg) MUST_CHECK;
void tokcache_free(struct tokcache *c);
/* The value, or NULL. It stays valid until the first tokcache_reap after it left the cache. */
void *tokcache_find(struct tokcache *c, struct slice token, struct tokcache_now now);
/* Takes the value; the token is copied. end_s: wall clock, from when on it is not valid. The token
 * must not be in the cache. */
void tokcache_put(struct tokcache *c, struct slice token, void *value, int64_t end_s,
		  struct tokcache_now now);
void tokcache_flush(struct tokcache *c);
bool tokcache_needs_reap(const struct tokcache *c); /* values have left the cache */
void tokcache_reap(struct tokcache *c);             /* drops them */

#endif
