/*
 * Turns landed events that ask for something (a tenant deleted or moved, a guest to be forgotten, a
 * forecast) into jobs. ingestd left a row of analytics_run.control_event with each; the job belongs
 * into the control database, which may be another one, so no transaction spans both: first the jobs
 * are made, keyed by their events, and then the rows go. Killed in between, it makes the same jobs
 * again, which are none. A purge becomes due only after a grace: a tenant is gone at once for
 * everybody, its data a little later. Any number of etlds may do it at once.
 */
#ifndef ETLD_CONTROL_H
#define ETLD_CONTROL_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct control;

struct control *control_new(struct daemon *d, struct pgpool *control, struct pgpool *warehouse,
			    int64_t poll_ms, int64_t purge_grace_ms) MUST_CHECK;
void control_stop(struct control *c); /* before the pools are freed; NULL is fine */
void control_free(struct control *c); /* after them */

#endif
