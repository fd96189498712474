/*
 * POST metrics/{key}:compute. A request becomes a job: looked up in the cache, else computed on the
 * tenant's connection. Equal jobs run once: those that come while the first one runs, and know no
 * newer version of the data, wait for its result.
 *
 * A job outlives its client when others wait for it; else its statements are cancelled.
 */
#ifndef QUERYD_COMPUTE_H
#define QUERYD_COMPUTE_H

#include "queryd/access.h"
#include "queryd/request.h"

struct compute;

struct compute *compute_new(struct queryd *st) MUST_CHECK;
void compute_free(struct compute *c); /* after every job has ended */
void compute_serve(const struct call *c);

/* What explain needs of it too. The metric of the path, or NULL: answered 404. */
const struct metric_def *compute_metric(const struct call *c, int64_t version);
/* Checks the filter on properties against the caller's; false: answered 403. */
bool compute_in_scope(const struct call *c, const struct request *r);
/* Resolves the dates; returns the local date of the property or tenant. */
int32_t compute_resolve(const struct call *c, struct request *r);
/* The problem that an error of a query is to its client; logs what is nobody's fault but ours. */
enum problem_code compute_problem(const struct err *e);

#endif
