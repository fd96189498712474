/*
 * Random numbers of the simulation: splitmix64, integers only, so that a seed gives the same bytes
 * with every compiler and libm. A stream is a struct rng; the world, and what happens to its events
 * on the way, draw from separate streams.
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include "common/base/base.h"

struct rng {
	uint64_t state;
};

static inline uint64_t rng_mix(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = rng_mix(r->state);

	r->state += UINT64_C(0x9e3779b97f4a7c15);
	return z;
}

/* 0 <= result < n; n > 0 */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

/* from <= result <= to */
static inline int64_t rng_between(struct rng *r, int64_t from, int64_t to)
{
	return from + (int64_t)(rng_next(r) % (uint64_t)(to - from + 1));
}

static inline bool rng_chance(struct rng *r, unsigned per_mille)
{
	return rng_below(r, 1000) < per_mille;
}

/* Index of the drawn weight; their sum must be above 0. */
static inline unsigned rng_weighted(struct rng *r, const uint16_t *weights, unsigned n)
{
	uint32_t sum = 0, at;

	for (unsigned i = 0; i < n; i++)
		sum += weights[i];
	at = rng_below(r, sum);
	for (unsigned i = 0; i < n; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
	return n - 1;
}

#endif
