/*
 * Jobs of structured queries; see compute.h.
 *
 *   read ─▶ looked up ─┬─ hit, or stale and asked for ──────▶ answered
 *             ▲        ├─ an equal job is in flight here ─▶ waits for it ─▶ answered
 *             │        ├─ another process has the lease ─▶ a pause ─┐
 *             └────────│────────────────────────────────────────────┘
 *                      └─ admitted (cost.h) ─▶ runs ─▶ stored ─▶ answered, and who waits for it
 *
 * In flight are jobs that run and jobs that wait for another process: of equal ones there is one.
 */
#include "queryd/compute/compute.h"

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"
#include "queryd/compute/cursor.h"
#include "queryd/compute/job.h"
#include "queryd/compute/recall.h"
#include "queryd/compute/result.h"

/* How often a job that waits for another process looks: the pause doubles. */
#define PAUSE_MIN_MS 8
#define PAUSE_MAX_MS 64

/* ---- computing */

/* Settles and logs what the job cost; bytes -1: not known. */
static void account(struct compute_job *j, const char *outcome, bool refused, int64_t bytes,
		    int64_t rows)
{
	cost_end(j->compute->st->cost, j->charged,
		 &(struct querylog_entry){.tenant_id = j->tenant_id,
					  .actor_id = j->actor_id,
					  .hash = j->question,
					  .kind = "structured",
					  .outcome = outcome,
					  .cache = j->cache,
					  .refused = refused,
					  .bytes = bytes,
					  .duration_us = clock_mono_us() - j->started_mono_us,
					  .rows = rows});
}

/* Who waited for it asked as well, and gets the same problem: each is logged under his own name,
 * and has read nothing. */
static void fail_all(struct compute_job *j, enum problem_code code, const char *detail,
		     int64_t bytes)
{
	struct compute_job *k;

	account(j, problem_name(code), cost_is_refusal(code), bytes, 0);
	TAILQ_FOREACH (k, &j->waiters, link)
		account(k, problem_name(code), cost_is_refusal(code), 0, 0);
	job_end_all(j, NULL, code, detail);
}

static struct slice seal_key(const struct compute *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);

	return slice_of(conf->scope_key_file);
}

static void on_computed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct compute_job *j = arg;
	struct compute *c = j->compute;
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct run_report report;
	struct cells *cells;
	const struct table *table;
	struct err bad = ERR_INIT;
	struct strbuf data = STRBUF_INIT;
	struct answer a;

	OBJ_CHECK(j, JOB_MAGIC);
	j->query = NULL;
	if (e != NULL) {
		fail_all(j, query_problem(e), "The query could not be answered in time.", -1);
		return;
	}
	run_report(&j->run, r, &report);
	if (run_cells(&j->run, r, (size_t)conf->result_cells, j->arena, &cells, &bad) < 0) {
		fail_all(j, PROBLEM_QUERY_REJECTED, bad.msg, report.bytes);
		return;
	}
	table = table_new(cells, j->question, seal_key(c), j->arena);
	ASSERT(table != NULL); /* compute_run() has looked at the cursor */
	account(j, "ok", false, report.bytes, (int64_t)table_rows(table));
	result_write(&j->run, table, &report, &data);
	cache_store(c->st->cache, &j->name, report.versions, strbuf_slice(&data),
		    (struct shelf_age){report.now_us, report.oldest_us});
	cache_versions_text(report.versions, j->run.ntables, j->versions);
	a = (struct answer){.data = strbuf_slice(&data),
			    .versions = j->versions,
			    .cache = j->cache,
			    .bytes = report.bytes,
			    .now_us = report.now_us,
			    .oldest_us = report.oldest_us,
			    .db_us = clock_mono_us() - j->started_mono_us};
	metric_observe(c->seconds, (double)a.db_us / 1e6);
	metric_add(c->bytes, report.bytes);
	job_end_all(j, &a, PROBLEM_COUNT, NULL);
	strbuf_clear(&data);
}

static void on_admitted(void *arg, enum problem_code verdict, const char *detail, int64_t charged)
{
	struct compute_job *j = arg;
	struct queryd *st = j->compute->st;
	struct tenant *n;

	OBJ_CHECK(j, JOB_MAGIC);
	if (verdict != PROBLEM_COUNT) {
		fail_all(j, verdict, detail, 0);
		return;
	}
	n = tenants_find(st->tenants, j->tenant_id);
	if (n == NULL || !job_awaited(j)) {
		cost_refund(st->cost, j->tenant_id, charged);
		job_end_all(j, NULL, PROBLEM_UNAVAILABLE,
			    "The tenant's data cannot be reached right now.");
		return;
	}
	j->charged = charged;
	j->query = tenant_query(n, j->scope, j->run.stmts, j->run.nstmts, on_computed, j);
}

