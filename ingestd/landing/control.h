/*
 * Events that ask for a job: a tenant that leaves or moves, a guest to be forgotten, a forecast.
 * The job is queued in the transaction that lands the event, and only when it does land: the fast
 * way lands all of a batch or nothing, the careful way knows it row by row.
 */
#ifndef INGESTD_CONTROL_H
#define INGESTD_CONTROL_H

#include "ingestd/reading/envelope.h"

/* The kind of job that the event asks for, a literal; NULL: none. */
const char *control_kind(const struct event *ev);
/* Whether nothing of its tenant may land after it: only the careful way writes tombstones. */
bool control_buries(const struct event *ev);

#endif
