/*
 * `ingestd load PATH…`: lands an archive of events as if it came in now, through the same reader
 * and the same batcher: what has landed before is a duplicate, what is unusable a dead letter, and
 * the times in the events are theirs. How far each file is stands in analytics_run.archive_file,
 * written after what it says has landed: stopped or killed, the same command goes on from there,
 * and what lies between counts as duplicate. A file that is done is passed over, unless --again is
 * given.
 *
 * The counts go to stdout as JSON. Exit 0; 65: there were dead letters or conflicts; 69: a file
 * could not be read; 75: the warehouse was not to be had, try again.
 */
#ifndef INGESTD_LOAD_H
#define INGESTD_LOAD_H

#include "common/daemon/daemon.h"

#define LOAD_USAGE "load [--again] PATH...: land an event archive (NDJSON, .gz), deduplicated"

struct load;

int load_start(struct daemon *d, void *state, int argc, char **argv, struct err *e) MUST_CHECK;
void load_free(struct load *l); /* after the pool and the batcher; NULL is fine */

#endif
