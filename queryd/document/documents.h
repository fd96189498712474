/*
 * Reading what users made: one document with its ETag, and pages of a list. The documents are the
 * database's (analytics.documents), shown as they are.
 */
#ifndef QUERYD_DOCUMENT_DOCUMENTS_H
#define QUERYD_DOCUMENT_DOCUMENTS_H

#include "queryd/access.h"

/* What is not there, or not visible. */
struct document_absence {
	enum problem_code code;
	const char *detail;
};

extern const struct document_absence no_dashboard, no_widget, no_query, no_check, no_revision;

void documents_absent(const struct call *c, const struct document_absence *absence);

/* 200, 304 or 404. The statement's row: (document, etag); params live as long as the request. */
void documents_show(const struct call *c, const struct sql_stmt *s, const char *const *params,
		    const struct document_absence *absence);

/* A page. The statement takes [of,] after, limit; its rows: (what a cursor holds, item). */
struct document_list {
	const char *name; /* what its cursors are for */
	const struct sql_stmt *stmt;
	const char *of;                         /* the thing whose items they are; NULL: none */
	const struct document_absence *absence; /* a thing without items does not exist */
};

void documents_list(const struct call *c, const struct document_list *l);

#endif
