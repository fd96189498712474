/*
 * Tells the rest of the pipeline that rows changed: the new data version to Redis, a hint on the
 * bus
 * ("refreshed", tenant, table, version) to queryd and dqd. After the commit, and allowed to get
 * lost.
 */
#ifndef ETLD_PUBLISH_H
#define ETLD_PUBLISH_H

#include "common/net/redisq.h"
#include "common/net/zsock.h"
#include "etld/stream/unit.h"

struct publisher {
	struct redisq *redis; /* may be NULL */
	struct zsock *bus;    /* may be NULL */
};

void publish_versions(struct publisher *p, const struct unit_version *versions, size_t n);

#endif
