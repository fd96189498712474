/*
 * Postgres text arrays in their literal form, '{a,"b,c"}'. etld passes the arrays that one
 * statement returned to the next without looking into them; these few operations are all it needs.
 * The text comes from Postgres itself and is well formed.
 */
#ifndef ETLD_PGARRAY_H
#define ETLD_PGARRAY_H

#include "common/base/arena.h"

#define PGARRAY_EMPTY "{}"

/* Elements of a one-dimensional literal; 0 for NULL. */
size_t pgarray_count(const char *literal);
/* a ‖ b, duplicates kept; either may be NULL. In the arena, or one of the arguments itself. */
const char *pgarray_join(struct arena *a, const char *x, const char *y) MUST_CHECK;

#endif
