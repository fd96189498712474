/*
 * Takes everything of a tenant out of Redis: its data versions, and the results that queryd keeps
 * under names that begin with its id. Walks over all names, a few hundred a round trip.
 */
#ifndef ETLD_FORGET_CACHE_H
#define ETLD_FORGET_CACHE_H

#include "common/net/redisq.h"

/* fn once, never from inside: done, or Redis could not be asked. */
void forget_cache(struct redisq *redis, const char *tenant_id, void (*fn)(void *arg, bool done),
		  void *arg);

#endif
