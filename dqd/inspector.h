/*
 * Decides when what is looked at: dirty profile cells at once, then the tenants whose tables
 * changed (at most every check_interval), every tenant every schedule_interval, and every profile
 * again every full_interval. A hint of etld's only shortens the wait; a round that took long is
 * followed by a rest (round_share), which no hint shortens.
 */
#ifndef DQD_INSPECTOR_H
#define DQD_INSPECTOR_H

#include "common/daemon/daemon.h"
#include "dqd/config.h"
#include "dqd/evaluate.h"
#include "dqd/profiler.h"

struct inspector;

struct inspector *inspector_new(struct daemon *d, struct profiler *profiler,
				const struct evaluate_target *target,
				const struct dqd_config *conf) MUST_CHECK;
void inspector_stop(struct inspector *i); /* starts no more rounds; before the pools are freed */
void inspector_free(struct inspector *i); /* after them */
void inspector_wake(struct inspector *i);
/* One full round of everything (of the target's table, if one is set), then on_done(arg, report,
 * e). */
void inspector_run_once(struct inspector *i, evaluate_fn on_done, void *arg);

#endif
