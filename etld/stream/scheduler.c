/*
 * The scheduler of units; see scheduler.h.
 *
 * look ─▶ agenda ─▶ idle workers take what is next ─▶ unit ─▶ look again
 */
#include "etld/stream/scheduler.h"

#include <errno.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "sql_gen.h"

#define SCHEDULER_MAGIC   OBJ_MAGIC('c')
#define LOOK_TIMEOUT_MS   30000
#define LOOK_FAILURES_MAX 10 /* in a row, until a one-shot gives up */
#define LOOK_DUE          2  /* place in its pipeline of the statement that lists */
#define SHARDS            16 /* of a consumer: analytics_run.shard_of */

struct worker {
	struct scheduler *scheduler;
	struct task task;
	struct pgconn *conn;
	struct unit *unit;
	bool busy;
};

struct scheduler {
	unsigned magic;
	struct daemon *daemon;
	struct pgpool *pool;
	struct publisher *publisher;
	struct scheduler_options options;
	struct daemon_timer *poll, *soon;
	int64_t soon_ms; /* when the latter looks: at the end of the shortest rest or pause */
	struct worker *workers;
	struct task *running; /* of the busy workers; room for all */
	int nrunning;
	int look_failures;
	int telling; /* statements under way that say that units fail */
	bool looking, look_again, draining;
	void (*on_drained)(void *arg);
	void *drained_arg;
	struct pgconn *look_conn; /* of the look under way */
	struct agenda *agenda;
	struct metric_family *units, *events;
	struct metric *seconds, *pending;
};

static void look(struct scheduler *s);
static void dispatch(struct scheduler *s);

static void look_at(struct scheduler *s, int64_t at_ms, int64_t now_ms)
{
	if (s->soon_ms > now_ms && s->soon_ms <= at_ms)
		return;
	s->soon_ms = at_ms;
	daemon_timer_arm(s->soon, at_ms - now_ms);
}

static void let_rest(struct scheduler *s, struct task t, enum rest_reason why)
{
	int64_t now = clock_mono_ms();

	look_at(s, now + agenda_rest(s->agenda, t, why, now, backoff_random()), now);
}

static void spent(struct scheduler *s, struct task t, int64_t us)
{
	int64_t now = clock_mono_ms();

	agenda_spent(s->agenda, t, us, now);
	if (t.portions && s->options.backfill_pause_ms > 0)
		look_at(s, now + s->options.backfill_pause_ms, now);
}

static void worker_done(struct worker *w)
{
	struct scheduler *s = w->scheduler;

	if (w->conn != NULL)
		pgpool_release(s->pool, w->conn);
	w->conn = NULL;
	unit_free(w->unit);
	w->unit = NULL;
	w->busy = false;
	s->nrunning = 0;
	for (int i = 0; i < s->options.workers; i++) {
		if (s->workers[i].busy)
			s->running[s->nrunning++] = s->workers[i].task;
	}
	if (s->draining && s->nrunning == 0 && s->on_drained != NULL) {
		s->on_drained(s->drained_arg);
		s->on_drained = NULL;
	}
	if (!s->draining) {
		dispatch(s);
		look(s);
	}
}

static const char *const outcome_names[] = {
	[UNIT_DONE] = "done",   [UNIT_EMPTY] = "empty", [UNIT_TAKEN] = "taken",
	[UNIT_RETRY] = "retry", [UNIT_LOST] = "lost",
};

static void log_report(const struct unit_report *r)
{
	char shards[TASK_SHARDS_LEN];

	if (r->outcome == UNIT_RETRY || r->outcome == UNIT_LOST)
		log_error("unit failed", LOG_S("consumer", r->task.consumer->name),
			  LOG_S("shards", task_shards(r->task, shards)),
			  LOG_S("outcome", outcome_names[r->outcome]), LOG_S("error", r->err->msg),
			  LOG_S("sqlstate", r->err->sqlstate));
	else if (r->outcome == UNIT_DONE)
		log_debug("unit applied", LOG_S("consumer", r->task.consumer->name),
			  LOG_S("shards", task_shards(r->task, shards)), LOG_I("events", r->events),
			  LOG_I("keys", r->keys), LOG_I("rejected", r->rejected),
			  LOG_I("failed_keys", r->failed_keys), LOG_I("upserted", r->upserted),
			  LOG_I("deleted", r->deleted), LOG_I("us", r->elapsed_us));
}

static void on_told(void *arg, const struct pgresult *r, const struct err *e)
{
	struct scheduler *s = arg;

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	(void)r;
	if (e != NULL && e->code != -ECANCELED)
		log_error("cannot tell that units fail", LOG_S("error", e->msg));
	s->telling--;
	look(s); /* a one-shot may be at its end */
}

