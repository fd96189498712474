/*
 * Questions that were read before, by their bytes: the same bytes from the same caller mean the
 * same question as long as the definitions, the local date and the week are the same, so that
 * neither JSON is read nor a key computed for an answer that is there already. Only the key is
 * remembered, never an answer; whoever finds it looks the answer up like everybody else.
 */
#ifndef QUERYD_COMPUTE_RECALL_H
#define QUERYD_COMPUTE_RECALL_H

#include "queryd/access.h"

struct recall;

struct recalled {
	char key[CACHE_KEY_LEN + 1];
	const char *tables[CACHE_TABLES_MAX + 1]; /* ended by NULL; they live for ever */
	bool partial;
};

struct recall *recall_new(void) MUST_CHECK;
void recall_free(struct recall *r);
/* The text is all of the request that the question depends on. */

/* NULL: not known. Borrowed until the next recall_keep(). */
const struct recalled *recall_find(struct recall *r, const struct call *c, struct slice text);
/* Answers the request from the shelf when the question is known and its answer is there: true, and
 * the answer comes later; when it turns out to be old then, `otherwise` serves the call. false: it
 * is the caller's to serve. */
bool recall_serve(const struct call *c, struct slice text, void (*otherwise)(const struct call *c));
/* property: the one whose date is today for this question, NULL: the tenant's. */
void recall_keep(struct recall *r, const struct call *c, struct slice text, const char *property,
		 const struct recalled *what);

#endif