static void run_job(struct compute_job *j, struct tenant *n)
{
	if (job_follow(j))
		return;
	job_fly(j);
	j->started_mono_us = clock_mono_us();
	job_keep_lease(j);
	run_statements(&j->run);
	run_reads(&j->run, &j->reads);
	j->cost = (struct cost_question){.tenant_id = j->tenant_id, .reads = &j->reads};
	cost_admit(j->compute->st->cost, n, &j->cost, on_admitted, j);
}

static void on_tenant_again(void *arg, const struct err *e)
{
	struct compute_job *j = arg;

	OBJ_CHECK(j, JOB_MAGIC);
	if (e != NULL || !job_awaited(j))
		job_end_all(j, NULL, PROBLEM_UNAVAILABLE,
			    "The tenant's data cannot be reached right now.");
	else
		run_job(j, tenants_find(j->compute->st->tenants, j->tenant_id));
}

static void compute_now(struct compute_job *j)
{
	struct queryd *st = j->compute->st;
	struct tenant *n = tenants_find(st->tenants, j->tenant_id);

	if (n != NULL)
		run_job(j, n);
	else
		tenants_load(st->tenants, j->tenant_id, on_tenant_again, j);
}

/* ---- looking it up */

static void on_looked_up(void *arg, const struct cache_found *f);

static void look_again(void *arg)
{
	struct compute_job *j = arg;

	OBJ_CHECK(j, JOB_MAGIC);
	j->pausing = false;
	cache_lookup(j->compute->st->cache, &j->name, on_looked_up, j);
}

/* Another process computes it: its entry comes, or its lease ends and the next one to look gets it.
 */
static void wait_elsewhere(struct compute_job *j)
{
	if (job_follow(j))
		return;
	job_fly(j);
	j->pausing = true;
	if (j->pause == NULL) {
		j->pause_ms = PAUSE_MIN_MS;
		j->pause = daemon_timer_new(j->compute->st->daemon, j->pause_ms, 0, look_again, j);
		return;
	}
	if (j->pause_ms < PAUSE_MAX_MS)
		j->pause_ms *= 2;
	daemon_timer_arm(j->pause, j->pause_ms);
}

static void answer_hit(struct compute_job *j, const struct cache_found *f)
{
	struct queryd *st = j->compute->st;
	struct answer a = {.data = f->value, .versions = f->versions, .cache = "HIT"};

	watch_pending(st->watch, j->tenant_id, &a.now_us, &a.oldest_us);
	cache_confirm(st->cache, &j->name, f->versions, (struct shelf_age){a.now_us, a.oldest_us});
	job_end_all(j, &a, PROBLEM_COUNT, NULL);
}

/* What is not current any more, for who said that it will do. */
static bool answer_stale(struct compute_job *j)
{
	const struct shelf_entry *e = NULL;
	struct answer a = {.cache = "STALE"};

	if (j->max_stale_ms >= 0 && !j->in_flight)
		e = cache_stale(j->compute->st->cache, &j->name, j->max_stale_ms);
	if (e == NULL)
		return false;
	a.data = e->value;
	a.versions = e->versions;
	a.now_us = e->age.now_us;
	/* its age counts from when it was current */
	a.oldest_us = e->age.oldest_us != 0 ? e->age.oldest_us : e->age.now_us;
	job_end_all(j, &a, PROBLEM_COUNT, NULL);
	return true;
}

static void on_looked_up(void *arg, const struct cache_found *f)
{
	struct compute_job *j = arg;

	OBJ_CHECK(j, JOB_MAGIC);
	(void)snprintf(j->versions, sizeof(j->versions), "%s", f->versions);
	(void)snprintf(j->lease, sizeof(j->lease), "%s", f->lease);
	if (!job_awaited(j)) {
		job_end_all(j, NULL, PROBLEM_UNAVAILABLE, "");
	} else if (f->outcome == CACHE_HIT && watch_current(j->compute->st->watch)) {
		answer_hit(j, f);
	} else if (!answer_stale(j)) {
		j->cache = f->outcome == CACHE_AWAY ? "BYPASS" : "MISS";
		if (f->outcome == CACHE_TAKEN)
			wait_elsewhere(j);
		else
			compute_now(j);
	}
}

/* ---- starting and leaving */

void compute_cancel(struct compute_job *j)
{
	struct compute_job *leader = j->leader;

	OBJ_CHECK(j, JOB_MAGIC);
	j->fn = NULL;
	if (leader != NULL) {
		TAILQ_REMOVE(&leader->waiters, j, link);
		job_end_problem(j, PROBLEM_UNAVAILABLE, "");
	} else {
		leader = j;
	}
	if (job_awaited(leader))
		return;
	leader->given_up = true;
	if (leader->query != NULL)
		query_cancel(leader->query);
	else if (leader->pausing)
		job_end_all(leader, NULL, PROBLEM_UNAVAILABLE, "");
}

