/*
 * Keeps the profiles (rows and nulls per table, tenant and day) in step with the tables: a refresh
 * marks the cells it touched, this counts them again. Checks read profiles and never scan a fact.
 */
#ifndef DQD_PROFILER_H
#define DQD_PROFILER_H

#include "common/pg/pgpool.h"
#include "dqd/config.h"

struct profiler;

/* Both are borrowed; profile_cells may be reloaded. */
struct profiler *profiler_new(struct pgpool *warehouse, const struct dqd_config *conf) MUST_CHECK;
void profiler_free(struct profiler *p); /* after the pool is freed */

/* Counts the cells of one table after the other that are dirty when it is its turn, then calls fn
 * once (never from inside); e is NULL on success. One at a time. */
typedef void (*profiler_fn)(void *arg, const struct err *e);
void profiler_run(struct profiler *p, profiler_fn fn, void *arg);
/* The same after marking every cell of `table` (borrowed; NULL: of all tables) dirty; ends when all
 * of them are counted, also those that another dqd has in hand. */
void profiler_run_full(struct profiler *p, const char *table, profiler_fn fn, void *arg);

#endif
