/*
 * Carries what changed with jobs from the control database, where it was written with the change,
 * to the outbox of the warehouse, as etl.started and etl.failed (etl.completed is written there:
 * of a refresh with the data, of other jobs at their end). One event at a time, in order: read, put
 * into the outbox, forget. Any number of etlds may do it at once, and one that dies in between has
 * its last event carried again: the outbox takes each once.
 */
#ifndef ETLD_JOB_EVENTS_H
#define ETLD_JOB_EVENTS_H

#include "common/pg/pgpool.h"

struct job_events;

struct job_events *job_events_new(struct pgpool *control, struct pgpool *warehouse) MUST_CHECK;
/* Carries all there are; on_done once, never from inside: also when it had to leave some behind
 * because a database was not to be had. One call at a time. */
void job_events_carry(struct job_events *c, void (*on_done)(void *arg), void *arg);
void job_events_free(struct job_events *c); /* after the pools are freed; NULL is fine */

#endif
