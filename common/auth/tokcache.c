/*
 * A hash table beside a queue by age; see tokcache.h. All entries live equally long, so the oldest
 * is also the next to expire: inserting trims the queue's head, and nothing ever has to scan.
 *
 * What leaves the table waits on `left` for tokcache_reap, because a caller up the stack may still
 * hold the value it found a moment ago.
 */
#include "common/auth/tokcache.h"

#include <sys/queue.h>

#include "common/base/hash.h"
#include "common/base/xalloc.h"

struct entry {
	LIST_ENTRY(entry) same_bucket;
	TAILQ_ENTRY(entry) by_age; /* or on `left` */
	uint64_t hash;
	int64_t born_mono_ms, end_s;
	void *value;
	size_t len;
	char token[];
};

LIST_HEAD(bucket, entry);
TAILQ_HEAD(entries, entry);

struct tokcache {
	void (*drop)(void *arg, void *value);
	void *arg;
	size_t count, max, bytes, mask;
	struct entries by_age; /* the oldest first */
	struct entries left;
	struct bucket buckets[];
};

struct tokcache *tokcache_new(int max, void (*drop)(void *arg, void *value), void *arg)
{
	struct tokcache *c;
	size_t buckets = 1;

	ASSERT(max > 0);
	while (buckets < (size_t)max)
		buckets *= 2;
	c = xcalloc(1, sizeof(*c) + buckets * sizeof(c->buckets[0]));
	c->drop = drop;
	c->arg = arg;
	c->max = (size_t)max;
	c->mask = buckets - 1;
	TAILQ_INIT(&c->by_age);
	TAILQ_INIT(&c->left);
	return c;
}

static void leave(struct tokcache *c, struct entry *t)
{
	LIST_REMOVE(t, same_bucket);
	TAILQ_REMOVE(&c->by_age, t, by_age);
	TAILQ_INSERT_TAIL(&c->left, t, by_age);
	c->count--;
	c->bytes -= t->len;
}

static bool expired(const struct entry *t, struct tokcache_now now)
{
	return now.mono_ms - t->born_mono_ms >= TOKCACHE_LIFE_MS || now.wall_s >= t->end_s;
}

void *tokcache_find(struct tokcache *c, struct slice token, struct tokcache_now now)
{
	uint64_t hash = hash_fast(token);
	struct entry *t;

	LIST_FOREACH (t, &c->buckets[hash & c->mask], same_bucket) {
		/* how long memcmp takes tells nothing: nobody can aim at a 64-bit keyed hash */
		if (t->hash != hash || t->len != token.len ||
		    memcmp(t->token, token.ptr, token.len) != 0)
			continue;
		if (!expired(t, now))
			return t->value;
		leave(c, t);
		return NULL;
	}
	return NULL;
}

void tokcache_put(struct tokcache *c, struct slice token, void *value, int64_t end_s,
		  struct tokcache_now now)
{
	struct entry *t = xmalloc(sizeof(*t) + token.len), *oldest;

	t->hash = hash_fast(token);
	t->born_mono_ms = now.mono_ms;
	t->end_s = end_s;
	t->value = value;
	t->len = token.len;
	memcpy(t->token, token.ptr, token.len);
	while ((oldest = TAILQ_FIRST(&c->by_age)) != NULL &&
	       (c->count == c->max || c->bytes + token.len > c->max * TOKCACHE_TOKEN_BYTES ||
		expired(oldest, now)))
		leave(c, oldest);
	LIST_INSERT_HEAD(&c->buckets[t->hash & c->mask], t, same_bucket);
	TAILQ_INSERT_TAIL(&c->by_age, t, by_age);
	c->count++;
	c->bytes += t->len;
}

void tokcache_flush(struct tokcache *c)
{
	struct entry *t;

	while ((t = TAILQ_FIRST(&c->by_age)) != NULL)
		leave(c, t);
}

bool tokcache_needs_reap(const struct tokcache *c)
{
	return !TAILQ_EMPTY(&c->left);
}

void tokcache_reap(struct tokcache *c)
{
	struct entry *t;

	while ((t = TAILQ_FIRST(&c->left)) != NULL) {
		TAILQ_REMOVE(&c->left, t, by_age);
		c->drop(c->arg, t->value);
		free(t);
	}
}

void tokcache_free(struct tokcache *c)
{
	if (c == NULL)
		return;
	tokcache_flush(c);
	tokcache_reap(c);
	free(c);
}
