/*
 * How long acknowledgements took: a histogram of fixed size, exact to 1 in 32, whatever the number.
 */
#ifndef TOOLS_REPLAY_LATENCY_H
#define TOOLS_REPLAY_LATENCY_H

#include "common/base/base.h"

enum { LATENCY_STEPS = 32, LATENCY_OCTAVES = 32 };

struct replay_latency {
	uint64_t counts[LATENCY_OCTAVES]
		       [LATENCY_STEPS]; /* by the highest bit, then the next five */
	uint64_t total;
	int64_t max_us;
};

void replay_latency_add(struct replay_latency *l, int64_t us);
/* The least time that `share` (0..1) of all did not exceed, as far as a step tells; 0 of none. */
int64_t replay_latency_quantile(const struct replay_latency *l, double share);

#endif
