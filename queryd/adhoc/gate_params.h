/*
 * Named, typed parameters of a tenant's SQL: {"name": {"type": …, "value": …}}. A value is sent to
 * the server as a parameter of that type and is never text of the statement.
 */
#ifndef QUERYD_ADHOC_GATE_PARAMS_H
#define QUERYD_ADHOC_GATE_PARAMS_H

#include "common/base/arena.h"
#include "common/base/json.h"

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

/* The place of the one of that name, or params->n. */
size_t gate_params_find(const struct gate_params *params, struct slice name);

#endif
