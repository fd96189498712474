/* A hash table of the tenants that hold something or owe tokens; see shares.h. */
#include "ingestd/landing/shares.h"

#include "common/base/hash.h"
#include "common/base/xalloc.h"

#define BUCKETS_MIN 64
#define TIMES_FREE  2 /* of what is free, a tenant may hold so much */

void shares_init(struct shares *s)
{
	*s = (struct shares){.nbuckets = BUCKETS_MIN};
	s->buckets = xcalloc(s->nbuckets, sizeof(struct share *));
}

void shares_clear(struct shares *s)
{
	for (size_t i = 0; i < s->nbuckets; i++) {
		for (struct share *one = s->buckets[i], *next; one != NULL; one = next) {
			next = one->next;
			free(one);
		}
	}
	free(s->buckets);
}

static void rehash(struct shares *s)
{
	size_t n = 2 * s->nbuckets;
	struct share **buckets = xcalloc(n, sizeof(struct share *));

	for (size_t i = 0; i < s->nbuckets; i++) {
		for (struct share *one = s->buckets[i], *next; one != NULL; one = next) {
			next = one->next;
			one->next = buckets[one->hash & (n - 1)];
			buckets[one->hash & (n - 1)] = one;
		}
	}
	free(s->buckets);
	s->buckets = buckets;
	s->nbuckets = n;
}

static struct share *share_new(struct shares *s, struct slice key, uint64_t hash, double burst,
			       int64_t now_us)
{
	struct share *one = xcalloc(1, sizeof(*one) + key.len);

	if (s->n++ == s->nbuckets)
		rehash(s);
	one->hash = hash;
	one->tokens = burst;
	one->filled_us = now_us;
	one->key_len = key.len;
	if (key.len > 0)
		memcpy(one->key, key.ptr, key.len);
	one->next = s->buckets[hash & (s->nbuckets - 1)];
	s->buckets[hash & (s->nbuckets - 1)] = one;
	return one;
}

static void refill(struct share *one, const struct shares_limits *l, int64_t now_us)
{
	one->tokens += (double)(now_us - one->filled_us) / 1e6 * l->rate;
	if (one->tokens > l->burst)
		one->tokens = l->burst;
	one->filled_us = now_us;
}

/* A share that holds nothing and owes nothing says no more than a new one. */
static bool is_blank(const struct share *one, const struct shares_limits *l)
{
	return one->held.events == 0 && !one->on_stage && (l->rate <= 0 || one->tokens >= l->burst);
}

/* Takes it out of its bucket: `at` points to it there. */
static void share_free(struct shares *s, struct share **at)
{
	struct share *one = *at;

	*at = one->next;
	if (s->loudest == one)
		s->loudest = NULL;
	free(one);
	s->n--;
}

/* The tenants with a full bucket are forgotten when they are met on the way to another. */
struct share *shares_stage(struct shares *s, struct slice tenant_id, const struct shares_limits *l,
			   int64_t now_us)
{
	uint64_t hash = hash_fast(tenant_id);
	struct share **at = &s->buckets[hash & (s->nbuckets - 1)], *one;

	while ((one = *at) != NULL &&
	       !(one->hash == hash &&
		 slice_eq(tenant_id, (struct slice){one->key, one->key_len}))) {
		refill(one, l, now_us);
		if (is_blank(one, l))
			share_free(s, at);
		else
			at = &one->next;
	}
	if (one == NULL)
		one = share_new(s, tenant_id, hash, l->burst, now_us);
	if (!one->on_stage) {
		refill(one, l, now_us);
		one->on_stage = true;
		one->next_staged = s->stage;
		s->stage = one;
	}
	return one;
}

/* `mine` of this tenant and `all` of all, beside each other, in a queue of this size. */
static bool fits(size_t mine, size_t all, size_t more, size_t size)
{
	if (all == 0) /* an empty queue takes anything, even what is larger than itself */
		return true;
	if (all >= size || more > size - all)
		return false;
	return mine == 0 || mine + more <= TIMES_FREE * (size - all);
}

enum share_verdict shares_ask(const struct shares *s, const struct share *one,
			      struct share_use more, const struct shares_limits *l)
{
	more.bytes += one->staged.bytes;
	more.events += one->staged.events;
	if (!fits(one->held.bytes, s->held.bytes, more.bytes, l->queue.bytes) ||
	    !fits(one->held.events, s->held.events, more.events, l->queue.events))
		return SHARE_FULL;
	return l->rate > 0 && one->key_len > 0 && one->tokens < 1 ? SHARE_RATE : SHARE_GRANTED;
}

void shares_add(struct share *one, struct share_use more)
{
	one->staged.bytes += more.bytes;
	one->staged.events += more.events;
}

static struct share *leave_stage(struct shares *s)
{
	struct share *one = s->stage;

	if (one == NULL)
		return NULL;
	s->stage = one->next_staged;
	one->next_staged = NULL;
	one->on_stage = false;
	memset(one->open, 0, sizeof(one->open));
	return one;
}

static void forget_if_blank(struct shares *s, struct share *one, const struct shares_limits *l)
{
	struct share **at = &s->buckets[one->hash & (s->nbuckets - 1)];

	if (!is_blank(one, l))
		return;
	while (*at != one)
		at = &(*at)->next;
	share_free(s, at);
}

void shares_take(struct shares *s, const struct shares_limits *l)
{
	struct share *one;

	while ((one = leave_stage(s)) != NULL) {
		struct share_use use = one->staged;

		s->holders += one->held.events == 0 && use.events > 0;
		one->held.bytes += use.bytes;
		one->held.events += use.events;
		s->held.bytes += use.bytes;
		s->held.events += use.events;
		if (l->rate > 0)
			one->tokens -= (double)use.events;
		one->staged = (struct share_use){0, 0};
		if (s->loudest == NULL || one->held.bytes > s->loudest->held.bytes)
			s->loudest = one;
	}
}

void shares_drop(struct shares *s, const struct shares_limits *l)
{
	struct share *one;

	while ((one = leave_stage(s)) != NULL) {
		one->staged = (struct share_use){0, 0};
		forget_if_blank(s, one, l);
	}
}

void shares_return(struct shares *s, struct share *one, struct share_use use,
		   const struct shares_limits *l)
{
	ASSERT(one->held.bytes >= use.bytes && one->held.events >= use.events);
	one->held.bytes -= use.bytes;
	one->held.events -= use.events;
	s->held.bytes -= use.bytes;
	s->held.events -= use.events;
	if (one->held.events > 0)
		return;
	s->holders--;
	forget_if_blank(s, one, l);
}

bool shares_room(const struct shares *s, size_t bytes, const struct shares_limits *l)
{
	return fits(0, s->held.bytes, bytes, l->queue.bytes) &&
	       fits(0, s->held.events, 0, l->queue.events);
}

double shares_wait_s(const struct share *one, const struct shares_limits *l)
{
	return one->tokens >= 1 || l->rate <= 0 ? 0 : (1 - one->tokens) / l->rate;
}
