/*
 * Named, typed parameters of a tenant's SQL: {"name": {"type": …, "value": …}}. In the statement
 * @name stands for the value; it is sent to the server as a parameter of that type and is never
 * text of the statement.
 */
#ifndef QUERYD_ADHOC_GATE_PARAMS_H
#define QUERYD_ADHOC_GATE_PARAMS_H

#include "common/arena.h"
#include "common/json.h"
#include "common/strbuf.h"

#define GATE_PARAMS_MAX 32

struct gate_param {
	const char *name;
	const char *sql_type; /* literal */
	const char *value;    /* text form; NULL: null */
};

struct gate_params {
	struct gate_param v[GATE_PARAMS_MAX];
	size_t n;
};

struct gate_fault {
	char field[96]; /* params.NAME.value */
	char detail[160];
};

/* Adds to what is in `ret`; a name that is there gets the new value. `params` may be NULL (none).
 * -EINVAL with the first fault; texts live in the arena. */
int gate_params_read(const struct json *params, struct arena *a, struct gate_params *ret,
		     struct gate_fault *fault) MUST_CHECK;

/*
 * Writes `sql` with $n and a cast for each @name. offsets of the result map back with
 * gate_params_origin(). -EINVAL: an unknown name, a $n of the client's own or a quote that is not
 * closed; `position` (from 1) says where, `what` is in the arena.
 */
struct gate_text {
	struct strbuf sql;
	struct {
		size_t from, to, shift; /* of the result: where a cast stands, and what it added */
	} marks[4 * GATE_PARAMS_MAX];
	size_t nmarks;
};

int gate_params_bind(struct slice sql, const struct gate_params *params, struct arena *a,
		     struct gate_text *ret, int *position, const char **what) MUST_CHECK;
/* The offset in the client's text of an offset in the bound text. */
size_t gate_params_origin(const struct gate_text *t, size_t offset);

#endif
