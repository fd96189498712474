/*
 * One dead letter on its way through a replay: read again by the rules of this version, with what
 * its transport had said.
 */
#ifndef INGESTD_LETTER_H
#define INGESTD_LETTER_H

#include "common/base/arena.h"
#include "common/pg/pgconn.h"
#include "ingestd/reading/envelope.h"

#define LETTER_PLACE_MAX 512

struct replay;
struct letter_reader;

struct letter {                /* its texts are in the arena it was read into */
	struct replay *replay; /* for callbacks; the replay's to set */
	const char *id, *reason;
	struct slice body, attributes; /* of the event: out of its push wrapper, if it had one */
	struct event *event;           /* NULL: it cannot be read */
	const char *outcome;           /* what became of it; NULL: nothing yet */
	bool bad;                      /* outcome is the reason that it stays a dead letter for, */
	const char *severity;
	char place[LETTER_PLACE_MAX]; /* and this is where */
};

struct letter_reader *letter_reader_new(const char *region) MUST_CHECK;
void letter_reader_free(struct letter_reader *r);

/* A row of page_dead_letters.sql. */
void letter_read(struct letter_reader *r, const struct pgresult *res, size_t row, struct arena *a,
		 struct letter *ret);

/* `reason` and `severity` live as long as the letter. */
void letter_stays_bad(struct letter *l, const char *reason, const char *severity,
		      const char *place);

#endif
