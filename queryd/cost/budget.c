/*
 * Ledgers of tenants; see budget.h.
 *
 *   charge ─┬─ the portion at hand is enough ─▶ spent
 *           └─ waits ─▶ one draw at a time for a tenant ─▶ spent, or refused
 */
#include "queryd/cost/budget.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/pg/outbox.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define LEDGER_MAGIC  OBJ_MAGIC('L')
#define BUCKETS       256
#define TENANT_MAX    64
#define LIMIT_MS      5000
#define SETTLE_MS     1000
#define PORTIONS      100 /* of the cap */
#define REFUSED_MS    1000
#define DAY_S         86400
#define ALARM_SUBJECT "melmastoon.analytics.data_quality.alert.v1"

struct charge {
	TAILQ_ENTRY(charge) link;
	int64_t bytes;
	budget_fn fn;
	void *arg;
};

/* What this process has of a tenant's budget. There is one only while it is in use. */
struct ledger {
	unsigned magic;
	TAILQ_ENTRY(ledger) link; /* of all */
	struct ledger *next;      /* of the bucket */
	struct budget *budget;
	char tenant_id[TENANT_MAX];
	char day[16];       /* that `left` is of */
	int64_t day_end_ms; /* monotonic */
	int64_t left;    /* charged in the database and not spent; negative: the other way round */
	int64_t used_ms; /* when something was spent last */
	int64_t refused, refused_ms; /* fewest bytes that did not fit, and when; 0: none */
	bool busy;                   /* a statement of it runs */
	int64_t settling;            /* what that statement gives back */
	TAILQ_HEAD(, charge) waiting;
	char numbers[3][24];
	const char *open[1], *draw[2], *settle[2], *alarm[2];
	struct strbuf envelope;
};

struct budget {
	struct queryd *st;
	struct ledger *buckets[BUCKETS];
	TAILQ_HEAD(, ledger) all;
	struct daemon_timer *timer;
	void (*settled)(void *arg); /* whom to tell when nothing is left */
	void *settled_arg;
	bool stopped;
};

static void go_on(struct ledger *l);

/* ---- ledgers */

static struct ledger **bucket_of(struct budget *b, const char *tenant_id)
{
	return &b->buckets[hash_fast(slice_of(tenant_id)) % BUCKETS];
}

static struct ledger *find(struct budget *b, const char *tenant_id)
{
	struct ledger *l = *bucket_of(b, tenant_id);

	while (l != NULL && strcmp(l->tenant_id, tenant_id) != 0)
		l = l->next;
	return l;
}

static struct ledger *obtain(struct budget *b, const char *tenant_id)
{
	struct ledger **bucket = bucket_of(b, tenant_id), *l = find(b, tenant_id);

	if (l != NULL)
		return l;
	l = xcalloc(1, sizeof(*l));
	l->magic = LEDGER_MAGIC;
	l->budget = b;
	ASSERT(strlen(tenant_id) < sizeof(l->tenant_id));
	memcpy(l->tenant_id, tenant_id, strlen(tenant_id) + 1);
	TAILQ_INIT(&l->waiting);
	l->envelope = STRBUF_INIT;
	l->next = *bucket;
	*bucket = l;
	TAILQ_INSERT_TAIL(&b->all, l, link);
	return l;
}

static void ledger_free(struct ledger *l)
{
	struct ledger **at = bucket_of(l->budget, l->tenant_id);

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	TAILQ_REMOVE(&l->budget->all, l, link);
	strbuf_clear(&l->envelope);
	l->magic = 0;
	free(l);
}

/* What is left of a day is gone with it. */
static void turn_day(struct ledger *l)
{
	if (l->day[0] != '\0' && clock_mono_ms() >= l->day_end_ms) {
		l->left = l->refused = 0;
		l->day[0] = '\0';
	}
}

static void start(struct ledger *l, const struct pgstmt *stmts, size_t n, pgconn_fn fn)
{
	const struct query_target target = {
		.pool = l->budget->st->control, .tenant_id = l->tenant_id, .timeout_ms = LIMIT_MS};

	l->busy = true;
	(void)query_start(&target, stmts, n, fn, l);
}

/* ---- drawing */

static void end_first(struct ledger *l, enum problem_code verdict)
{
	struct charge *k = TAILQ_FIRST(&l->waiting);

	TAILQ_REMOVE(&l->waiting, k, link);
	k->fn(k->arg, verdict);
	free(k);
}

