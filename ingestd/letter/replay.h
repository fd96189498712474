/*
 * Replaying dead letters: each is read again by the rules of this version, with what its transport
 * had said, and lands through the batcher like an event that has just come in.
 *
 *   page ─▶ read ─▶ look up what has landed ─▶ land the rest ─▶ mark ─▶ next page
 *
 * Killed between landing and marking it finds the event landed when it runs again: nothing lands
 * twice, nothing is forgotten. What is still wrong stays a dead letter under its new reason; an id
 * that has landed with other content stays a conflict, whatever is done here.
 */
#ifndef INGESTD_REPLAY_H
#define INGESTD_REPLAY_H

#include "common/daemon/daemon.h"
#include "common/pg/pgpool.h"
#include "ingestd/landing/batcher.h"
#include "ingestd/letter/dead_letter_query.h"

struct replay;

struct replay_options {
	const struct dead_letter_query *query; /* borrowed */
	const struct ingestd_config *conf;
	bool json;
};

/* The batcher is new: started here when something is to be landed. Ends the program: 0, 65 when
 * letters are still bad, 75 when it could not go on. */
struct replay *replay_new(struct daemon *d, struct pgpool *warehouse, struct batcher *batcher,
			  const struct replay_options *o) MUST_CHECK;
void replay_free(struct replay *r); /* after the pool and the batcher; NULL is fine */

#endif
