/*
 * The unit of work as a chain of steps on one connection; see unit.h.
 *
 *   key (rolled back) ◀┐ a tenant has no secret for pseudonyms yet
 *    └──────▶ take ────┴─▶ append ─▶ rebuild ─▶ close
 *              │ batches    ▲     │   ▲   │ a rebuild failed
 *              │ to read    │     │   └ narrow (rolled back to the savepoint; the range is halved)
 *              └ again ▶ forget   └▶ unite ▶ rebuild
 *
 * While there is a version of the tables beside the live one (warehouse migration 0017), keys are
 * rebuilt in both, and the portions of its build in that one alone.
 *
 * A unit of a few keys runs on plans that the connection made once, because planning would be most
 * of its work; one of many has each statement planned for its parameters (plan_for_few,
 * plan_for_many).
 *
 * Each step sends one pipeline and its on_* function chooses the next: a unit is as many round
 * trips. The locks go with the take, which reads only the shards that it has. Arrays travel from
 * statement to statement as literals; the unit's arena owns everything that outlives a result.
 */
#include "etld/stream/unit.h"

#include <errno.h>

#include "common/base/arena.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "etld/stream/changes.h"
#include "etld/stream/pgarray.h"
#include "sql_gen.h"

#define UNIT_MAGIC        OBJ_MAGIC('u')
#define UNIT_RANGES_MAX   64 /* halving 2^32 keys needs 33 */
#define UNIT_PIPELINE_MAX 24
#define UNIT_PORTION_KEYS 1000     /* some 100 ms: what an event of the shard may have to wait */
#define LOCKED            1        /* place in the take of the shards that it has */
#define UNIT_FEW          TASK_FEW /* events or keys that plans made once are good for */
#define UNIT_GROWTH       1000     /* events after which tables may have outgrown such plans */

struct range {
	int64_t lo, hi; /* ordinals of the key arrays, from 1, inclusive */
};

struct unit {
	unsigned magic;
	struct pgconn *conn;
	struct task task;
	const struct consumer *consumer; /* task.consumer */
	struct unit_options options;
	unit_fn fn;
	void *arg;
	struct arena *arena;
	struct unit_report report;
	struct err err;
	int64_t started_us;

	const char *batches, *batch_tenants, *landed; /* the take: parallel arrays */
	const char *key_lo, *key_hi;                  /* bounds of the dedupe keys taken */
	const char *tenants, *keys;                   /* the touched keys: parallel arrays */
	const char *job_id;                           /* whose portion it is, or NULL */
	bool job_last;     /* nothing is left of what the portion is of */
	bool again;        /* the batches were read before */
	bool live, beside; /* the versions to rebuild the keys in */
	bool few;          /* it runs on plans made once */
	size_t at;         /* place in the pipeline that its results are read from */
	struct range ranges[UNIT_RANGES_MAX]; /* still to rebuild; the last is next */
	size_t nranges;
	struct table_change changes[CONSUMER_TABLES_MAX + 1];
	int64_t built; /* rows put or cut beside the live version alone */

	/* the running pipeline: parameters are borrowed until its callback */
	struct pgstmt pipeline[UNIT_PIPELINE_MAX];
	size_t npipeline;
};

static const char *text_of(struct unit *u, int64_t n)
{
	return arena_printf(u->arena, "%lld", (long long)n);
}

/* The value in the unit's arena; NULL reads as no array. */
static const char *keep(struct unit *u, const struct pgresult *r, size_t i, size_t row,
			size_t column)
{
	const char *text = pgresult_text(r, i, row, column);

	return text != NULL ? arena_strdup(u->arena, text) : PGARRAY_EMPTY;
}

/* A bound of dedupe keys; NULL: there are none. */
static const char *keep_bound(struct unit *u, const struct pgresult *r, size_t i, size_t column)
{
	const char *text = pgresult_text(r, i, 0, column);

	return text != NULL ? arena_strdup(u->arena, text) : NULL;
}

/* Adds a statement with its parameters to the next pipeline. */
static void add(struct unit *u, const struct sql_stmt *s, const char *const *params, size_t n)
{
	const char **copy = arena_alloc(u->arena, (n + 1) * sizeof(*copy));

	ASSERT(u->npipeline < UNIT_PIPELINE_MAX);
	ASSERT((size_t)s->nparams == n);
	for (size_t i = 0; i < n; i++)
		copy[i] = params[i];
	u->pipeline[u->npipeline++] = (struct pgstmt){s, copy};
}

