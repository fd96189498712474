/*
 * L3: data versions in Redis. A version belongs to (tenant, table) and only grows; Postgres holds
 * the truth, Redis a copy that queryd reads in the same round trip as a cached result. A lost
 * update is repaired by queryd's poll through the same function.
 */
#ifndef COMMON_DATAVERSION_H
#define COMMON_DATAVERSION_H

#include "common/net/redisq.h"

/* Name of the hash of a tenant's versions; table names are its fields. out >= 64 bytes. */
void dataversion_key(const char *tenant_id, char *out, size_t size);
/* Sets the version unless Redis already has a newer one. Fire and forget; q may be NULL or down. */
void dataversion_publish(struct redisq *q, const char *tenant_id, const char *table,
			 int64_t version);

#endif
