/*
 * L2: the supervisor of several serving processes (setting `workers`). It forks them before any
 * library is used, so that each starts from nothing but the settings; it serves nobody itself and
 * needs no loop but its own poll(2).
 *
 *	a worker ends		another takes its place, later each time that comes soon again
 *	one is silent		for PREFORK_SILENT_MS: its loop is stuck; it is killed, and as above
 *	SIGHUP			reload() here, then theirs
 *	SIGTERM, SIGINT		theirs: they drain; a second one ends them at once
 *	the supervisor is killed	the kernel sends its workers SIGTERM, and their channel ends
 *
 * A worker that ends before all have once served is an error of the start: the others are ended and
 * its exit code is the daemon's. Workers find each other's number of ready ones in their readiness,
 * and any of them can answer for the metrics of all (worker.h).
 */
#ifndef COMMON_PREFORK_H
#define COMMON_PREFORK_H

#include <signal.h>

#include "common/base/base.h"

#define PREFORK_SILENT_MS 30000

struct prefork_options {
	int count; /* 2 to WORKERS_MAX */
	int64_t drain_ms;
	void (*reload)(void *arg);
	void (*on_all_serving)(void *arg); /* for the first time */
	void *arg;
};

/* What prefork_run is when it returns. */
struct prefork_self {
	int index;   /* of this worker, from 1 on; 0: the supervisor, and all have ended */
	int channel; /* of a worker */
	int code;    /* the supervisor's exit code */
	/* of a worker: the mask to set as soon as it handles SIGTERM and SIGHUP; until then they
	 * wait */
	sigset_t mask;
};

/* Returns once in each worker, and in the supervisor at the end. */
struct prefork_self prefork_run(const struct prefork_options *o);

#endif
