/* In a tenant's statement @name stands for the value of a parameter, as BigQuery has it. */
#ifndef QUERYD_ADHOC_GATE_BIND_H
#define QUERYD_ADHOC_GATE_BIND_H

#include "common/base/strbuf.h"
#include "queryd/adhoc/gate_params.h"

/*
 * Writes `sql` with $n and a cast for each @name. offsets of the result map back with
 * gate_bind_origin(). -EINVAL: an unknown name, a $n of the client's own or a quote that is not
 * closed; `position` (from 1) says where, `what` is in the arena.
 */
struct gate_text {
	struct strbuf sql;
	struct {
		size_t from, to, shift; /* of the result: where a cast stands, and what it added */
	} marks[4 * GATE_PARAMS_MAX];
	size_t nmarks;
};

int gate_bind(struct slice sql, const struct gate_params *params, struct arena *a,
	      struct gate_text *ret, int *position, const char **what) MUST_CHECK;
/* The offset in the client's text of an offset in the bound text. */
size_t gate_bind_origin(const struct gate_text *t, size_t offset);

#endif
