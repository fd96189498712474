/* A hash table beside a queue by use; see shelf.h. */
#include "queryd/tenant/shelf.h"

#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"

#define BUCKETS    4096
#define LARGE_PART 16 /* a value may take so large a part of the whole */

/* `e` comes first: a shelf_entry that was given out is its entry. */
struct entry {
	struct shelf_entry e;
	LIST_ENTRY(entry) same_bucket;
	TAILQ_ENTRY(entry) by_use; /* the longest unused first */
	uint64_t hash;
	int64_t born_mono_ms;
	size_t size;
	const char *tenant_id, *key;
	char bytes[]; /* tenant, key, versions, value */
};

struct shelf {
	size_t bytes, bytes_max;
	int64_t ttl_ms;
	TAILQ_HEAD(, entry) used;
	LIST_HEAD(, entry) buckets[BUCKETS];
};

struct shelf *shelf_new(size_t bytes_max, int64_t ttl_ms)
{
	struct shelf *s = xcalloc(1, sizeof(*s));

	s->bytes_max = bytes_max;
	s->ttl_ms = ttl_ms;
	TAILQ_INIT(&s->used);
	return s;
}

static void drop(struct shelf *s, struct entry *t)
{
	LIST_REMOVE(t, same_bucket);
	TAILQ_REMOVE(&s->used, t, by_use);
	s->bytes -= t->size;
	free(t);
}

void shelf_free(struct shelf *s)
{
	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->used))
		drop(s, TAILQ_FIRST(&s->used));
	free(s);
}

/* The key is a digest; whose it is, is compared all the same. */
static struct entry *lookup(struct shelf *s, const char *tenant_id, const char *key)
{
	uint64_t hash = hash_fast(slice_of(key));
	struct entry *t;

	LIST_FOREACH (t, &s->buckets[hash % BUCKETS], same_bucket) {
		if (t->hash == hash && strcmp(t->key, key) == 0 &&
		    strcmp(t->tenant_id, tenant_id) == 0)
			return t;
	}
	return NULL;
}

struct shelf_entry *shelf_find(struct shelf *s, const char *tenant_id, const char *key)
{
	struct entry *t = lookup(s, tenant_id, key);

	if (t == NULL)
		return NULL;
	if (clock_mono_ms() - t->born_mono_ms >= s->ttl_ms) {
		drop(s, t);
		return NULL;
	}
	TAILQ_REMOVE(&s->used, t, by_use);
	TAILQ_INSERT_TAIL(&s->used, t, by_use);
	return &t->e;
}

/* Copies the text with its NUL to *at, which moves behind it. */
static const char *put_text(char **at, const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = memcpy(*at, text, n);

	*at += n;
	return copy;
}

void shelf_put(struct shelf *s, const char *tenant_id, const char *key, const char *versions,
	       struct slice value, struct shelf_age age)
{
	size_t size = sizeof(struct entry) + strlen(tenant_id) + strlen(key) + strlen(versions) +
		      3 + value.len;
	struct entry *t = lookup(s, tenant_id, key);
	char *at;

	if (t != NULL)
		drop(s, t);
	if (size > s->bytes_max / LARGE_PART)
		return;
	while (s->bytes + size > s->bytes_max)
		drop(s, TAILQ_FIRST(&s->used));
	t = xmalloc(size);
	at = t->bytes;
	*t = (struct entry){
		.hash = hash_fast(slice_of(key)), .born_mono_ms = clock_mono_ms(), .size = size};
	t->tenant_id = put_text(&at, tenant_id);
	t->key = put_text(&at, key);
	t->e.versions = put_text(&at, versions);
	t->e.value = (struct slice){memcpy(at, value.ptr, value.len), value.len};
	shelf_confirm(&t->e, age);
	LIST_INSERT_HEAD(&s->buckets[t->hash % BUCKETS], t, same_bucket);
	TAILQ_INSERT_TAIL(&s->used, t, by_use);
	s->bytes += size;
}

void shelf_confirm(struct shelf_entry *e, struct shelf_age age)
{
	e->current_mono_ms = clock_mono_ms();
	e->age = age;
}

void shelf_forget(struct shelf *s, const char *tenant_id)
{
	struct entry *t, *next;

	for (t = TAILQ_FIRST(&s->used); t != NULL; t = next) {
		next = TAILQ_NEXT(t, by_use);
		if (strcmp(t->tenant_id, tenant_id) == 0)
			drop(s, t);
	}
}

size_t shelf_bytes(const struct shelf *s)
{
	return s->bytes;
}
