/*
 * What the server's refusal of a tenant's statement means to who wrote it. The server's own words
 * are never shown: they may name what others have.
 */
#ifndef QUERYD_ADHOC_ADHOC_REFUSAL_H
#define QUERYD_ADHOC_ADHOC_REFUSAL_H

#include "common/base/err.h"
#include "common/http/problem.h"

enum problem_code adhoc_refusal(const struct err *e, const char **ret_detail);

#endif
