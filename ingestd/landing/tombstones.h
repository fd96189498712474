/*
 * The deleted tenants that this process has met, so that their events go the careful way at once.
 * Only a shortcut: the judge is the landing transaction (refuse_deleted_tenants and judge_suspects
 * in sql/…/0009_operations.sql). Forgetting one costs a batch that is landed twice; taking another
 * tenant for one (the set holds 64-bit hashes) costs the careful way. Nothing is ever dropped by
 * it, and while no tenant is deleted it costs a comparison.
 */
#ifndef INGESTD_TOMBSTONES_H
#define INGESTD_TOMBSTONES_H

#include "common/base/base.h"

#define TOMBSTONES_SLOTS 1024 /* a power of two; a newer tenant takes the slot of an older one */

struct tombstones { /* zeroed: empty */
	size_t added;
	uint64_t slots[TOMBSTONES_SLOTS];
};

void tombstones_add(struct tombstones *t, struct slice tenant_id);
bool tombstones_maybe(const struct tombstones *t, struct slice tenant_id);

#endif
