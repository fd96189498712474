/*
 * The words after `ingestd dead-letter`: a verb, the letters it is about, and how to show them.
 * Pure; what is wrong is said in a sentence that names the word and what is allowed.
 */
#ifndef INGESTD_DEAD_LETTER_QUERY_H
#define INGESTD_DEAD_LETTER_QUERY_H

#include "common/base/err.h"
#include "common/base/strbuf.h"
#include "common/base/timestamp.h"

enum dead_letter_verb {
	DEAD_LETTER_LIST,
	DEAD_LETTER_SHOW,
	DEAD_LETTER_REPLAY,
	DEAD_LETTER_ACKNOWLEDGE,
	DEAD_LETTER_VERBS
};

struct dead_letter_query {
	enum dead_letter_verb verb;
	const char *reason, *subject, *tenant;                     /* borrowed; NULL: any */
	char since[TIMESTAMP_TEXT_MAX], until[TIMESTAMP_TEXT_MAX]; /* "": open */
	char limit[24];
	const char *id;    /* the first one named, or NULL */
	struct strbuf ids; /* all of them, as a Postgres array; empty: none was named */
	bool all, json, raw, dry_run;
};

/* now_us is what a duration ("2h": since two hours ago) counts from. -EINVAL with e filled. */
int dead_letter_query_parse(int argc, char **argv, int64_t now_us, struct dead_letter_query *ret,
			    struct err *e) MUST_CHECK;
void dead_letter_query_clear(struct dead_letter_query *q); /* also after a failed parse */

/* $1 to $6 of the statements that take letters by filter and id; valid as long as q. */
#define DEAD_LETTER_PARAMS 6
void dead_letter_query_params(const struct dead_letter_query *q,
			      const char *params[DEAD_LETTER_PARAMS]);

#endif
