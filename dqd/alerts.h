/*
 * Tells states that changed: an event into the outbox for each, then that they were told. One that
 * ends half-way leaves them untold, and whoever stores a result of that check next tells them
 * again, by the same ids (0025_told.sql).
 */
#ifndef DQD_ALERTS_H
#define DQD_ALERTS_H

#include "common/pg/pgpool.h"

struct evaluate_target;

/* `changes` = rows of store_results.sql, read before it returns; target borrowed until fn, which is
 * called once (from inside when there are none); e NULL on success. */
typedef void (*alerts_fn)(void *arg, const struct err *e);
void alerts_tell(const struct evaluate_target *t, const struct pgresult *changes, alerts_fn fn,
		 void *arg);

#endif
