/* Decorrelated jitter; see backoff.h. */
#include "common/base/backoff.h"

#include <sys/random.h>

#define CAP_MAX_MS INT64_C(86400000)

int64_t backoff_next_ms(struct backoff *b, uint32_t random)
{
	int64_t previous, span, next;

	ASSERT(b->base_ms > 0 && b->base_ms <= b->cap_ms && b->cap_ms <= CAP_MAX_MS);
	previous = b->previous_ms > b->base_ms ? b->previous_ms : b->base_ms;
	span = 3 * previous - b->base_ms;
	/* random / 2^32 of the span: no modulo bias, no overflow below CAP_MAX_MS */
	next = b->base_ms + (int64_t)(((uint64_t)span + 1) * random >> 32);
	b->previous_ms = next < b->cap_ms ? next : b->cap_ms;
	return b->previous_ms;
}

void backoff_reset(struct backoff *b)
{
	b->previous_ms = 0;
}

uint32_t backoff_random(void)
{
	uint32_t v;
	ssize_t n = getrandom(&v, sizeof(v), 0);

	ASSERT(n == (ssize_t)sizeof(v));
	return v;
}
