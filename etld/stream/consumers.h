/*
 * What is folded by what: the registry of consumers. A consumer owns the domains whose events touch
 * the same keys; one unit of work takes events of one (consumer, shard), appends them to the
 * consumer's typed event table and rebuilds every projection of the touched keys, in order.
 *
 * Adding a projection is a row here, its SQL file, and its row in analytics.projections.
 */
#ifndef ETLD_CONSUMERS_H
#define ETLD_CONSUMERS_H

#include "common/base/base.h"
#include "common/pg/sqlstmt.h"

#define CONSUMER_REBUILDS_MAX 4
#define CONSUMER_TABLES_MAX   4
#define CONSUMER_TABLES_LEN   256 /* of an array of their names */

/* A projection's statement, for the live version of its tables and for the one beside it. */
struct rebuild {
	const struct sql_stmt *live, *beside;
};

struct consumer {
	const char *name;
	const struct sql_stmt
		*append; /* NULL: its events touch no projection, they are just taken */
	bool pseudonyms; /* it makes some, with the secret of the tenant */
	/* In dependency order; each returns one row per table it writes. No statements end the
	 * list. */
	struct rebuild rebuilds[CONSUMER_REBUILDS_MAX + 1];
	/* The tables they write; NULL ends the list. */
	const char *tables[CONSUMER_TABLES_MAX + 1];
};

/* NULL when there is none of that name. */
const struct consumer *consumer_find(const char *name);
/* The consumer that writes `table`, or NULL. */
const struct consumer *consumer_of_table(const char *table);
/* Its tables as the literal of a Postgres array; their names need no quoting. */
void consumer_tables(const struct consumer *c, char out[CONSUMER_TABLES_LEN]);

#endif
