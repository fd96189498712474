/*
 * What a question reads: tables, each with the days that the conditions on it leave, and how often.
 * It is known from the question alone; how much that is, an extent says.
 *
 * A scope is what runs as a whole: the statement, a WITH query, a subquery. One that needs a row
 * from outside runs anew for each row of the scope that it is `over`.
 */
#ifndef QUERYD_COST_READS_H
#define QUERYD_COST_READS_H

#include "queryd/tenant/extent.h"

#define READS_MAX        64
#define READS_SCOPES_MAX 64
#define READS_ONCE       (-1) /* a scope over none */
/* What a row counts as, with its index entry. Rows are what is counted (tenant_views.rows_read()
 * gives the entries of indexes that were read), never blocks, which hold rows of other tenants. */
#define READS_ROW_BYTES INT64_C(256)

struct read {
	const char *table; /* literal */
	int32_t from, to;  /* days */
	bool keyed;        /* a value of its key is given: the rows of one thing */
	double most;       /* rows after which its statement has enough; 0: it wants all */
	int scope;
};

struct reads {
	struct read v[READS_MAX];
	size_t n;
	int over[READS_SCOPES_MAX]; /* an earlier scope, or READS_ONCE */
	size_t nscopes;
};

/* A new scope; -1: there are too many. */
int reads_scope(struct reads *r, int over);
/* The whole of the table, to be narrowed; NULL: there are too many. */
struct read *reads_add(struct reads *r, const char *table, int scope);
int64_t reads_bytes(const struct reads *r, const struct extent *e);

#endif
