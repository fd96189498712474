/*
 * The scheduler of units; see scheduler.h.
 *
 * look ─▶ due[] ─▶ idle workers take from its front ─▶ unit ─▶ look again
 */
#include "etld/scheduler.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/xalloc.h"
#include "sql_gen.h"

#define SCHEDULER_MAGIC OBJ_MAGIC('c')
#define DUE_MAX         128
#define LOOK_TIMEOUT_MS 30000
#define RETRY_FIRST_MS  200
#define RETRY_MAX_MS    30000
#define TAKEN_PAUSE_MS  50 /* another process has the shard: look again after this */

struct due {
	const struct consumer *consumer;
	int shard;
};

/* A (consumer, shard) that failed or was taken rests until `not_before`. */
struct rest {
	struct due what;
	int64_t not_before_ms, delay_ms;
};

struct worker {
	struct scheduler *scheduler;
	struct due due;
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
	struct worker *workers;
	int running;
	int64_t retries;
	bool looking, look_again, draining;
	void (*on_drained)(void *arg);
	void *drained_arg;
	struct due due[DUE_MAX]; /* in the order of their priority */
	size_t ndue, next_due;
	struct rest rests[DUE_MAX];
	size_t nrests;
	struct metric_family *units, *events;
	struct metric *seconds, *pending;
};

static void look(struct scheduler *s);

static bool due_eq(struct due a, struct due b)
{
	return a.consumer == b.consumer && a.shard == b.shard;
}

static struct rest *rest_of(struct scheduler *s, struct due d)
{
	for (size_t i = 0; i < s->nrests; i++) {
		if (due_eq(s->rests[i].what, d))
			return &s->rests[i];
	}
	return NULL;
}

static void forget_rest(struct scheduler *s, struct due d)
{
	struct rest *r = rest_of(s, d);

	if (r != NULL)
		*r = s->rests[--s->nrests];
}

/* Lets d rest: `first_ms`, doubled each time up to the maximum. */
static void let_rest(struct scheduler *s, struct due d, int64_t first_ms, int64_t max_ms)
{
	struct rest *r = rest_of(s, d);

	if (r == NULL) {
		if (s->nrests == DUE_MAX)
			return;
		r = &s->rests[s->nrests++];
		*r = (struct rest){.what = d, .delay_ms = first_ms / 2};
	}
	r->delay_ms = r->delay_ms * 2 < max_ms ? r->delay_ms * 2 : max_ms;
	r->not_before_ms = clock_mono_ms() + r->delay_ms;
	daemon_timer_arm(s->soon, r->delay_ms);
}

static bool may_run(struct scheduler *s, struct due d)
{
	const struct rest *r = rest_of(s, d);

	if (r != NULL && r->not_before_ms > clock_mono_ms())
		return false;
	for (int i = 0; i < s->options.workers; i++) {
		if (s->workers[i].busy && due_eq(s->workers[i].due, d))
			return false;
	}
	return true;
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
	s->running--;
	if (s->draining && s->running == 0 && s->on_drained != NULL) {
		s->on_drained(s->drained_arg);
		s->on_drained = NULL;
	}
	if (!s->draining)
		look(s);
}

static const char *const outcome_names[] = {
	[UNIT_DONE] = "done",   [UNIT_EMPTY] = "empty", [UNIT_TAKEN] = "taken",
	[UNIT_RETRY] = "retry", [UNIT_LOST] = "lost",
};

static void log_report(const struct unit_report *r)
{
	if (r->outcome == UNIT_RETRY || r->outcome == UNIT_LOST)
		log_error("unit failed", LOG_S("consumer", r->consumer->name),
			  LOG_I("shard", r->shard), LOG_S("outcome", outcome_names[r->outcome]),
			  LOG_S("error", r->err->msg), LOG_S("sqlstate", r->err->sqlstate));
	else if (r->outcome == UNIT_DONE)
		log_debug("unit applied", LOG_S("consumer", r->consumer->name),
			  LOG_I("shard", r->shard), LOG_I("events", r->events),
			  LOG_I("keys", r->keys), LOG_I("rejected", r->rejected),
			  LOG_I("failed_keys", r->failed_keys), LOG_I("upserted", r->upserted),
			  LOG_I("deleted", r->deleted), LOG_I("us", r->elapsed_us));
}

