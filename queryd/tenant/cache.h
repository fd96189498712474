/*
 * Results: in Redis for all processes, and a few of them on a shelf in this one (shelf.h). An
 * entry's name holds everything that the answer depends on: cache_key() of the scope (who asks for
 * what) and the data versions of the tables read. A commit of etld changes a version and so makes
 * every older entry unreachable; entries end after the TTL.
 *
 * Redis is never the judge: a version it does not know, or cannot be trusted with, comes from
 * Postgres. It is not trusted from the moment it was away until watch.c has repaired its versions.
 * What is on the shelf is given only at the versions that Redis, or Postgres in its place, says
 * after the request has come: it is never older than an answer without it would be.
 *
 * Who finds no entry gets a lease, a key of Redis beside it: equal requests in other processes see
 * that it is being computed. A lease ends by itself, soon after its process did.
 */
#ifndef QUERYD_TENANT_CACHE_H
#define QUERYD_TENANT_CACHE_H

#include "common/base/ulid.h"
#include "queryd/compute/request.h"
#include "queryd/tenant/shelf.h"
#include "queryd/tenant/versions.h"

#define CACHE_KEY_LEN      64
#define CACHE_VERSIONS_MAX VERSIONS_TEXT_MAX
#define CACHE_TABLES_MAX   24
#define CACHE_LEASE_MS     1500

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

/* One result of one tenant: all borrowed. */
struct cache_name {
	const char *tenant_id, *key;
	const char *const *tables; /* that it reads; ended by NULL */
};

enum cache_outcome {
	CACHE_HIT,
	CACHE_MISS,   /* no entry: the asker has the lease */
	CACHE_TAKEN,  /* no entry, but who has the lease computes it */
	CACHE_UNSURE, /* Redis does not know a version */
	CACHE_AWAY,   /* no Redis, or not trusted now */
};

/* Borrowed until fn returns. */
struct cache_found {
	enum cache_outcome outcome;
	const char *versions; /* "12,7"; "" when they are not known */
	struct slice value;   /* of a HIT */
	const char *lease;    /* of a MISS; else "" */
};

typedef void (*cache_fn)(void *arg, const struct cache_found *f);

/* redis NULL: always AWAY. The shelves, of results and of their forms, are two: what is put on one
 * never drops what somebody has from the other. */
struct cache *cache_new(struct redisq *redis, struct versions *versions, struct shelf *shelf,
			struct shelf *forms, int64_t ttl_ms) MUST_CHECK;
/* Redis is gone for good: what still ends leaves it alone. */
void cache_close(struct cache *c);
void cache_free(struct cache *c); /* NULL is fine for both */
void cache_trust(struct cache *c, bool trusted);
/* fn is called exactly once, never from inside the call unless the outcome is AWAY. The name is
 * borrowed until then. */
void cache_lookup(struct cache *c, const struct cache_name *name, cache_fn fn, void *arg);
/* The shelf alone: HIT, or anything else. false: there is nothing, and fn is not called. */
bool cache_peek(struct cache *c, const struct cache_name *name, cache_fn fn, void *arg);
/* What the shelf has of it at any version, when that was current `max_ms` ago or later; NULL. */
const struct shelf_entry *cache_stale(struct cache *c, const struct cache_name *name,
				      int64_t max_ms);
/* A HIT was given to somebody, when the tenant's data were so fresh. */
void cache_confirm(struct cache *c, const struct cache_name *name, const char *versions,
		   struct shelf_age age);
/* Fire and forget. `versions` are those of the snapshot that `value` was read in; they are
 * published too, which is how Redis learns those it did not know. */
void cache_store(struct cache *c, const struct cache_name *name, const int64_t *versions,
		 struct slice value, struct shelf_age age);
/* Another form of a result, made of its entry at these versions, and kept by this process alone;
 * the key says which form of which result. len 0: there is none. Borrowed until the next
 * cache_keep_form(). */
struct slice cache_form(struct cache *c, const char *tenant_id, const char *key,
			const char *versions);
void cache_keep_form(struct cache *c, const char *tenant_id, const char *key, const char *versions,
		     struct slice form);
/* A tenant was deleted: what this process has of it goes. In Redis it ends after the TTL. */
void cache_forget(struct cache *c, const char *tenant_id);
/* Of a lease: it goes on; there will be no entry. */
void cache_extend(struct cache *c, const struct cache_name *name, const char *versions,
		  const char *lease);
void cache_let_go(struct cache *c, const struct cache_name *name, const char *versions,
		  const char *lease);
/* "12,7" for n versions. */
void cache_versions_text(const int64_t *versions, size_t n, char out[CACHE_VERSIONS_MAX]);

#endif
