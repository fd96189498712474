/*
 * Saved queries: what queries:run takes, kept under a name. They belong to the user who saved them;
 * for anybody else, an administrator too, they do not exist.
 */
#ifndef QUERYD_DOCUMENT_SAVED_H
#define QUERYD_DOCUMENT_SAVED_H

#include "queryd/access.h"

void saved_create(const struct call *c);  /* POST queries */
void saved_list(const struct call *c);    /* GET queries */
void saved_show(const struct call *c);    /* GET queries/{id} */
void saved_replace(const struct call *c); /* PUT queries/{id} */
void saved_delete(const struct call *c);  /* DELETE queries/{id} */
void saved_history(const struct call *c); /* GET queries/{id}/history */

/* For queries:run. fn gets the saved {query} or {sql, params}, borrowed until it returns, unless
 * there is none of that id: then, or on failure, it is answered and fn is not called. */
void saved_load(const struct call *c, const char *query_id,
		void (*fn)(void *arg, struct slice definition), void *arg);

#endif