#define ADD(u, stmt, ...)                                     \
	add((u), &(stmt), (const char *const[]){__VA_ARGS__}, \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
#define ADD0(u, stmt) add((u), &(stmt), NULL, 0)

static void send(struct unit *u, pgconn_fn on_result)
{
	size_t n = u->npipeline;

	u->npipeline = 0;
	pgconn_batch(u->conn, u->pipeline, n, u->options.timeout_ms, on_result, u);
}

static void finish(struct unit *u, enum unit_outcome outcome)
{
	u->report.outcome = outcome;
	u->report.elapsed_us = clock_mono_us() - u->started_us;
	u->report.err = &u->err;
	u->fn(u->arg, &u->report); /* may free u */
}

static void on_rolled_back(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	(void)r;
	finish(u, e != NULL && pgconn_broken(u->conn) ? UNIT_LOST : u->report.outcome);
}

/* Ends without commit; the take is back in the queue. */
static void roll_back(struct unit *u, enum unit_outcome outcome)
{
	u->report.outcome = outcome;
	u->npipeline = 0;
	ADD0(u, SQL_etld_rollback);
	send(u, on_rolled_back);
}

/* True when the step failed: the unit is then on its way out. */
static bool failed(struct unit *u, const struct err *e)
{
	if (e == NULL)
		return false;
	u->err = *e;
	if (pgconn_broken(u->conn) || e->code == -ECANCELED)
		finish(u, UNIT_LOST);
	else
		roll_back(u, UNIT_RETRY);
	return true;
}

/* ---- close: versions, records, commit */

static void on_closed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;
	struct unit_version *versions;
	size_t n = 0, tables = 0;

	OBJ_CHECK(u, UNIT_MAGIC);
	if (failed(u, e))
		return;
	while (tables < CONSUMER_TABLES_MAX && u->consumer->tables[tables] != NULL)
		n += pgresult_rows(r, tables++);
	versions = arena_alloc(u->arena, (n + 1) * sizeof(*versions));
	n = 0;
	for (size_t t = 0; t < tables; t++) {
		for (size_t row = 0; row < pgresult_rows(r, t); row++) {
			versions[n].tenant_id = pgresult_text(r, t, row, 0);
			versions[n].table_name = pgresult_text(r, t, row, 1);
			versions[n++].data_version = pgresult_i64(r, t, row, 2);
		}
	}
	u->report.versions = versions;
	u->report.nversions = n;
	finish(u, UNIT_DONE);
}

/* The run of the minute is that of the first one. */
static int first_shard(const struct unit *u)
{
	return __builtin_ctzll(u->task.shards);
}

/* What is told beside the data: the run of the minute, keys that failed, the job's progress. */
static void add_records(struct unit *u)
{
	char tables[CONSUMER_TABLES_LEN];

	consumer_tables(u->consumer, tables);
	ADD(u, SQL_etld_note_refresh, u->consumer->name, text_of(u, first_shard(u)),
	    text_of(u, u->report.events), text_of(u, u->report.upserted),
	    text_of(u, u->report.deleted), text_of(u, (clock_mono_us() - u->started_us) / 1000));
	if (u->report.failed_keys + u->report.rejected > 0)
		ADD(u, SQL_etld_outbox_failed, u->consumer->name, arena_strdup(u->arena, tables),
		    pgarray_join(u->arena, u->tenants, u->batch_tenants), VERSION, u->job_id);
	if (u->job_id != NULL)
		ADD(u, SQL_etld_count_portion, u->job_id, u->job_last ? "true" : "false",
		    text_of(u, u->report.keys),
		    text_of(u, u->report.upserted + u->report.deleted + u->built), VERSION);
}

