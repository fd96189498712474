/*
 * L3: data versions in Redis. A version belongs to (tenant, table) and only grows; Postgres holds
 * the truth, Redis a copy that queryd reads in the same round trip as a cached result. A lost
 * update is repaired by queryd's poll through the same function.
 *
 * DATAVERSION_DASHBOARDS is no table of the warehouse: what the tenant's dashboards show, all of
 * them, of the control database.
 */
#ifndef COMMON_DATAVERSION_H
#define COMMON_DATAVERSION_H

#include "common/net/redisq.h"

#define DATAVERSION_DASHBOARDS "dashboards"

/* Name of the hash of a tenant's versions; table names are its fields. out >= 64 bytes. */
void dataversion_key(const char *tenant_id, char *out, size_t size);
/* Sets the version unless Redis already has a newer one. Fire and forget; q may be NULL or down. */
void dataversion_publish(struct redisq *q, const char *tenant_id, const char *table,
			 int64_t version);
/* The same, and calls fn once it is set, or was given up: err as redisq_fn's. Never from inside the
 * call; q is up. */
void dataversion_publish_then(struct redisq *q, const char *tenant_id, const char *table,
			      int64_t version, redisq_fn fn, void *arg);

#endif
