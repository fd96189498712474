/*
 * What the rebuilds of a unit of work did to the tables of its consumer: totals, and parallel
 * arrays by tenant, joined over the ranges of keys that were rebuilt one after the other. A tenant
 * may stand in them several times; the statements that read them add it up.
 */
#ifndef ETLD_CHANGES_H
#define ETLD_CHANGES_H

#include "common/base/arena.h"
#include "common/pg/pgconn.h"
#include "etld/stream/consumers.h"

enum change_array {
	CHANGE_TENANTS,
	CHANGE_UPSERTED,
	CHANGE_DELETED,
	CHANGE_FROM, /* first and last day, or null */
	CHANGE_TO,
	CHANGE_ARRAYS
};

struct table_change {
	const char *name; /* NULL ends the list */
	int64_t upserted, deleted;
	const char *arrays[CHANGE_ARRAYS]; /* literals */
};

/* One for each table of the consumer, and the end. */
void changes_init(struct table_change changes[CONSUMER_TABLES_MAX + 1], const struct consumer *c);
/* Adds the rows of n results from `first` on, those of rebuild statements; arrays go into the
 * arena. */
void changes_add(struct table_change *changes, struct arena *a, const struct pgresult *r,
		 size_t first, size_t n);
/* Rows that n results from `first` on, those of rebuild statements, say were put or cut. */
int64_t changes_count(const struct pgresult *r, size_t first, size_t n);

#endif
