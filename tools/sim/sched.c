/* Agenda of the simulation; see sched.h. */
#include "tools/sim/sched.h"

#include "common/base/xalloc.h"

#define BUCKET_US INT64_C(900000000)

struct sched {
	int64_t from_us, to_us, now_us;
	uint64_t seq;
	uint32_t *buckets; /* first record of each */
	size_t nbuckets, current;
	struct pending *pool;
	uint32_t pool_len, pool_cap, unused; /* unused: free list */
	struct pending *heap;                /* what is left of the current bucket */
	size_t heap_len, heap_cap;
};

struct sched *sched_new(int64_t from_us, int64_t to_us)
{
	struct sched *s = xcalloc(1, sizeof(*s));

	ASSERT(to_us > from_us);
	*s = (struct sched){
		.from_us = from_us,
		.to_us = to_us,
		.now_us = from_us,
		.nbuckets = (size_t)((to_us - from_us + BUCKET_US - 1) / BUCKET_US),
		.unused = SCHED_NONE,
	};
	s->buckets = xreallocarray(NULL, s->nbuckets, sizeof(*s->buckets));
	for (size_t i = 0; i < s->nbuckets; i++)
		s->buckets[i] = SCHED_NONE;
	return s;
}

void sched_free(struct sched *s)
{
	if (s == NULL)
		return;
	free(s->buckets);
	free(s->pool);
	free(s->heap);
	free(s);
}

static bool before(const struct pending *x, const struct pending *y)
{
	return x->at_us != y->at_us ? x->at_us < y->at_us : x->seq < y->seq;
}

static void heap_add(struct sched *s, const struct pending *p)
{
	size_t i = s->heap_len++;

	if (s->heap_len > s->heap_cap) {
		s->heap_cap = s->heap_cap * 2 + 64;
		s->heap = xreallocarray(s->heap, s->heap_cap, sizeof(*s->heap));
	}
	for (; i > 0 && before(p, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = *p;
}

static struct pending heap_take(struct sched *s)
{
	struct pending top = s->heap[0], last = s->heap[--s->heap_len];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->heap_len) {
		if (child + 1 < s->heap_len && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	if (s->heap_len > 0)
		s->heap[i] = last;
	return top;
}

static uint32_t pool_take(struct sched *s)
{
	uint32_t i = s->unused;

	if (i != SCHED_NONE) {
		s->unused = s->pool[i].next;
		return i;
	}
	if (s->pool_len == s->pool_cap) {
		ASSERT(s->pool_cap < SCHED_NONE / 4);
		s->pool_cap = s->pool_cap * 2 + 1024;
		s->pool = xreallocarray(s->pool, s->pool_cap, sizeof(*s->pool));
	}
	return s->pool_len++;
}

bool sched_push(struct sched *s, const struct pending *p)
{
	struct pending one = *p;
	size_t bucket;
	uint32_t i;

	if (one.at_us >= s->to_us)
		return false;
	if (one.at_us < s->now_us)
		one.at_us = s->now_us;
	one.seq = s->seq++;
	bucket = (size_t)((one.at_us - s->from_us) / BUCKET_US);
	if (bucket <= s->current) {
		heap_add(s, &one);
		return true;
	}
	i = pool_take(s);
	one.next = s->buckets[bucket];
	s->pool[i] = one;
	s->buckets[bucket] = i;
	return true;
}

static void load_bucket(struct sched *s, size_t bucket)
{
	uint32_t i = s->buckets[bucket];

	s->buckets[bucket] = SCHED_NONE;
	while (i != SCHED_NONE) {
		uint32_t next = s->pool[i].next;

		heap_add(s, &s->pool[i]);
		s->pool[i].next = s->unused;
		s->unused = i;
		i = next;
	}
}

bool sched_pop(struct sched *s, struct pending *ret)
{
	while (s->heap_len == 0) {
		if (s->current + 1 >= s->nbuckets)
			return false;
		load_bucket(s, ++s->current);
	}
	*ret = heap_take(s);
	s->now_us = ret->at_us;
	return true;
}