static void on_drawn(void *arg, const struct pgresult *r, const struct err *e)
{
	struct ledger *l = arg;
	const size_t drawn = QUERY_RESULT + 1;
	int64_t wanted;

	OBJ_CHECK(l, LEDGER_MAGIC);
	l->busy = false;
	ASSERT(!TAILQ_EMPTY(&l->waiting));
	wanted = TAILQ_FIRST(&l->waiting)->bytes - l->left;
	if (e != NULL) {
		if (e->code != -ECANCELED)
			log_warn("budget not read", LOG_S("tenant_id", l->tenant_id),
				 LOG_S("error", e->msg));
		end_first(l, PROBLEM_UNAVAILABLE);
	} else if (pgresult_rows(r, drawn) == 0) { /* deleted; access.c will know, too */
		end_first(l, PROBLEM_TENANT_NOT_FOUND);
	} else {
		turn_day(l);
		(void)snprintf(l->day, sizeof(l->day), "%s", pgresult_text(r, drawn, 0, 1));
		l->day_end_ms = clock_mono_ms() + pgresult_i64(r, drawn, 0, 2) * 1000;
		if (pgresult_affected(r, drawn + 1) > 0)
			log_warn("budget alarm", LOG_S("tenant_id", l->tenant_id),
				 LOG_S("percent", pgresult_text(r, drawn, 0, 3)));
		if (pgresult_text(r, drawn, 0, 0) != NULL) {
			l->left += pgresult_i64(r, drawn, 0, 0);
		} else {
			l->refused = wanted;
			l->refused_ms = clock_mono_ms();
			end_first(l, PROBLEM_BUDGET_EXCEEDED);
		}
	}
	go_on(l);
}

static void draw(struct ledger *l, int64_t wanted)
{
	const struct queryd_config *conf = daemon_conf(l->budget->st->daemon);
	int64_t portion = conf->budget_bytes / PORTIONS;

	(void)snprintf(l->numbers[0], sizeof(l->numbers[0]), "%lld", (long long)conf->budget_bytes);
	(void)snprintf(l->numbers[1], sizeof(l->numbers[1]), "%lld", (long long)wanted);
	(void)snprintf(l->numbers[2], sizeof(l->numbers[2]), "%lld",
		       (long long)(portion > wanted ? portion : wanted));
	l->open[0] = l->numbers[0];
	l->draw[0] = l->numbers[1];
	l->draw[1] = l->numbers[2];
	strbuf_reset(&l->envelope);
	outbox_envelope(&(struct outbox_event){.subject = ALARM_SUBJECT,
					       .tenant_id = l->tenant_id,
					       .ordering_key = l->tenant_id,
					       .instance = daemon_instance(l->budget->st->daemon),
					       .retention_class = "operational_2y",
					       .payload = slice_of("{}")},
			&l->envelope);
	l->alarm[0] = ALARM_SUBJECT;
	l->alarm[1] = strbuf_cstr(&l->envelope);
	start(l,
	      (const struct pgstmt[]){{&SQL_queryd_open_budget, l->open},
				      {&SQL_queryd_draw_budget, l->draw},
				      {&SQL_queryd_queue_budget_alarm, l->alarm}},
	      3, on_drawn);
}

/* A second after a refusal nobody asks the database for as much again. */
static bool refused_lately(const struct ledger *l, int64_t wanted)
{
	return l->refused > 0 && wanted >= l->refused &&
	       clock_mono_ms() - l->refused_ms < REFUSED_MS;
}

static bool serve_one(struct ledger *l, int64_t bytes, enum problem_code *ret)
{
	turn_day(l);
	if (l->day[0] != '\0' && bytes <= l->left) {
		l->left -= bytes;
		l->used_ms = clock_mono_ms();
		*ret = PROBLEM_COUNT;
	} else if (refused_lately(l, bytes - l->left)) {
		*ret = PROBLEM_BUDGET_EXCEEDED;
	} else {
		return false;
	}
	return true;
}

static void serve_waiting(struct ledger *l)
{
	enum problem_code verdict;

	while (l->budget->stopped && !TAILQ_EMPTY(&l->waiting))
		end_first(l, PROBLEM_UNAVAILABLE);
	while (!l->busy && !TAILQ_EMPTY(&l->waiting)) {
		int64_t bytes = TAILQ_FIRST(&l->waiting)->bytes;

		if (serve_one(l, bytes, &verdict))
			end_first(l, verdict);
		else
			draw(l, bytes - l->left);
	}
}

void budget_charge(struct budget *b, const char *tenant_id, int64_t bytes, budget_fn fn, void *arg)
{
	struct ledger *l = obtain(b, tenant_id);
	enum problem_code verdict;
	struct charge *k;

	if (TAILQ_EMPTY(&l->waiting) && serve_one(l, bytes, &verdict)) {
		fn(arg, verdict);
		return;
	}
	k = xcalloc(1, sizeof(*k));
	*k = (struct charge){.bytes = bytes, .fn = fn, .arg = arg};
	TAILQ_INSERT_TAIL(&l->waiting, k, link);
	serve_waiting(l);
}

void budget_correct(struct budget *b, const char *tenant_id, int64_t charged, int64_t read)
{
	struct ledger *l = find(b, tenant_id);

	if (l == NULL)
		return;
	turn_day(l);
	if (l->day[0] == '\0')
		return; /* it was of a day that is over */
	l->left += charged - read;
	l->used_ms = clock_mono_ms();
}

/* ---- settling */

static void tell_settled(struct budget *b)
{
	if (b->settled != NULL && TAILQ_EMPTY(&b->all)) {
		void (*fn)(void *arg) = b->settled;

		b->settled = NULL;
		fn(b->settled_arg);
	}
}