/* After some failures in a row, and again after as many: told twice it is told once. That the
 * database is away is no fault of what waits. */
static void tell_failing(struct scheduler *s, const struct unit_report *r)
{
	int n = agenda_failures(s->agenda, r->task);
	char tables[CONSUMER_TABLES_LEN], shard[8], failures[16];
	const char *params[] = {r->task.consumer->name,
				tables,
				shard,
				r->task.portions ? "true" : "false",
				r->err->msg,
				failures,
				VERSION};

	if (n == 0 || n % AGENDA_HOPELESS != 0 || pg_error_class(r->err) == PG_ERROR_CONNECTION)
		return;
	consumer_tables(r->task.consumer, tables);
	(void)snprintf(shard, sizeof(shard), "%d", __builtin_ctzll(r->task.shards));
	(void)snprintf(failures, sizeof(failures), "%d", n);
	s->telling++;
	pgpool_exec(s->pool, NULL, &SQL_etld_outbox_failing, params, LOOK_TIMEOUT_MS, on_told, s);
}

static void on_unit(void *arg, const struct unit_report *r)
{
	struct worker *w = arg;
	struct scheduler *s = w->scheduler;

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	log_report(r);
	metric_add(metrics_with(s->units, (const char *const[]){r->task.consumer->name,
								outcome_names[r->outcome]}),
		   1);
	spent(s, w->task, r->elapsed_us);
	switch (r->outcome) {
	case UNIT_DONE:
		metric_add(metrics_with(s->events, (const char *const[]){r->task.consumer->name}),
			   r->events);
		metric_observe(s->seconds, (double)r->elapsed_us / 1e6);
		publish_versions(s->publisher, r->versions, r->nversions);
		agenda_rested(s->agenda, w->task);
		if (s->options.on_applied != NULL)
			s->options.on_applied(s->options.arg, r);
		break;
	case UNIT_EMPTY:
		agenda_rested(s->agenda, w->task);
		break;
	case UNIT_TAKEN:
		let_rest(s, w->task, REST_TAKEN);
		break;
	case UNIT_RETRY:
	case UNIT_LOST:
		let_rest(s, w->task, REST_FAILED);
		tell_failing(s, r);
		break;
	}
	worker_done(w);
}

static void on_conn(void *arg, struct pgconn *c, const struct err *e)
{
	struct worker *w = arg;
	struct scheduler *s = w->scheduler;

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	if (c == NULL) { /* the pool says so in the log, once */
		(void)e;
		let_rest(s, w->task, REST_FAILED);
		worker_done(w);
		return;
	}
	w->conn = c;
	w->unit = unit_start(c, w->task, &s->options.unit, on_unit, w);
}

/* Hands what is due to idle workers. */
static void dispatch(struct scheduler *s)
{
	for (int i = 0; i < s->options.workers; i++) {
		struct worker *w = &s->workers[i];

		if (w->busy)
			continue;
		if (!agenda_next(s->agenda, s->running, (size_t)s->nrunning, clock_mono_ms(),
				 &w->task))
			break;
		w->busy = true;
		s->running[s->nrunning++] = w->task;
		(void)pgpool_acquire(s->pool, NULL, on_conn, w);
	}
}

static bool wanted(const struct scheduler *s, struct task t, int shard)
{
	const struct scheduler_options *o = &s->options;

	if (t.consumer == NULL) /* a newer etld's: leave it to that one */
		return false;
	if (shard % o->task_count != o->task_index)
		return false;
	for (size_t i = 0; i < o->nonly; i++) {
		if (o->only[i] == t.consumer)
			return true;
	}
	return o->nonly == 0;
}

/* Rows of result LOOK_DUE: (consumer, shard, portions, urgency, events), most urgent first. */
static void read_due(struct scheduler *s, const struct pgresult *r)
{
	int64_t pending = 0;

	agenda_clear(s->agenda);
	for (size_t row = 0; row < pgresult_rows(r, LOOK_DUE); row++) {
		int shard = (int)pgresult_i64(r, LOOK_DUE, row, 1);
		int64_t events = pgresult_i64(r, LOOK_DUE, row, 4);
		struct task t = {
			.consumer = consumer_find(pgresult_text(r, LOOK_DUE, row, 0)),
			.shards = UINT64_C(1) << shard,
			.portions = pgresult_bool(r, LOOK_DUE, row, 2),
		};

		ASSERT(shard >= 0 && shard < TASK_SHARDS);
		pending += events;
		if (wanted(s, t, shard))
			agenda_add(s->agenda, t, (enum urgency)pgresult_i64(r, LOOK_DUE, row, 3),
				   events);
	}
	metric_set(s->pending, (double)pending);
}

