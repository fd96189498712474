/* What `etld backfill` prints: how big it will be, and what it has changed. */
#ifndef ETLD_BACKFILL_H
#define ETLD_BACKFILL_H

#include "common/pg/pgconn.h"

/* Rows of list_differences.sql on stdout: a table for people, or one JSON document. */
void backfill_print(const struct pgresult *differences, const char *projection, const char *state,
		    bool json);

#endif
