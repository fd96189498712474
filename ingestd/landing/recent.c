/* Two generations of open addressing; the older one is forgotten when the younger is full. */
#include "ingestd/landing/recent.h"

#include <sys/mman.h>

#include "common/base/hash.h"
#include "common/base/xalloc.h"

struct recent {
	uint64_t *young, *old; /* 0 = free slot; capacity is twice the entries: half full at most */
	size_t mask, n, entries;
};

/* In large pages where the system has them: a look at a random place of four megabytes otherwise
 * costs a walk of the page table besides. */
static uint64_t *table_new(size_t capacity)
{
	uint64_t *t = xcalloc(capacity, sizeof(*t));
	uintptr_t page = (uintptr_t)1 << 21, start = ((uintptr_t)t + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)(t + capacity)) & ~(page - 1);

	if (end > start)
		(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
	return t;
}

struct recent *recent_new(size_t entries)
{
	struct recent *r = xcalloc(1, sizeof(*r));
	size_t capacity = 64;

	r->entries = (entries + 1) / 2;
	while (capacity < 2 * r->entries)
		capacity *= 2;
	r->mask = capacity - 1;
	r->young = table_new(capacity);
	r->old = table_new(capacity);
	return r;
}

void recent_free(struct recent *r)
{
	if (r == NULL)
		return;
	free(r->young);
	free(r->old);
	free(r);
}

/* The slot that holds h, or the free one where it belongs. */
static uint64_t *slot_of(uint64_t *table, size_t mask, uint64_t h)
{
	size_t i = (size_t)h & mask;

	while (table[i] != 0 && table[i] != h)
		i = (i + 1) & mask;
	return &table[i];
}

static void forget_older(struct recent *r)
{
	uint64_t *t = r->old;

	r->old = r->young;
	r->young = t;
	memset(t, 0, (r->mask + 1) * sizeof(*t));
	r->n = 0;
}

uint64_t recent_hash(struct slice tenant_id, struct slice dedupe_key)
{
	uint64_t h = hash_fast(tenant_id) * 0x9e3779b97f4a7c15U + hash_fast(dedupe_key);

	return h + (h == 0); /* 0 marks a free slot */
}

void recent_expect(const struct recent *r, uint64_t h)
{
	__builtin_prefetch(&r->young[(size_t)h & r->mask], 1);
	__builtin_prefetch(&r->old[(size_t)h & r->mask]);
}

bool recent_seen(struct recent *r, uint64_t h)
{
	uint64_t *slot = slot_of(r->young, r->mask, h);
	bool seen;

	if (*slot == h)
		return true;
	seen = *slot_of(r->old, r->mask, h) == h;
	*slot = h;
	if (++r->n == r->entries)
		forget_older(r);
	return seen;
}

/* Closes the gap: what was pushed past it moves back, so that no search ends too early. */
static bool take_out(uint64_t *table, size_t mask, uint64_t h)
{
	size_t gap = (size_t)(slot_of(table, mask, h) - table), i = gap;

	if (table[gap] == 0)
		return false;
	table[gap] = 0;
	while (table[i = (i + 1) & mask] != 0) {
		size_t home = (size_t)table[i] & mask;

		if (((i - home) & mask) < ((i - gap) & mask)) /* it lies between home and gap */
			continue;
		table[gap] = table[i];
		table[i] = 0;
		gap = i;
	}
	return true;
}

void recent_forget(struct recent *r, uint64_t h)
{
	if (take_out(r->young, r->mask, h))
		r->n--;
	else
		(void)take_out(r->old, r->mask, h);
}