/* All versions first: on_closed reads the results by their place. */
static void step_close(struct unit *u)
{
	const struct table_change *c = u->changes;

	for (size_t i = 0; c[i].name != NULL; i++) {
		const char *const *a = c[i].arrays;

		u->report.upserted += c[i].upserted;
		u->report.deleted += c[i].deleted;
		ADD(u, SQL_etld_bump_version, c[i].name, a[CHANGE_TENANTS], a[CHANGE_UPSERTED],
		    a[CHANGE_DELETED], u->batch_tenants, u->landed, u->tenants);
	}
	for (size_t i = 0; c[i].name != NULL; i++) {
		const char *const *a = c[i].arrays;

		if (pgarray_count(a[CHANGE_TENANTS]) != 0)
			ADD(u, SQL_etld_outbox_refreshed, c[i].name, a[CHANGE_TENANTS],
			    a[CHANGE_UPSERTED], a[CHANGE_DELETED], a[CHANGE_FROM], a[CHANGE_TO],
			    u->batch_tenants, u->landed, u->job_id);
	}
	add_records(u);
	ADD0(u, SQL_etld_commit);
	if (u->report.events >= UNIT_GROWTH)
		ADD0(u, SQL_etld_forget_plans);
	send(u, on_closed);
}

/* ---- rebuild: ranges of the touched keys, halved around a failure */

static void step_rebuild(struct unit *u);

static void on_narrowed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	(void)r;
	if (!failed(u, e))
		step_rebuild(u);
}

/* The range at the top failed: halve it, or set its only key aside. */
static void step_narrow(struct unit *u)
{
	struct range top = u->ranges[--u->nranges];
	char shards[TASK_SHARDS_LEN];

	ADD0(u, SQL_etld_rollback_to);
	if (top.lo == top.hi) {
		log_error("key set aside", LOG_S("consumer", u->consumer->name),
			  LOG_S("shards", task_shards(u->task, shards)),
			  LOG_S("error", u->err.msg));
		ADD(u, SQL_etld_fail_key, u->consumer->name, u->tenants, u->keys,
		    text_of(u, top.lo), u->err.msg);
		u->report.failed_keys++;
	} else {
		int64_t mid = top.lo + (top.hi - top.lo) / 2;

		ASSERT(u->nranges + 2 <= UNIT_RANGES_MAX);
		u->ranges[u->nranges++] = (struct range){mid + 1, top.hi};
		u->ranges[u->nranges++] = (struct range){top.lo, mid};
	}
	send(u, on_narrowed);
}

static void on_rebuilt(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;
	size_t nrebuilds = 0;

	OBJ_CHECK(u, UNIT_MAGIC);
	if (e != NULL && !pgconn_broken(u->conn)) {
		enum pg_error_class class = pg_error_class(e);

		if (class == PG_ERROR_DATA || class == PG_ERROR_UNIQUE) {
			u->err = *e;
			step_narrow(u);
			return;
		}
	}
	if (failed(u, e))
		return;
	while (u->consumer->rebuilds[nrebuilds].live != NULL)
		nrebuilds++;
	if (u->live) /* first; what came beside is nobody's business yet */
		changes_add(u->changes, u->arena, r, u->at, nrebuilds);
	else
		u->built += changes_count(r, u->at, nrebuilds);
	u->nranges--;
	step_rebuild(u);
}

static void add_rebuild(struct unit *u, const struct sql_stmt *s, const struct range *range)
{
	const char *params[] = {u->tenants, u->keys, text_of(u, range->lo), text_of(u, range->hi)};

	add(u, s, params, ARRAY_SIZE(params));
}

static void step_rebuild(struct unit *u)
{
	const struct range *top;

	if (u->nranges == 0) {
		step_close(u);
		return;
	}
	top = &u->ranges[u->nranges - 1];
	ADD0(u, SQL_etld_savepoint);
	u->at = u->npipeline;
	for (const struct rebuild *r = u->consumer->rebuilds; u->live && r->live != NULL; r++)
		add_rebuild(u, r->live, top);
	for (const struct rebuild *r = u->consumer->rebuilds; u->beside && r->live != NULL; r++)
		add_rebuild(u, r->beside, top);
	ADD(u, SQL_etld_clear_failed, u->consumer->name, u->tenants, u->keys, text_of(u, top->lo),
	    text_of(u, top->hi));
	send(u, on_rebuilt);
}

/* ---- append: events of the take become typed rows; their keys join those touched otherwise */

/* A few events can touch many keys. */
static void plan_for(struct unit *u, int64_t most)
{
	if (!u->few || most <= UNIT_FEW)
		return;
	u->few = false;
	ADD0(u, SQL_etld_plan_for_many);
}

