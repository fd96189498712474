/*
 * GET metrics/{key}/explain: why a number is what it is: the statements that were run with their
 * parameters, the sums they gave, and where the facts come from.
 */
#ifndef QUERYD_API_EXPLAIN_H
#define QUERYD_API_EXPLAIN_H

#include "queryd/access.h"

void explain_serve(const struct call *c);

#endif
