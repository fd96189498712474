/*
 * Bodies of what users make, checked against a table of members: every fault is named by its field,
 * an unknown member is a fault. What the API takes is what the OpenAPI document says of it.
 */
#ifndef QUERYD_DOCUMENT_BODY_H
#define QUERYD_DOCUMENT_BODY_H

#include "queryd/access.h"
#include "queryd/compute/request.h"

enum body_type {
	BODY_TEXT,
	BODY_INTEGER,
	BODY_CHOICE,
	BODY_OBJECT,
	BODY_STRINGS,
	BODY_INSTANT,
	BODY_NUMBER,
	BODY_BOOL
};

struct body_member {
	const char *name;
	enum body_type type;
	bool required; /* else it may be absent or null */
	int64_t min,
		max; /* characters of a text, value of an integer or number, count of strings */
	const char *const *choices; /* of a CHOICE, ended by NULL */
};

struct body {
	const struct json *root; /* lives as long as the request */
	struct faults faults;
};

/* The JSON object of the request, its members checked. */
void body_read(const struct call *c, const struct body_member *members, size_t n, struct body *ret);
/* The same for an object inside of it; `at` is its path, for the fields of faults. */
void body_check(const struct call *c, const struct json *v, const char *at,
		const struct body_member *members, size_t n, struct faults *f);
/* true: there are faults, and they are answered with `code`. */
bool body_refused(const struct call *c, const struct body *b, enum problem_code code);

#endif
