/*
 * One evaluation: measures every kind of check for some tenants, judges, stores the results and
 * raises or resolves alerts, each once, when a state changes: also when several judge at once, or
 * one ends half-way (0025_told.sql).
 *
 *   definitions ─▶ measure (a statement per kind) ─▶ judge ─▶ store ─▶ alerts into the outbox ─▶
 * told
 */
#ifndef DQD_EVALUATE_H
#define DQD_EVALUATE_H

#include "common/pg/pgpool.h"

#define EVALUATE_PLATFORM "_platform" /* whose results no tenant sees */

struct evaluate_target {
	struct pgpool *control, *warehouse;
	const char *instance;
	const char *table; /* only this one; NULL: all */
};

struct evaluate_report {
	int64_t checked, failing, changed;
	int64_t platform_checked, platform_failing; /* of them: nobody's but the platform's */
};

/* `tenants` = array literal, copied. fn once, never from inside; e NULL on success. */
typedef void (*evaluate_fn)(void *arg, const struct evaluate_report *r, const struct err *e);
void evaluate_start(const struct evaluate_target *t, const char *tenants, evaluate_fn fn,
		    void *arg);

#endif
