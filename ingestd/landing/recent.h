/*
 * The ids seen lately: a bounded set of 64-bit hashes in two generations. A hit is only a hint that
 * sends an event down the careful path, where the unique index decides; a miss, or a collision, can
 * neither lose nor repeat anything.
 */
#ifndef INGESTD_RECENT_H
#define INGESTD_RECENT_H

#include "common/base/base.h"

struct recent;

struct recent *recent_new(size_t entries) MUST_CHECK; /* remembers at least this many */
void recent_free(struct recent *r);
/* How the set knows an id. */
uint64_t recent_hash(struct slice tenant_id, struct slice dedupe_key);
/* It will be asked about soon: both tables are too large to be near, and a miss of each costs as
 * much as reading a third of an event's text. */
void recent_expect(const struct recent *r, uint64_t hash);
/* True when the id was seen; remembers it either way. */
bool recent_seen(struct recent *r, uint64_t hash);
/* It was not let in after all: it will come again and is new then. */
void recent_forget(struct recent *r, uint64_t hash);

#endif