static void on_unit(void *arg, const struct unit_report *r)
{
	struct worker *w = arg;
	struct scheduler *s = w->scheduler;

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	log_report(r);
	metric_add(metrics_with(s->units, (const char *const[]){r->consumer->name,
								outcome_names[r->outcome]}),
		   1);
	switch (r->outcome) {
	case UNIT_DONE:
		metric_add(metrics_with(s->events, (const char *const[]){r->consumer->name}),
			   r->events);
		metric_observe(s->seconds, (double)r->elapsed_us / 1e6);
		publish_versions(s->publisher, r->versions, r->nversions);
		forget_rest(s, w->due);
		break;
	case UNIT_EMPTY:
		forget_rest(s, w->due);
		break;
	case UNIT_TAKEN:
		let_rest(s, w->due, TAKEN_PAUSE_MS, TAKEN_PAUSE_MS);
		break;
	case UNIT_RETRY:
	case UNIT_LOST:
		s->retries++;
		let_rest(s, w->due, RETRY_FIRST_MS, RETRY_MAX_MS);
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
		let_rest(s, w->due, RETRY_FIRST_MS, RETRY_MAX_MS);
		worker_done(w);
		return;
	}
	w->conn = c;
	w->unit = unit_start(c, w->due.consumer, w->due.shard, &s->options.unit, on_unit, w);
}

/* Hands what is due to idle workers. */
static void dispatch(struct scheduler *s)
{
	for (int i = 0; i < s->options.workers && s->next_due < s->ndue; i++) {
		struct worker *w = &s->workers[i];

		if (w->busy)
			continue;
		while (s->next_due < s->ndue && !may_run(s, s->due[s->next_due]))
			s->next_due++;
		if (s->next_due == s->ndue)
			break;
		w->due = s->due[s->next_due++];
		w->busy = true;
		s->running++;
		(void)pgpool_acquire(s->pool, NULL, on_conn, w);
	}
}

/* Rows: (consumer, shard, oldest landing, events), most urgent first. */
static void read_due(struct scheduler *s, const struct pgresult *r)
{
	int64_t pending = 0;

	s->ndue = s->next_due = 0;
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		struct due d = {
			.consumer = consumer_find(pgresult_text(r, 0, row, 0)),
			.shard = (int)pgresult_i64(r, 0, row, 1),
		};

		pending += pgresult_i64(r, 0, row, 3);
		if (d.consumer == NULL) /* a newer etld's: leave it to that one */
			continue;
		if (d.shard % s->options.task_count != s->options.task_index)
			continue;
		if (s->options.only != NULL && d.consumer != s->options.only)
			continue;
		if (s->ndue < DUE_MAX)
			s->due[s->ndue++] = d;
	}
	metric_set(s->pending, (double)pending);
}

static void on_looked(void *arg, const struct pgresult *r, const struct err *e)
{
	struct scheduler *s = arg;

	OBJ_CHECK(s, SCHEDULER_MAGIC);
	s->looking = false;
	if (s->draining)
		return;
	if (e != NULL) {
		if (e->sqlstate[0] != '\0')
			log_error("cannot look at the queue", LOG_S("error", e->msg));
		return; /* the poll comes again */
	}
	read_due(s, r);
	dispatch(s);
	if (s->look_again) {
		s->look_again = false;
		look(s);
	} else if (s->ndue == 0 && s->running == 0 && s->options.on_idle != NULL) {
		s->options.on_idle(s->options.arg, s->retries);
	}
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
	pgpool_exec(s->pool, NULL, &SQL_etld_list_due, NULL, LOOK_TIMEOUT_MS, on_looked, s);
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
	look(s);
}

void scheduler_drain(struct scheduler *s, void (*on_done)(void *arg), void *arg)
{
	OBJ_CHECK(s, SCHEDULER_MAGIC);
	s->draining = true;
	if (s->running == 0) {
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
	free(s->workers);
	s->magic = 0;
	free(s);
}