struct compute_job *compute_run(const struct call *c, const struct request *r, struct arena *a,
				compute_fn fn, void *arg)
{
	struct compute_job *j = xcalloc(1, sizeof(*j));
	struct request *resolved = arena_alloc(a, sizeof(*resolved));
	struct cache_scope scope;
	struct slice position;
	const char *unreadable;

	*resolved = *r;
	*j = (struct compute_job){.magic = JOB_MAGIC,
				  .compute = c->st->compute,
				  .fn = fn,
				  .arg = arg,
				  .arena = a,
				  .request = resolved};
	TAILQ_INIT(&j->waiters);
	j->platform = metric_set_ref(registry_metrics(c->st->registry));
	if (tenant_metrics(c->tenant) != NULL)
		j->own = metric_set_ref(tenant_metrics(c->tenant));
	j->tenant_id = arena_strdup(a, c->principal->tenant_id);
	j->scope = arena_strdup(a, c->principal->scope);
	j->actor_id = arena_strdup(a, c->principal->user_id);
	j->partial = compute_resolve(c, resolved, a);
	unreadable = compute_unreadable(c, resolved, a);
	run_prepare(&j->run, resolved, a);
	j->quality = tenant_quality(c->tenant, j->run.tables);
	scope = (struct cache_scope){.tenant_id = j->tenant_id,
				     .properties = j->scope,
				     .permissions = c->principal->permissions,
				     .request = resolved};
	cache_key(&scope, j->key);
	cache_question(&scope, j->question);
	if (unreadable != NULL) {
		j->cache = "BYPASS";
		j->started_mono_us = clock_mono_us();
		account(j, problem_name(PROBLEM_QUERY_REJECTED), true, 0, 0);
		job_end_problem(j, PROBLEM_QUERY_REJECTED, unreadable);
		return NULL;
	}
	j->name = (struct cache_name){j->tenant_id, j->key, j->run.tables};
	j->max_stale_ms = compute_max_stale_ms(c);
	if (r->cursor != NULL &&
	    cursor_open(seal_key(j->compute), j->question, r->cursor, a, &position) < 0) {
		struct problem_violation v = {
			"cursor", "must be the nextCursor of an earlier answer to the same query"};

		job_end(j, &(struct compute_outcome){.code = PROBLEM_VALIDATION_FAILED,
						     .violations = &v,
						     .nviolations = 1});
		return NULL;
	}
	j->starting = true;
	cache_lookup(c->st->cache, &j->name, on_looked_up, j);
	j->starting = false;
	if (!j->ended)
		return j;
	job_free(j);
	return NULL;
}

void compute_remember(const struct compute_job *j, const struct call *c, struct slice text)
{
	const struct request *r = j->request;
	struct recalled what = {.partial = j->partial};

	if (r->cursor != NULL || r->as_of_now)
		return;
	memcpy(what.key, j->key, sizeof(what.key));
	for (size_t i = 0; i < j->run.ntables; i++)
		what.tables[i] = j->run.tables[i];
	recall_keep(c->st->recall, c, text, compute_today_property(c, r), &what);
}

void compute_count_hit(const struct compute *c)
{
	metric_add(c->hits, 1);
}

struct compute_job *compute_start(const struct call *c, const struct json *query, compute_fn fn,
				  void *arg)
{
	struct arena *a = arena_new();
	struct compute_outcome problem;
	struct request request;

	if (compute_read(c, query, a, &request, &problem) == 0)
		return compute_run(c, &request, a, fn, arg);
	fn(arg, &problem);
	arena_free(a);
	return NULL;
}

struct compute *compute_new(struct queryd *st)
{
	struct compute *c = xcalloc(1, sizeof(*c));

	c->st = st;
	TAILQ_INIT(&c->in_flight);
	c->renew = daemon_timer_new(st->daemon, 0, 0, job_renew_leases, c);
	c->outcomes = metrics_counter_family("query_results_total",
					     "Results by how the cache was used", "cache");
	c->hits = metrics_with(c->outcomes, (const char *const[]){"HIT"});
	c->seconds = metrics_histogram("query_seconds", "Time in the database of computed results",
				       METRICS_SECONDS, METRICS_SECONDS_COUNT);
	c->bytes = metrics_counter("query_bytes_total", "Bytes read for computed results");
	return c;
}

void compute_free(struct compute *c)
{
	if (c == NULL)
		return;
	ASSERT(TAILQ_EMPTY(&c->in_flight));
	daemon_timer_free(c->renew);
	free(c);
}