static void start_rebuild(struct unit *u)
{
	u->report.keys = (int64_t)pgarray_count(u->keys);
	if (u->report.keys > 0)
		u->ranges[u->nranges++] = (struct range){1, u->report.keys};
	plan_for(u, u->report.keys);
	step_rebuild(u);
}

static void on_united(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	if (failed(u, e))
		return;
	u->tenants = keep(u, r, 0, 0, 0);
	u->keys = keep(u, r, 0, 0, 1);
	start_rebuild(u);
}

/* Most keys that lost an event have got it back. What was read before has not landed now. */
static void step_unite(struct unit *u)
{
	u->batches = u->batch_tenants = PGARRAY_EMPTY;
	ADD(u, SQL_etld_unite_keys, u->tenants, u->keys);
	send(u, on_united);
}

static void on_appended(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	if (failed(u, e))
		return;
	u->tenants = pgarray_join(u->arena, u->tenants, keep(u, r, u->at, 0, 0));
	u->keys = pgarray_join(u->arena, u->keys, keep(u, r, u->at, 0, 1));
	u->report.rejected = pgresult_i64(r, u->at, 0, 3);
	if (u->again)
		step_unite(u);
	else
		start_rebuild(u);
}

static void step_append(struct unit *u)
{
	plan_for(u, u->report.events);
	u->at = u->npipeline;
	ADD(u, *u->consumer->append, u->batches, u->batch_tenants, u->key_lo, u->key_hi);
	if (u->again)
		ADD(u, SQL_etld_forget_rejected, u->consumer->name, u->batches, u->batch_tenants,
		    u->key_lo, u->key_hi);
	send(u, on_appended);
}

/* ---- forget: what is to be read again */

/* One row: (batches, tenants, key_lo, key_hi, key_tenants, keys). */
static void on_forgotten(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	if (failed(u, e))
		return;
	u->batches = keep(u, r, 0, 0, 0);
	u->batch_tenants = keep(u, r, 0, 0, 1);
	u->key_lo = keep_bound(u, r, 0, 2);
	u->key_hi = keep_bound(u, r, 0, 3);
	u->tenants = keep(u, r, 0, 0, 4);
	u->keys = keep(u, r, 0, 0, 5);
	step_append(u);
}

static void step_forget(struct unit *u)
{
	ADD(u, SQL_etld_forget_events, u->consumer->name, u->batches, u->batch_tenants, u->key_lo,
	    u->key_hi);
	send(u, on_forgotten);
}

/* ---- take */

static void on_left(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	(void)r;
	if (!failed(u, e))
		finish(u, UNIT_EMPTY);
}

/* Nothing to do. It still commits: a touched property without any keys has been taken. */
static void step_leave(struct unit *u)
{
	ADD0(u, SQL_etld_commit);
	send(u, on_left);
}

static void step_take(struct unit *u);

static void on_keyed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;

	OBJ_CHECK(u, UNIT_MAGIC);
	(void)r;
	if (!failed(u, e))
		step_take(u);
}

/* The take is put back for it: with it open, whoever meets the same tenant would wait for all of
 * it. What is taken then may be more, and of further tenants: they are looked at like these. */
static void step_key(struct unit *u, const char *keyless)
{
	ADD0(u, SQL_etld_rollback);
	ADD(u, SQL_etld_ensure_guest_keys, keyless, u->options.guest_key_seed);
	send(u, on_keyed);
}

/* Results `at` and the next: single keys with has_beside, and deltas. */
static void read_stream(struct unit *u, const struct pgresult *r)
{
	size_t deltas = u->at + 1;

	u->tenants = keep(u, r, u->at, 0, 0);
	u->keys = keep(u, r, u->at, 0, 1);
	u->beside = pgresult_bool(r, u->at, 0, 2);
	u->batches = keep(u, r, deltas, 0, 0);
	u->batch_tenants = keep(u, r, deltas, 0, 1);
	u->landed = keep(u, r, deltas, 0, 2);
	u->report.events = pgresult_i64(r, deltas, 0, 3);
	u->key_lo = keep_bound(u, r, deltas, 4);
	u->key_hi = keep_bound(u, r, deltas, 5);
}

