/*
 * Rows of a tenant's statement as JSON. int64 is a number up to 2^53 and a string beyond, numeric
 * always a string, so that no digit is lost on the way; times are RFC 3339.
 */
#ifndef QUERYD_ADHOC_ADHOC_RESULT_H
#define QUERYD_ADHOC_ADHOC_RESULT_H

#include "common/base/json.h"
#include "common/pg/pgconn.h"

/* A name that two columns have, or NULL: rows are objects, so each needs its own. */
const char *adhoc_result_twice(const struct pgresult *r, size_t i);
/* Members columns and rows, of at most `max` rows; more of them make it truncated. */
void adhoc_result_write(const struct pgresult *r, size_t i, size_t max, struct json_writer *w);

#endif
