/*
 * Results in this process: a small copy of what the cache holds, in front of Redis and instead of
 * it while it is away. One entry for each key, with the versions of the data that it was read at;
 * whether those still are the versions is the caller's to find out. Bounded in bytes, the longest
 * unused goes first.
 */
#ifndef QUERYD_TENANT_SHELF_H
#define QUERYD_TENANT_SHELF_H

#include "common/base/base.h"

struct shelf;

/* How fresh the tenant's data were at a moment; see watch_pending(). */
struct shelf_age {
	int64_t now_us, oldest_us;
};

/* Borrowed until the next shelf_put() or shelf_forget(). */
struct shelf_entry {
	const char *versions;
	struct slice value;
	int64_t current_mono_ms; /* when it was last known to be current */
	struct shelf_age age;    /* then */
};

/* bytes_max 0: nothing is kept. */
struct shelf *shelf_new(size_t bytes_max, int64_t ttl_ms) MUST_CHECK;
void shelf_free(struct shelf *s);
/* NULL: none, or it is older than the TTL. */
struct shelf_entry *shelf_find(struct shelf *s, const char *tenant_id, const char *key);
/* Takes the place of what the key had. A value that is large for the whole is not kept. */
void shelf_put(struct shelf *s, const char *tenant_id, const char *key, const char *versions,
	       struct slice value, struct shelf_age age);
/* It is current now. */
void shelf_confirm(struct shelf_entry *e, struct shelf_age age);
/* All of a tenant goes. */
void shelf_forget(struct shelf *s, const char *tenant_id);
size_t shelf_bytes(const struct shelf *s);

#endif
