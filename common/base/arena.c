/*
 * Memory with one lifetime; see arena.h. A list of blocks, the newest first; small requests are cut
 * from it, a request above a quarter of a block gets one of its own behind it, so that the rest of
 * the current block is not wasted. Block sizes double up to BLOCK_MAX: a tiny request costs one
 * malloc, a big one few.
 */
#include "common/base/arena.h"

#include <stdarg.h>
#include <stdalign.h>

#include "common/base/xalloc.h"

#define BLOCK_MIN ((size_t)2048)
#define BLOCK_MAX ((size_t)64 * 1024)
#define ALIGN     alignof(max_align_t)

struct block {
	struct block *next;
	size_t used, size; /* of data */
	alignas(max_align_t) unsigned char data[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *arg;
};

struct arena {
	struct block *blocks;
	struct deferred *deferred; /* the last one registered first; allocated in the arena */
	size_t next_size, handed_out;
};

struct arena *arena_new(void)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->next_size = BLOCK_MIN;
	return a;
}

void arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	/* popped before it runs: a deferred function may still allocate or defer */
	while (a->deferred != NULL) {
		struct deferred *d = a->deferred;

		a->deferred = d->next;
		d->fn(d->arg);
	}
	while (a->blocks != NULL) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	free(a);
}

static struct block *block_new(size_t size)
{
	struct block *b = xcalloc(1, sizeof(*b) + size);

	b->size = size;
	return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->blocks;
	size_t need;

	ASSERT(size <= SIZE_MAX / 2);
	need = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (need == 0)
		need = ALIGN;
	a->handed_out += size;
	if (b != NULL && need <= b->size - b->used) {
		b->used += need;
		return b->data + b->used - need;
	}
	if (b != NULL && need > b->size / 4) {
		struct block *own = block_new(need);

		own->used = need;
		own->next = b->next;
		b->next = own;
		return own->data;
	}
	b = block_new(need > a->next_size ? need : a->next_size);
	if (a->next_size < BLOCK_MAX)
		a->next_size *= 2;
	b->used = need;
	b->next = a->blocks;
	a->blocks = b;
	return b->data;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);

	if (n != 0)
		memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	ASSERT(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	return p;
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
	struct deferred *d = arena_alloc(a, sizeof(*d));

	*d = (struct deferred){a->deferred, fn, arg};
	a->deferred = d;
}

size_t arena_size(const struct arena *a)
{
	return a->handed_out;
}
