/*
 * Which shapes of events were seen, for the check of schema drift: each set of members that a
 * process meets for the first time, per subject and schema version, becomes a row of
 * analytics_run.event_shape.
 *
 * It costs an event one look into a table, by the hash that the scanner made on its way. Only what
 * is not there is taken apart (fingerprint.h), a few hundred times a second at most, and written
 * beside the landing, not in it: a shape that is lost comes again. What a process remembers is
 * bounded; whoever sends ever new shapes is told nothing and costs no more.
 */
#ifndef INGESTD_SHAPES_H
#define INGESTD_SHAPES_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "ingestd/reading/envelope.h"

struct shapes;

struct shapes *shapes_new(struct daemon *d, struct pgpool *warehouse) MUST_CHECK;
void shapes_free(struct shapes *s); /* after the pool; NULL is fine */
/* An event that was read from this text and will land. */
void shapes_note(struct shapes *s, const struct event *ev, struct slice text);

#endif