/* The touched keys of a portion, or the batches to read again. */
static void read_portion(struct unit *u, const struct pgresult *r)
{
	u->tenants = keep(u, r, u->at, 0, 0);
	u->keys = keep(u, r, u->at, 0, 1);
	u->beside = pgresult_bool(r, u->at, 0, 2);
	if (pgresult_text(r, u->at, 0, 3) != NULL)
		u->job_id = keep(u, r, u->at, 0, 3);
	u->job_last = pgresult_bool(r, u->at, 0, 4);
	u->live = !pgresult_bool(r, u->at, 0, 5);
	u->batches = keep(u, r, u->at, 0, 6);
	u->batch_tenants = keep(u, r, u->at, 0, 7);
	u->key_lo = keep_bound(u, r, u->at, 8);
	u->key_hi = keep_bound(u, r, u->at, 9);
	u->again = pgarray_count(u->batches) > 0;
}

/* Tenants of the events taken that have no secret for pseudonyms yet, and need one. */
static const char *keyless_of(struct unit *u, const struct pgresult *r)
{
	if (!u->consumer->pseudonyms)
		return PGARRAY_EMPTY;
	return u->task.portions ? keep(u, r, u->at, 0, 10) : keep(u, r, u->at + 1, 0, 6);
}

static void on_taken(void *arg, const struct pgresult *r, const struct err *e)
{
	struct unit *u = arg;
	const char *keyless;

	OBJ_CHECK(u, UNIT_MAGIC);
	if (failed(u, e))
		return;
	if (strcmp(pgresult_text(r, LOCKED, 0, 0), PGARRAY_EMPTY) == 0) {
		roll_back(u, UNIT_TAKEN);
		return;
	}
	keyless = keyless_of(u, r);
	if (pgarray_count(keyless) > 0) {
		step_key(u, keyless);
		return;
	}
	if (u->task.portions)
		read_portion(u, r);
	else
		read_stream(u, r);
	if (pgarray_count(u->batches) == 0 && pgarray_count(u->keys) == 0 && u->job_id == NULL)
		step_leave(u);
	else if (u->consumer->append == NULL)
		step_close(u);
	else if (u->again)
		step_forget(u);
	else if (pgarray_count(u->batches) > 0)
		step_append(u);
	else
		start_rebuild(u);
}

/* Of several shards together no more than plans made once are good for. */
static int64_t most_of(const struct unit *u)
{
	int64_t most = u->options.max_events;

	if (u->task.portions && most > UNIT_PORTION_KEYS)
		return UNIT_PORTION_KEYS;
	if (__builtin_popcountll(u->task.shards) > 1 && most > UNIT_FEW)
		return UNIT_FEW;
	return most;
}

static void step_take(struct unit *u)
{
	const char *name = u->consumer->name, *tenant = u->options.tenant_id;
	const char *most = text_of(u, most_of(u));
	char shards[TASK_SHARDS_LEN];

	ADD0(u, SQL_etld_begin);
	ADD(u, SQL_etld_lock_unit, name,
	    arena_printf(u->arena, "{%s}", task_shards(u->task, shards)));
	if (u->few)
		ADD0(u, SQL_etld_plan_for_few);
	u->at = u->npipeline;
	if (u->task.portions) {
		ADD(u, SQL_etld_take_portion, name, most, tenant);
	} else {
		ADD(u, SQL_etld_take_keys, name, most, tenant);
		ADD(u, SQL_etld_take_delta, name, most, tenant);
	}
	send(u, on_taken);
}

struct unit *unit_start(struct pgconn *c, struct task task, const struct unit_options *o,
			unit_fn fn, void *arg)
{
	const struct consumer *consumer = task.consumer;
	struct unit *u = xcalloc(1, sizeof(*u));

	u->magic = UNIT_MAGIC;
	u->conn = c;
	u->consumer = consumer;
	u->task = task;
	u->options = *o;
	u->fn = fn;
	u->arg = arg;
	u->arena = arena_new();
	u->started_us = clock_mono_us();
	u->report.task = task;
	u->live = true;
	u->few = !task.portions;
	u->batches = u->batch_tenants = u->landed = u->tenants = u->keys = PGARRAY_EMPTY;
	changes_init(u->changes, consumer);
	step_take(u);
	return u;
}

void unit_free(struct unit *u)
{
	if (u == NULL)
		return;
	arena_free(u->arena);
	u->magic = 0;
	free(u);
}
