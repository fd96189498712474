/*
 * Results in Redis. An entry's name holds everything that the answer depends on: cache_key() of the
 * scope (who asks for what) and the data versions of the tables read. A commit of etld changes a
 * version and so makes every older entry unreachable; entries end after the TTL.
 *
 * Redis is never the judge: a version it does not know, or cannot be trusted with, comes from
 * Postgres. It is not trusted from the moment it was away until watch.c has repaired its versions.
 */
#ifndef QUERYD_TENANT_CACHE_H
#define QUERYD_TENANT_CACHE_H

#include "common/redisq.h"
#include "queryd/compute/request.h"

#define CACHE_KEY_LEN      64
#define CACHE_VERSIONS_MAX 512
#define CACHE_TABLES_MAX   24

/* All that may make two answers differ, besides the data. There is no other way to a key. */
struct cache_scope {
	const char *tenant_id;
	const char *properties; /* principal's scope text */
	unsigned permissions;
	const struct request *request; /* resolved; with its metrics' keys, versions, hashes */
};

void cache_key(const struct cache_scope *s, char out[CACHE_KEY_LEN + 1]);
/* The same for every page of one question: what its cursors are good for. */
void cache_question(const struct cache_scope *s, char out[CACHE_KEY_LEN + 1]);

struct cache;

enum cache_outcome {
	CACHE_HIT,
	CACHE_MISS,   /* versions known, no entry */
	CACHE_UNSURE, /* Redis does not know a version */
	CACHE_AWAY,   /* no Redis, or not trusted now */
};

/* versions: "12,7", "" unless HIT or MISS; value: the entry; both borrowed until fn returns. */
typedef void (*cache_fn)(void *arg, enum cache_outcome outcome, const char *versions,
			 struct slice value);

struct cache *cache_new(struct redisq *redis, int64_t ttl_ms); /* redis NULL: always AWAY */
void cache_free(struct cache *c);
void cache_trust(struct cache *c, bool trusted);
/* One round trip. fn is called exactly once, never from inside the call unless the outcome is AWAY.
 * tables: ended by NULL. */
void cache_lookup(struct cache *c, const char *tenant_id, const char *const *tables,
		  const char *key, cache_fn fn, void *arg);
/* Fire and forget. `versions` are those of the snapshot that `value` was read in; they are
 * published too, which is how Redis learns those it did not know. */
void cache_store(struct cache *c, const char *tenant_id, const char *const *tables,
		 const int64_t *versions, const char *key, struct slice value);
/* "12,7" for n versions. */
void cache_versions_text(const int64_t *versions, size_t n, char out[CACHE_VERSIONS_MAX]);

#endif
