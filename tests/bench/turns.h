/*
 * Candidates of a benchmark in one process: they take turns in each round, CPU time counts, and the
 * median of the rounds is what is told, a line `NAME: S us` each.
 */
#ifndef TESTS_BENCH_TURNS_H
#define TESTS_BENCH_TURNS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/base.h"

#define TURNS_ROUNDS 9
#define TURNS_MAX    4

struct candidate {
	const char *name;
	void (*run)(void *arg);
	int times; /* in a round */
};

static double turns_cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int turns_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void turns_take(const struct candidate *c, size_t n, void *arg)
{
	double us[TURNS_MAX][TURNS_ROUNDS];

	ASSERT(n <= TURNS_MAX);
	for (size_t round = 0; round < TURNS_ROUNDS; round++) {
		for (size_t i = 0; i < n; i++) {
			double start = turns_cpu_us();

			for (int k = 0; k < c[i].times; k++)
				c[i].run(arg);
			us[i][round] = (turns_cpu_us() - start) / c[i].times;
		}
	}
	for (size_t i = 0; i < n; i++) {
		qsort(us[i], TURNS_ROUNDS, sizeof(us[i][0]), turns_by_value);
		printf("%s: %.4f us\n", c[i].name, us[i][TURNS_ROUNDS / 2]);
	}
}

#endif