static void on_settled(void *arg, const struct pgresult *r, const struct err *e)
{
	struct ledger *l = arg;

	OBJ_CHECK(l, LEDGER_MAGIC);
	(void)r;
	l->busy = false;
	if (e != NULL) {
		log_warn("budget not settled", LOG_S("tenant_id", l->tenant_id),
			 LOG_S("error", e->msg));
		/* it may have been done: what is tried again can only charge too much */
		if (l->settling < 0 && l->budget->settled == NULL)
			l->left += l->settling;
	}
	go_on(l);
}

static void settle(struct ledger *l)
{
	(void)snprintf(l->numbers[0], sizeof(l->numbers[0]), "%lld", (long long)l->left);
	l->settle[0] = l->day;
	l->settle[1] = l->numbers[0];
	l->settling = l->left;
	l->left = 0;
	start(l, &(struct pgstmt){&SQL_queryd_settle_budget, l->settle}, 1, on_settled);
}

/* After a statement. A ledger of a process that ends goes. */
static void go_on(struct ledger *l)
{
	struct budget *b = l->budget;

	serve_waiting(l);
	if (b->settled == NULL || l->busy)
		return;
	if (l->left != 0)
		settle(l);
	else
		ledger_free(l);
	tell_settled(b);
}

/* Idle ledgers give back what they have, and go when they have nothing. */
static void look_round(void *arg)
{
	struct budget *b = arg;
	struct ledger *l, *next;

	for (l = TAILQ_FIRST(&b->all); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		turn_day(l);
		if (l->busy || !TAILQ_EMPTY(&l->waiting))
			continue;
		if (l->left < 0 || (l->left > 0 && clock_mono_ms() - l->used_ms >= SETTLE_MS))
			settle(l);
		else if (l->left == 0 && clock_mono_ms() - l->used_ms >= LIMIT_MS)
			ledger_free(l);
	}
}

void budget_settle(struct budget *b, void (*fn)(void *arg), void *arg)
{
	struct ledger *l, *next;

	for (l = TAILQ_FIRST(&b->all); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		turn_day(l);
		if (!l->busy && l->left != 0)
			settle(l);
		else if (!l->busy)
			ledger_free(l);
	}
	b->settled = fn;
	b->settled_arg = arg;
	tell_settled(b);
}

/* ---- over HTTP */

void budget_reply_problem(struct httpd_request *http, enum problem_code code, const char *detail)
{
	char seconds[24];

	if (code == PROBLEM_BUDGET_EXCEEDED) {
		(void)snprintf(seconds, sizeof(seconds), "%lld",
			       (long long)(DAY_S - clock_wall_ms() / 1000 % DAY_S));
		httpd_set_header(http, "Retry-After", seconds);
	}
	httpd_reply_problem(http, code, detail);
}

struct showing {
	struct call call;
	const char *params[1];
};

static void on_shown(void *arg, const struct pgresult *r, const struct err *e)
{
	struct showing *k = arg;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	const struct ledger *l;
	int64_t used;

	if (!caller_ok(k->call.http, e))
		return;
	used = pgresult_i64(r, CALLER_RESULT, 0, 0);
	l = find(k->call.st->budget, k->call.principal->tenant_id);
	if (l != NULL) /* charged, but not spent */
		used -= l->left;
	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "bytesUsed");
	jw_i64(&w, used > 0 ? used : 0);
	jw_key(&w, "bytesCap");
	jw_i64(&w, pgresult_i64(r, CALLER_RESULT, 0, 1));
	jw_key(&w, "resetsAt");
	jw_str(&w, pgresult_text(r, CALLER_RESULT, 0, 2));
	jw_end(&w);
	httpd_reply_json(k->call.http, 200, &out);
	strbuf_clear(&out);
}

void budget_serve(const struct call *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct arena *a = httpd_arena(c->http);
	struct showing *k = arena_alloc(a, sizeof(*k));

	k->call = caller_keep(c);
	k->params[0] = arena_printf(a, "%lld", (long long)conf->budget_bytes);
	caller_query(c, &(struct pgstmt){&SQL_queryd_read_budget, k->params}, 1, on_shown, k);
}

/* ---- life */

struct budget *budget_new(struct queryd *st)
{
	struct budget *b = xcalloc(1, sizeof(*b));

	b->st = st;
	TAILQ_INIT(&b->all);
	b->timer = daemon_timer_new(st->daemon, SETTLE_MS, SETTLE_MS, look_round, b);
	return b;
}

void budget_stop(struct budget *b)
{
	if (b == NULL)
		return;
	daemon_timer_free(b->timer);
	b->timer = NULL;
	b->stopped = true;
}

void budget_free(struct budget *b)
{
	struct ledger *l;

	if (b == NULL)
		return;
	while ((l = TAILQ_FIRST(&b->all)) != NULL) {
		ASSERT(TAILQ_EMPTY(&l->waiting));
		ledger_free(l);
	}
	free(b);
}
