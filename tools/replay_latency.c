/* See replay_latency.h. Below 32 us every value has a step of its own: octave 0. */
#include "tools/replay_latency.h"

void replay_latency_add(struct replay_latency *l, int64_t us)
{
	uint64_t v = us > 0 ? (uint64_t)us : 0;
	size_t octave = 0;

	if (us > l->max_us)
		l->max_us = us;
	while (v >= 2 * LATENCY_STEPS) {
		v >>= 1;
		octave++;
	}
	if (v >= LATENCY_STEPS) {
		v -= LATENCY_STEPS;
		octave++;
	}
	if (octave >= LATENCY_OCTAVES) {
		octave = LATENCY_OCTAVES - 1;
		v = LATENCY_STEPS - 1;
	}
	l->counts[octave][v]++;
	l->total++;
}

/* The greatest value that falls into the step. */
static int64_t end_of(size_t octave, size_t step)
{
	if (octave == 0)
		return (int64_t)step;
	return (int64_t)((LATENCY_STEPS + step + 1) << (octave - 1)) - 1;
}

int64_t replay_latency_quantile(const struct replay_latency *l, double share)
{
	double wanted = share * (double)l->total;
	uint64_t seen = 0;

	for (size_t octave = 0; octave < LATENCY_OCTAVES; octave++)
		for (size_t step = 0; step < LATENCY_STEPS; step++) {
			int64_t end = end_of(octave, step);

			seen += l->counts[octave][step];
			if (seen > 0 && (double)seen >= wanted)
				return end < l->max_us ? end : l->max_us;
		}
	return l->max_us;
}
