/*
 * Where a tenant's data was when: a tenant that moves to another region leaves behind, or brings
 * along, dates whose rows this warehouse does not show (analytics_run.residency). A window that
 * reaches there is refused, instead of being answered with what is left of it.
 */
#ifndef QUERYD_TENANT_RESIDENCY_H
#define QUERYD_TENANT_RESIDENCY_H

#include "common/base/arena.h"
#include "common/pg/pgconn.h"

struct residency;

/* Of rows of read_residency.sql; NULL: all can be read, which is nearly every tenant. */
struct residency *residency_new(const struct pgresult *r, size_t result) MUST_CHECK;
void residency_free(struct residency *s); /* NULL is fine */

/* Why the window (days, inclusive; INT32_MIN, INT32_MAX: open) cannot be answered, in the arena:
 * what of it lies where, and what can be read. NULL: it can. `s` NULL: everything can. */
const char *residency_refusal(const struct residency *s, int32_t from, int32_t to, struct arena *a);

#endif
