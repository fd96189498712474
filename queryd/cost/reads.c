/* Reads of a question in bytes; see reads.h. */
#include "queryd/cost/reads.h"

#define KEYED_ROWS 4.0 /* nights of a reservation, steps of a payment */

int reads_scope(struct reads *r, int over)
{
	if (r->nscopes == READS_SCOPES_MAX)
		return -1;
	r->over[r->nscopes] = over;
	return (int)r->nscopes++;
}

struct read *reads_add(struct reads *r, const char *table, int scope)
{
	if (r->n == READS_MAX)
		return NULL;
	r->v[r->n] = (struct read){
		.table = table, .from = EXTENT_FIRST_DAY, .to = EXTENT_LAST_DAY, .scope = scope};
	return &r->v[r->n++];
}

static double rows_of(const struct read *r, const struct extent *e)
{
	double rows = extent_rows(e, r->table, r->from, r->to);

	if (r->keyed && rows > KEYED_ROWS)
		rows = KEYED_ROWS;
	return r->most > 0 && rows > r->most ? r->most : rows;
}

int64_t reads_bytes(const struct reads *r, const struct extent *e)
{
	double rows[READS_SCOPES_MAX] = {0}, times[READS_SCOPES_MAX] = {0}, read = 0;

	for (size_t i = 0; i < r->n; i++) {
		double own = rows_of(&r->v[i], e);

		if (own > rows[r->v[i].scope])
			rows[r->v[i].scope] = own;
	}
	for (size_t s = 0; s < r->nscopes; s++) {
		times[s] = 1;
		if (r->over[s] >= 0 && rows[r->over[s]] > 1)
			times[s] = times[r->over[s]] * rows[r->over[s]];
	}
	for (size_t i = 0; i < r->n; i++)
		read += rows_of(&r->v[i], e) * times[r->v[i].scope];
	return read < (double)(INT64_MAX / READS_ROW_BYTES / 2) ? (int64_t)read * READS_ROW_BYTES
								: INT64_MAX / 2;
}