/* Is a one-shot at its end? */
static void check_idle(struct scheduler *s)
{
	if (s->options.on_idle == NULL || s->nrunning > 0 || s->telling > 0)
		return;
	if (s->look_failures >= LOOK_FAILURES_MAX || agenda_hopeless(s->agenda))
		s->options.on_idle(s->options.arg, false);
	else if (s->look_failures == 0 && agenda_count(s->agenda) == 0)
		s->options.on_idle(s->options.arg, true);
}

static void on_looked(void *arg, const struct pgresult *r, const struct err *e)
{
	struct scheduler *s = arg;

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	if (s->look_conn != NULL)
		pgpool_release(s->pool, s->look_conn);
	s->look_conn = NULL;
	s->looking = false;
	if (s->draining)
		return;
	if (e != NULL) {
		if (e->sqlstate[0] != '\0')
			log_error("cannot look at the queue", LOG_S("error", e->msg));
		s->look_failures++;
		check_idle(s);
		return; /* the poll comes again */
	}
	s->look_failures = 0;
	read_due(s, r);
	dispatch(s);
	if (s->look_again) {
		s->look_again = false;
		look(s);
	} else {
		check_idle(s);
	}
}

/* On a plan that the connection made once: planning would be nine tenths of a look, and there is
 * one for every hint and every unit. */
static void on_look_conn(void *arg, struct pgconn *c, const struct err *e)
{
	struct scheduler *s = arg;
	const char *params[] = {s->options.unit.tenant_id};
	const struct pgstmt stmts[] = {{&SQL_etld_begin, NULL},
				       {&SQL_etld_plan_for_few, NULL},
				       [LOOK_DUE] = {&SQL_etld_list_due, params},
				       {&SQL_etld_commit, NULL}};

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	if (c == NULL) {
		on_looked(s, NULL, e);
		return;
	}
	s->look_conn = c;
	pgconn_batch(c, stmts, ARRAY_SIZE(stmts), LOOK_TIMEOUT_MS, on_looked, s);
}

static void look(struct scheduler *s)
{
	if (s->draining)
		return;
	if (s->looking) {
		s->look_again = true;
		return;
	}
	s->looking = true;
	(void)pgpool_acquire(s->pool, NULL, on_look_conn, s);
}

static void on_timer(void *arg)
{
	look(arg);
}

struct scheduler *scheduler_new(struct daemon *d, struct pgpool *warehouse,
				struct publisher *publisher, const struct scheduler_options *o)
{
	struct scheduler *s = xcalloc(1, sizeof(*s));

	s->magic = SCHEDULER_MAGIC;
	s->daemon = d;
	s->pool = warehouse;
	s->publisher = publisher;
	s->options = *o;
	s->workers = xcalloc((size_t)o->workers, sizeof(*s->workers));
	s->running = xcalloc((size_t)o->workers, sizeof(*s->running));
	/* small tasks go together, as far as that leaves some for each worker; and a daemon keeps a
	 * worker free for the stream */
	s->agenda = agenda_new(&(struct agenda_options){
		.together = (SHARDS + o->workers - 1) / o->workers,
		.portions_max = o->on_idle == NULL && o->workers > 1 ? o->workers - 1 : o->workers,
		.share = o->backfill_share,
		.pause_ms = o->backfill_pause_ms});
	for (int i = 0; i < o->workers; i++)
		s->workers[i].scheduler = s;
	s->units = metrics_counter_family(
		"etl_units_total", "Units of work by consumer and outcome", "consumer,outcome");
	s->events = metrics_counter_family("etl_events_total", "Events applied by consumer",
					   "consumer");
	s->seconds = metrics_histogram("etl_unit_seconds", "Duration of committed units",
				       METRICS_SECONDS, METRICS_SECONDS_COUNT);
	s->pending = metrics_gauge("etl_pending_events", "Landed events that are not applied yet");
	s->poll = daemon_timer_new(d, 0, o->poll_ms, on_timer, s);
	s->soon = daemon_timer_new(d, o->poll_ms, 0, on_timer, s);
	return s;
}

void scheduler_wake(struct scheduler *s)
{
	OBJ_CHECK(s, SCHEDULER_MAGIC);
	if (s->nrunning < s->options.workers) /* else whoever is free first looks */
		look(s);
}

void scheduler_drain(struct scheduler *s, void (*on_done)(void *arg), void *arg)
{
	OBJ_CHECK(s, SCHEDULER_MAGIC);
	s->draining = true;
	if (s->nrunning == 0) {
		if (on_done != NULL)
			on_done(arg);
		return;
	}
	s->on_drained = on_done;
	s->drained_arg = arg;
}

void scheduler_free(struct scheduler *s)
{
	if (s == NULL)
		return;
	daemon_timer_free(s->poll);
	daemon_timer_free(s->soon);
	agenda_free(s->agenda);
	free(s->running);
	free(s->workers);
	s->magic = 0;
	free(s);
}
