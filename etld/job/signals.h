/*
 * Signals: what others learn from a tenant's figures, said of every property as
 * melmastoon.analytics.metric.computed.v1 once an interval. A signal is a row of a table and a SQL
 * file; it has a version, its rows are few, and it names no person and no reservation.
 *
 * Small groups are left out. A group is shown when it has at least `least` reservations and the
 * smaller groups beside it are none, or have as many between them: so what is left out can neither
 * be told nor be found by subtraction. Signals give ratios, and shares of what is shown, never
 * totals. (The points of the occupancy curve are no parts of a whole: each stands for itself.)
 *
 * An event's id follows from what it says and the data it was made of; what was said last is not
 * said again. Every etld runs this; a tenant is one worker's at a time, and one whose worker died,
 * or whose signals failed, is tried again after ten minutes.
 */
#ifndef ETLD_SIGNALS_H
#define ETLD_SIGNALS_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"

struct signals;

struct signals_options {
	const char *names; /* comma list; "": none */
	int64_t every_ms;
	int64_t least; /* reservations of a group */
};

/* Whether every name of a comma list is that of a signal. */
int signals_check(const char *names, struct err *e) MUST_CHECK;
struct signals *signals_new(struct daemon *d, struct pgpool *warehouse,
			    const struct signals_options *o) MUST_CHECK;
void signals_stop(struct signals *s); /* before the pool is freed; NULL is fine */
void signals_free(struct signals *s); /* after the pool is freed */

#endif
