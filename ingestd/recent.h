/*
 * The ids seen lately: a bounded set of 64-bit hashes in two generations. A hit is only a hint that
 * sends an event down the careful path, where the unique index decides; a miss, or a collision, can
 * neither lose nor repeat anything.
 */
#ifndef INGESTD_RECENT_H
#define INGESTD_RECENT_H

#include "common/base.h"

struct recent;

struct recent *recent_new(size_t entries) MUST_CHECK; /* remembers at least this many */
void recent_free(struct recent *r);
/* True when the id was seen; remembers it either way. */
bool recent_seen(struct recent *r, struct slice tenant_id, struct slice dedupe_key);

#endif
