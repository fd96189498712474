/* A direct-mapped set of hashes; see tombstones.h. */
#include "ingestd/landing/tombstones.h"

#include "common/base/hash.h"

void tombstones_add(struct tombstones *t, struct slice tenant_id)
{
	uint64_t hash = hash_fast(tenant_id);

	t->slots[hash & (TOMBSTONES_SLOTS - 1)] = hash;
	t->added++;
}

bool tombstones_maybe(const struct tombstones *t, struct slice tenant_id)
{
	uint64_t hash;

	if (t->added == 0)
		return false;
	hash = hash_fast(tenant_id);
	return t->slots[hash & (TOMBSTONES_SLOTS - 1)] == hash;
}
