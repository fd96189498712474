/* SQLSTATEs and the sentences for them; see adhoc_refusal.h. */
#include "queryd/adhoc/adhoc_refusal.h"

#include <errno.h>

/* First match wins. */
static const struct {
	const char *prefix;
	enum problem_code code;
	const char *detail;
} refusals[] = {
	{"42703", PROBLEM_QUERY_REJECTED, "A column that it names does not exist."},
	{"42702", PROBLEM_QUERY_REJECTED, "A column name is ambiguous; name its table."},
	{"42803", PROBLEM_QUERY_REJECTED,
	 "A column must be grouped by or stand in an aggregate; aggregates are not nested."},
	{"42804", PROBLEM_QUERY_REJECTED, "Types do not fit together."},
	{"42846", PROBLEM_QUERY_REJECTED, "A cast between these types is not possible."},
	{"42883", PROBLEM_QUERY_REJECTED, "A function or operator does not take these types."},
	{"42725", PROBLEM_QUERY_REJECTED,
	 "A function or operator is ambiguous; cast its arguments."},
	{"42P18", PROBLEM_QUERY_REJECTED, "The type of a value cannot be told; cast it."},
	{"42501", PROBLEM_QUERY_REJECTED, "It reads something that is not the tenant's."},
	{"42", PROBLEM_QUERY_REJECTED, "It is not valid SQL over these tables."},
	{"22", PROBLEM_QUERY_REJECTED,
	 "A value is out of range or has the wrong form, for example a division by zero."},
	{"21", PROBLEM_QUERY_REJECTED, "A subquery that stands for a value gave several rows."},
	{"0A", PROBLEM_QUERY_REJECTED, "It uses a form that is not supported."},
	{"54", PROBLEM_QUERY_REJECTED, "It is too complex."},
	{"53400", PROBLEM_QUERY_REJECTED, "It needs more temporary space than is allowed."},
	{"57014", PROBLEM_QUERY_TIMEOUT, "The query took too long."},
};

enum problem_code adhoc_refusal(const struct err *e, const char **ret_detail)
{
	if (e->code == -E2BIG) {
		*ret_detail = "The result is too large: ask for fewer or shorter rows.";
		return PROBLEM_QUERY_REJECTED;
	}
	if (e->code == -ETIMEDOUT) {
		*ret_detail = "The query took too long.";
		return PROBLEM_QUERY_TIMEOUT;
	}
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strncmp(e->sqlstate, refusals[i].prefix, strlen(refusals[i].prefix)) == 0) {
			*ret_detail = refusals[i].detail;
			return refusals[i].code;
		}
	}
	*ret_detail = "The query cannot be answered right now.";
	return PROBLEM_UNAVAILABLE;
}
