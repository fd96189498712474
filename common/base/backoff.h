/*
 * L1: decorrelated jitter: next = min(cap, uniform(base, 3 * previous)). Pure; the caller brings
 * the random number, so that tests are exact.
 */
#ifndef COMMON_BACKOFF_H
#define COMMON_BACKOFF_H

#include "common/base/base.h"

struct backoff {
	int64_t base_ms, cap_ms, previous_ms; /* previous 0: start at base */
};

int64_t backoff_next_ms(struct backoff *b, uint32_t random);
void backoff_reset(struct backoff *b);
uint32_t backoff_random(void); /* getrandom(2), for callers outside tests */

#endif
