/*
 * L1: the error codes of the contract, as one table: code -> status and title. Every error answer
 * of every daemon is application/problem+json made here, so that code and status can never
 * disagree.
 */
#ifndef COMMON_PROBLEM_H
#define COMMON_PROBLEM_H

#include "common/base/strbuf.h"

enum problem_code {
#define PROBLEM(id, code, status, title) PROBLEM_##id,
#include "common/http/problem.def"
#undef PROBLEM
	PROBLEM_COUNT,
};

struct problem_violation {
	const char *field; /* JSON path or parameter name, e.g. "dateRange.from" */
	const char *message;
};

struct problem {
	enum problem_code code;
	const char *detail;   /* one sentence: what, where, what is allowed; borrowed */
	const char *instance; /* request path */
	const char *correlation_id;
	const struct problem_violation *violations;
	size_t nviolations;
};

int problem_status(enum problem_code c);
const char *problem_name(enum problem_code c); /* MELMASTOON.GENERAL.VALIDATION_FAILED */
const char *problem_title(enum problem_code c);
void problem_write(const struct problem *p, struct strbuf *out);

#endif
