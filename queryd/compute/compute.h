/*
 * Structured queries, inside queryd: a query becomes a job: looked up in the cache, else computed
 * on the tenant's connection. Equal jobs run once: those that come while the first one runs, and
 * know no newer version of the data, wait for its result. In other processes they wait for its
 * entry in the cache as long as it keeps its lease (cache.h); when it fails, or its process ends,
 * the next one takes over.
 *
 * A client that sends `Cache-Control: max-stale[=seconds]` gets what is there although the data
 * have changed, when that was current within so many seconds (a day at most): X-Cache says STALE,
 * and asOf when it was current. Nobody else ever does.
 *
 * A job outlives who started it when others wait for it; else its statements are cancelled.
 */
#ifndef QUERYD_COMPUTE_COMPUTE_H
#define QUERYD_COMPUTE_COMPUTE_H

#include "queryd/access.h"
#include "queryd/compute/answer.h"
#include "queryd/compute/request.h"

struct compute;
struct compute_job;

struct compute *compute_new(struct queryd *st) MUST_CHECK;
void compute_free(struct compute *c); /* after every job has ended */

/* What came of a query; borrowed until the callback returns. */
struct compute_outcome {
	const struct answer *answer; /* NULL: a problem, said by the rest */
	enum problem_code code;
	const char *detail;
	const struct problem_violation *violations; /* of VALIDATION_FAILED; fields are members of
						       the query */
	size_t nviolations;
};

typedef void (*compute_fn)(void *arg, const struct compute_outcome *o);

/*
 * Runs a structured query, the `query` of queries:run, for the caller: his properties, his cache
 * entries. The JSON is not needed afterwards, nor is the call. `fn` is called exactly once: from
 * inside the call when the query is at fault or refused at once, and then NULL is returned; else
 * later.
 */
struct compute_job *compute_start(const struct call *c, const struct json *query, compute_fn fn,
				  void *arg);
/* Nobody wants the outcome any more: fn will not be called. */
void compute_cancel(struct compute_job *j);

/* ---- the steps of it, for those that show more than the result */

/* A metric of the platform or the tenant by its key; version 0: the newest. NULL: none. `arg` is
 * the struct call: a request_find_fn. */
const struct metric_def *compute_find(void *arg, const char *key, int64_t version);
/* The property whose local date is the question's today; NULL: the tenant's. */
const char *compute_today_property(const struct call *c, const struct request *r);
/* How old an answer the request takes; -1: only a current one. */
int64_t compute_max_stale_ms(const struct call *c);
/* Whether the filters on properties name the caller's own only, and he has any. */
bool compute_in_scope(const struct call *c, const struct request *r);
/* Resolves the dates and, for a history, now; true: the window ends on a business date that is not
 * over. */
bool compute_resolve(const struct call *c, struct request *r, struct arena *a);
/* Why a resolved request reaches where the tenant's data cannot be read, in the arena; NULL: it
 * does not. compute_run() refuses these by itself. */
const char *compute_unreadable(const struct call *c, const struct request *r, struct arena *a);
/* As compute_start, of a request that was read and is in scope, and that lives in `a`, which the
 * job takes. */
struct compute_job *compute_run(const struct call *c, const struct request *r, struct arena *a,
				compute_fn fn, void *arg) MUST_CHECK;
/* Of a job that was just started: the text says all that it depends on but the caller; the next
 * time it need not be read (recall.h). */
void compute_remember(const struct compute_job *j, const struct call *c, struct slice text);
void compute_count_hit(const struct compute *c); /* an answer that needed no job */
/* What a query of that JSON is: 0, or -EINVAL and *ret_problem says why not (it lives in `a`). */
int compute_read(const struct call *c, const struct json *query, struct arena *a,
		 struct request *ret, struct compute_outcome *ret_problem) MUST_CHECK;

#endif
