/*
 * The checks and how each kind is judged. Definitions are rows of analytics.dq_checks (one per
 * table, kind and column, for every tenant or for one); a kind is a row of the table in checks.c:
 * the statement that measures it for many tenants at once, and the rule that turns observed and
 * expected into pass or fail.
 */
#ifndef DQD_CHECKS_H
#define DQD_CHECKS_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/pg/sqlstmt.h"

struct pgresult;

struct check {
	const char *check_id, *tenant_id /* NULL: every tenant */;
	const char *table_name, *column_name /* or NULL */;
	const struct check_kind *kind;
	const char *severity;
	double limit; /* of the kind: tolerated share, seconds, or rate of nulls */
	bool silent;  /* switched off or muted: not judged, nor is the one it takes the place of */
};

struct check_kind {
	const char *name;
	/* $1 tenants text[] -> (table_name, column_name or null, tenant_id, observed, expected or
	 * null) */
	const struct sql_stmt *measure;
	double limit; /* when the definition says none */
	bool (*passes)(double observed, double expected, double limit);
	/* what is stored and shown as expected */
	double (*shown)(double expected, double limit);
};

extern const struct check_kind check_kinds[];
extern const size_t check_kind_count;

struct check_set;

/* Rows of list_checks.sql; unknown kinds (a newer release's) are left out. */
struct check_set *check_set_new(const struct pgresult *rows) MUST_CHECK;
void check_set_free(struct check_set *s);
/* When they were read, by the clock of the control database (RFC 3339); NULL when there are none.
 */
const char *check_set_as_of(const struct check_set *s);
/* The definition that applies: the tenant's own before everybody's; NULL: not checked. */
const struct check *check_find(const struct check_set *s, const struct check_kind *kind,
			       const char *table, const char *column, const char *tenant_id);

#endif
