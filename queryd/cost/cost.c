/*
 * Admission; see cost.h.
 *
 *   what this would read of what the tenant has ─▶ within the cap? ─▶ charged ─▶ admitted
 */
#include "queryd/cost/cost.h"

#include <errno.h>

#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"
#include "queryd/cost/budget.h"
#include "queryd/tenant/tenants.h"

#define ADMISSION_MAGIC OBJ_MAGIC('$')

struct cost {
	struct queryd *st;
	struct budget *budget;
	struct querylog *log;
	void (*settled)(void *arg);
	void *settled_arg;
	struct metric_family *verdicts;
	struct metric *estimated, *read;
};

struct admission {
	unsigned magic;
	struct cost *cost;
	const struct cost_question *question;
	cost_fn fn;
	void *arg;
	int64_t bytes; /* the estimate */
};

/* ---- the verdict */

static void end(struct admission *a, enum problem_code verdict, const char *detail)
{
	const char *name = verdict == PROBLEM_COUNT ? "admitted" : problem_name(verdict);

	metric_add(metrics_with(a->cost->verdicts, (const char *const[]){name}), 1);
	a->fn(a->arg, verdict, detail, a->bytes);
	a->magic = 0;
	free(a);
}

static const char *why_not(enum problem_code verdict)
{
	if (verdict == PROBLEM_BUDGET_EXCEEDED)
		return "What the tenant may read in a day is used up; it begins anew at midnight "
		       "UTC.";
	if (verdict == PROBLEM_TENANT_NOT_FOUND)
		return "The tenant was deleted.";
	return "What the tenant may read cannot be looked up right now.";
}

static void on_charged(void *arg, enum problem_code verdict)
{
	struct admission *a = arg;

	OBJ_CHECK(a, ADMISSION_MAGIC);
	if (verdict == PROBLEM_COUNT)
		metric_add(a->cost->estimated, a->bytes);
	end(a, verdict, why_not(verdict));
}

static void admit_dry(struct admission *a)
{
	a->bytes = 0; /* nothing that could be given back */
	end(a, PROBLEM_COUNT, "");
}

static void charge(struct admission *a)
{
	const struct queryd_config *conf = daemon_conf(a->cost->st->daemon);

	if (a->bytes > conf->query_byte_cap)
		end(a, PROBLEM_QUERY_BYTE_CAP_EXCEEDED,
		    "It would read more than one query may: ask for a shorter time or for less.");
	else if (a->question->dry)
		admit_dry(a);
	else
		budget_charge(a->cost->budget, a->question->tenant_id, a->bytes, on_charged, a);
}

void cost_admit(struct cost *c, const struct tenant *n, const struct cost_question *q, cost_fn fn,
		void *arg)
{
	struct admission *a = xcalloc(1, sizeof(*a));

	*a = (struct admission){.magic = ADMISSION_MAGIC,
				.cost = c,
				.question = q,
				.fn = fn,
				.arg = arg,
				.bytes = reads_bytes(q->reads, tenant_extent(n))};
	charge(a);
}

void cost_end(struct cost *c, int64_t charged, const struct querylog_entry *entry)
{
	struct querylog_entry e = *entry;

	if (e.bytes < 0)
		e.bytes = charged;
	budget_correct(c->budget, e.tenant_id, charged, e.bytes);
	metric_add(c->read, e.bytes);
	querylog_add(c->log, &e);
}

void cost_refund(struct cost *c, const char *tenant_id, int64_t charged)
{
	budget_correct(c->budget, tenant_id, charged, 0);
}

bool cost_is_refusal(enum problem_code code)
{
	return code == PROBLEM_QUERY_BYTE_CAP_EXCEEDED || code == PROBLEM_BUDGET_EXCEEDED ||
	       code == PROBLEM_QUERY_REJECTED;
}

/* ---- life */

struct cost *cost_new(struct queryd *st)
{
	struct cost *c = xcalloc(1, sizeof(*c));

	c->st = st;
	c->budget = st->budget;
	c->log = querylog_new(st->daemon, st->control, st->courier);
	c->verdicts = metrics_counter_family(
		"query_admissions_total", "Queries to be computed, by what was decided", "verdict");
	c->estimated = metrics_counter("query_estimated_bytes_total",
				       "Bytes that admitted queries were estimated to read");
	c->read = metrics_counter("query_read_bytes_total", "Bytes that admitted queries read");
	return c;
}

static void on_logged(void *arg)
{
	struct cost *c = arg;

	c->settled(c->settled_arg);
}

static void on_budget_settled(void *arg)
{
	struct cost *c = arg;

	querylog_flush(c->log, on_logged, c);
}

void cost_settle(struct cost *c, void (*fn)(void *arg), void *arg)
{
	c->settled = fn;
	c->settled_arg = arg;
	budget_settle(c->budget, on_budget_settled, c);
}

void cost_stop(struct cost *c)
{
	if (c != NULL)
		querylog_stop(c->log);
}

void cost_free(struct cost *c)
{
	if (c == NULL)
		return;
	querylog_free(c->log);
	free(c);
}
