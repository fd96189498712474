/*
 * L2: a pool of Postgres connections; see pgpool.h.
 *
 * Each of `size` slots is empty, opening, idle or lent. Waiters stand in one queue; pump() serves
 * it from the front whenever something changed, and runs only from the loop, so that nobody is
 * called back from inside his own call. An opening connection is meant for one waiter at most; once
 * open it goes to the first waiter of its role. Callbacks may do anything, pgpool_free included:
 * depth keeps the pool's memory until the last frame is left.
 */
#include "common/pg/pgpool.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/queue.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/pg/pgconn_priv.h"

#define BACKOFF_BASE_MS 50
#define BACKOFF_CAP_MS  5000

enum slot_state { SLOT_EMPTY, SLOT_OPENING, SLOT_IDLE, SLOT_LENT, SLOT_STATE_COUNT };

struct slot {
	struct pgpool *pool;
	enum slot_state state;
	struct pgconn *conn;      /* NULL when empty */
	char *role;               /* NULL: the URL's own */
	uint64_t released;        /* when it became idle, counted by pgpool.releases */
	struct pgpool_wait *wait; /* OPENING: for whom; NULL when he left */
};

struct pgpool_wait {
	char *role;
	pgpool_fn fn;
	void *arg;
	int64_t deadline_ms;
	struct slot *slot; /* being opened for him, or NULL */
	struct err err;    /* set: in `ended`, to be told why */
	TAILQ_ENTRY(pgpool_wait) link;
};

TAILQ_HEAD(wait_list, pgpool_wait);

enum pool_state { POOL_UNKNOWN, POOL_UP, POOL_DOWN };

struct pgpool {
	unsigned magic;
	int depth;
	bool freed;
	struct event_base *base;
	struct pgpool_options o; /* its strings are these */
	char *name, *url, *application, *settings;
	enum pool_state state;
	struct err why; /* DOWN: the latest reason */
	int64_t down_since_ms;
	char *probe_role; /* DOWN: whose login is tried again */
	struct backoff backoff;
	struct slot *slots;
	int count[SLOT_STATE_COUNT];
	uint64_t releases;
	struct wait_list waits; /* in order of deadline: all wait equally long */
	struct wait_list ended;
	size_t nwaits;
	struct event *turn;  /* something changed: pump */
	struct event *timer; /* deadline of the first waiter */
	struct event *retry; /* DOWN: the next attempt */
};

#define PGPOOL_MAGIC OBJ_MAGIC(0x52)

static void pump(struct pgpool *p);

static void arm_timer(struct event *ev, int64_t ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	(void)event_add(ev, &tv);
}

static bool same_role(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *copy_or_null(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

/* --- up and down */

static void log_state(const struct pgpool *p, bool up)
{
	char target[256];

	pg_safe_target(p->o.url, target, sizeof(target));
	if (up)
		log_info("database is back", LOG_S("pool", p->o.name), LOG_S("target", target),
			 LOG_I("down_ms", clock_mono_ms() - p->down_since_ms));
	else
		log_warn("database is down", LOG_S("pool", p->o.name), LOG_S("target", target),
			 LOG_S("sqlstate", p->why.sqlstate), LOG_S("error", p->why.msg));
}

static void set_up(struct pgpool *p)
{
	bool changed = p->state != POOL_UP;

	backoff_reset(&p->backoff);
	if (p->state == POOL_DOWN)
		log_state(p, true);
	p->state = POOL_UP;
	(void)event_del(p->retry);
	free(p->probe_role);
	p->probe_role = NULL;
	if (changed && p->o.on_state != NULL)
		p->o.on_state(p->o.arg, true, "");
}

static void set_down(struct pgpool *p, const char *role, const struct err *why)
{
	bool changed = p->state != POOL_DOWN;

	if (evtimer_pending(p->retry, NULL) == 0)
		arm_timer(p->retry, backoff_next_ms(&p->backoff, backoff_random()));
	p->why = *why;
	if (!changed)
		return;
	p->state = POOL_DOWN;
	p->down_since_ms = clock_mono_ms();
	p->probe_role = copy_or_null(role);
	log_state(p, false);
	if (p->o.on_state != NULL)
		p->o.on_state(p->o.arg, false, p->why.msg);
}

/* --- slots */

static void slot_set(struct slot *s, enum slot_state state)
{
	s->pool->count[s->state]--;
	s->pool->count[state]++;
	s->state = state;
}

/* Closes the connection; an op that still runs on it ends here, callback included. */
static void slot_clear(struct slot *s)
{
	struct pgconn *c = s->conn;

	if (s->wait != NULL)
		s->wait->slot = NULL;
	s->wait = NULL;
	s->conn = NULL;
	free(s->role);
	s->role = NULL;
	slot_set(s, SLOT_EMPTY);
	pgconn_close(c);
}

static void unlink_wait(struct wait_list *list, struct pgpool_wait *w)
{
	TAILQ_REMOVE(list, w, link);
	ASSERT(TAILQ_FIRST(list) != w); /* for clang-tidy, which loses track of it */
}

/* Takes w out of the queue; he is told why in his turn. */
static void wait_end(struct pgpool *p, struct pgpool_wait *w, const struct err *why)
{
	unlink_wait(&p->waits, w);
	p->nwaits--;
	if (w->slot != NULL)
		w->slot->wait = NULL;
	w->slot = NULL;
	w->err = *why;
	TAILQ_INSERT_TAIL(&p->ended, w, link);
}

static void refuse_role(struct pgpool *p, const char *role, const struct err *why)
{
	struct pgpool_wait *w, *next;

	for (w = TAILQ_FIRST(&p->waits); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (same_role(w->role, role))
			wait_end(p, w, why);
	}
}

static void on_open(void *arg, const struct pgresult *r, const struct err *e)
{
	struct slot *s = arg;
	struct pgpool *p = s->pool;
	char *role;

	(void)r;
	OBJ_CHECK(p, PGPOOL_MAGIC);
	if (p->freed)
		return;
	p->depth++;
	if (e == NULL) {
		if (s->wait != NULL)
			s->wait->slot = NULL;
		s->wait = NULL;
		s->released = ++p->releases;
		slot_set(s, SLOT_IDLE);
		set_up(p);
	} else {
		role = copy_or_null(s->role);
		slot_clear(s);
		if (e->code == -EACCES)
			refuse_role(p, role, e);
		/* a server that refuses one role of many is there */
		if (e->code == -EACCES && role != NULL)
			set_up(p);
		else
			set_down(p, role, e);
		free(role);
	}
	p->depth--;
	pump(p);
}

static void on_broken(void *arg)
{
	struct slot *s = arg;

	if (s->state != SLOT_IDLE) /* lent: the borrower's next op tells him */
		return;
	slot_clear(s);
	event_active(s->pool->turn, 0, 0);
}

static void slot_open(struct slot *s, const char *role)
{
	const struct pgpool_options *o = &s->pool->o;
	char password[256] = "";
	struct pgconn_options c = {
		.url = o->url,
		.user = role,
		.application = o->application,
		.settings = o->settings,
		.connect_timeout_ms = o->connect_timeout_ms,
	};

	if (role != NULL && o->password != NULL) {
		o->password(o->arg, role, password, sizeof(password));
		c.password = password;
	}
	slot_set(s, SLOT_OPENING);
	s->role = copy_or_null(role);
	s->conn = pgconn_open(s->pool->base, &c, on_open, s);
	pgconn_on_broken(s->conn, on_broken, s);
	explicit_bzero(password, sizeof(password));
}

static struct slot *find_idle(struct pgpool *p, const char *role)
{
	struct slot *best = NULL; /* the most recently used: its caches are warm */

	for (int i = 0; i < p->o.size; i++) {
		struct slot *s = &p->slots[i];

		if (s->state == SLOT_IDLE && same_role(s->role, role) &&
		    (best == NULL || s->released > best->released))
			best = s;
	}
	return best;
}

/* An empty slot; else that of the idle connection used least recently, closed. NULL: all in use. */
static struct slot *find_space(struct pgpool *p)
{
	struct slot *oldest = NULL;

	for (int i = 0; i < p->o.size; i++) {
		struct slot *s = &p->slots[i];

		if (s->state == SLOT_EMPTY)
			return s;
		if (s->state == SLOT_IDLE && (oldest == NULL || s->released < oldest->released))
			oldest = s;
	}
	if (oldest != NULL)
		slot_clear(oldest);
	return oldest;
}

/* While down only one connection is tried, when the backoff is over. */
static bool may_open(const struct pgpool *p)
{
	return p->state != POOL_DOWN ||
	       (p->count[SLOT_OPENING] == 0 && evtimer_pending(p->retry, NULL) == 0);
}

static bool role_is_full(const struct pgpool *p, const char *role)
{
	int n = 0;

	for (int i = 0; p->o.role_max > 0 && i < p->o.size; i++)
		n += p->slots[i].state != SLOT_EMPTY && same_role(p->slots[i].role, role);
	return p->o.role_max > 0 && n >= p->o.role_max;
}

/* Opens a connection for w unless one is on its way; false when there is no room for it now. */
static bool open_for(struct pgpool *p, struct pgpool_wait *w)
{
	struct slot *s = NULL;

	for (int i = 0; i < p->o.size && s == NULL; i++) {
		if (p->slots[i].state == SLOT_OPENING && p->slots[i].wait == NULL &&
		    same_role(p->slots[i].role, w->role))
			s = &p->slots[i];
	}
	if (s == NULL) {
		s = may_open(p) && !role_is_full(p, w->role) ? find_space(p) : NULL;
		if (s == NULL)
			return false;
		slot_open(s, w->role);
	}
	s->wait = w;
	w->slot = s;
	return true;
}

/* --- serving the queue */

static void wait_free(struct pgpool_wait *w)
{
	free(w->role);
	free(w);
}

static void lend(struct pgpool *p, struct pgpool_wait *w, struct slot *s)
{
	unlink_wait(&p->waits, w);
	p->nwaits--;
	if (w->slot != NULL)
		w->slot->wait = NULL;
	slot_set(s, SLOT_LENT);
	w->fn(w->arg, s->conn, NULL);
	wait_free(w);
}

static void tell_ended(struct pgpool *p, struct pgpool_wait *w)
{
	unlink_wait(&p->ended, w);
	w->fn(w->arg, NULL, &w->err);
	wait_free(w);
}

static void end_expired(struct pgpool *p)
{
	int64_t now = clock_mono_ms();
	struct pgpool_wait *w;
	struct err e = ERR_INIT;

	while ((w = TAILQ_FIRST(&p->waits)) != NULL && w->deadline_ms <= now) {
		if (p->state == POOL_DOWN)
			(void)err_set(&e, -ECONNREFUSED, "%s: %s", p->o.name, p->why.msg);
		else
			(void)err_set(&e, -ETIMEDOUT, "%s: no connection free within %lld ms",
				      p->o.name, (long long)p->o.wait_ms);
		wait_end(p, w, &e);
	}
}

/* Makes at most one callback, after which the queue may be another; true when it did. */
static bool serve_one(struct pgpool *p)
{
	struct pgpool_wait *w = TAILQ_FIRST(&p->ended);

	if (w != NULL) {
		tell_ended(p, w);
		return true;
	}
	TAILQ_FOREACH (w, &p->waits, link) {
		struct slot *s = p->count[SLOT_IDLE] > 0 ? find_idle(p, w->role) : NULL;

		if (s != NULL) {
			lend(p, w, s);
			return true;
		}
		if (w->slot == NULL && !open_for(p, w) && p->count[SLOT_IDLE] == 0 &&
		    (p->count[SLOT_EMPTY] == 0 || !may_open(p)))
			break; /* nothing for those behind him either */
	}
	return false;
}

/* What is to be open without anybody waiting for it. */
static void open_ahead(struct pgpool *p)
{
	struct slot *s;

	if (p->state == POOL_DOWN) {
		s = may_open(p) ? find_space(p) : NULL;
		if (s != NULL)
			slot_open(s, p->probe_role);
		return;
	}
	while (p->o.size - p->count[SLOT_EMPTY] < p->o.min_idle)
		slot_open(find_space(p), NULL);
}

static void pool_leave(struct pgpool *p)
{
	if (--p->depth > 0 || !p->freed)
		return;
	free(p->slots);
	free(p->probe_role);
	free(p->name);
	free(p->url);
	free(p->application);
	free(p->settings);
	p->magic = 0;
	free(p);
}

static void pump(struct pgpool *p)
{
	struct pgpool_wait *first;
	int64_t left;

	OBJ_CHECK(p, PGPOOL_MAGIC);
	p->depth++;
	do {
		if (!p->freed)
			end_expired(p);
	} while (!p->freed && serve_one(p));
	if (!p->freed) {
		open_ahead(p);
		first = TAILQ_FIRST(&p->waits);
		left = first != NULL ? first->deadline_ms - clock_mono_ms() : 0;
		if (first != NULL)
			arm_timer(p->timer, left > 0 ? left : 1);
		else
			(void)event_del(p->timer);
	}
	pool_leave(p);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

/* --- the outside */

struct pgpool *pgpool_new(struct event_base *base, const struct pgpool_options *o)
{
	struct pgpool *p = xcalloc(1, sizeof(*p));

	ASSERT(o->size > 0 && o->min_idle >= 0 && o->min_idle <= o->size && o->waiting_max >= 0);
	p->magic = PGPOOL_MAGIC;
	p->base = base;
	p->o = *o;
	p->o.name = p->name = xstrdup(o->name);
	p->o.url = p->url = xstrdup(o->url);
	p->o.application = p->application = copy_or_null(o->application);
	p->o.settings = p->settings = copy_or_null(o->settings);
	p->backoff = (struct backoff){.base_ms = BACKOFF_BASE_MS, .cap_ms = BACKOFF_CAP_MS};
	p->slots = xcalloc((size_t)o->size, sizeof(*p->slots));
	for (int i = 0; i < o->size; i++)
		p->slots[i].pool = p;
	p->count[SLOT_EMPTY] = o->size;
	TAILQ_INIT(&p->waits);
	TAILQ_INIT(&p->ended);
	p->turn = event_new(base, -1, 0, on_event, p);
	p->timer = evtimer_new(base, on_event, p);
	p->retry = evtimer_new(base, on_event, p);
	ASSERT(p->turn != NULL && p->timer != NULL && p->retry != NULL);
	event_active(p->turn, 0, 0);
	return p;
}

void pgpool_free(struct pgpool *p)
{
	static const struct err gone = {.code = -ECANCELED, .msg = "connection pool closed"};
	struct pgpool_wait *w;

	if (p == NULL || p->freed)
		return;
	p->depth++;
	p->freed = true;
	event_free(p->turn);
	event_free(p->timer);
	event_free(p->retry);
	for (int i = 0; i < p->o.size; i++)
		slot_clear(&p->slots[i]); /* here ops may end */
	while ((w = TAILQ_FIRST(&p->waits)) != NULL)
		wait_end(p, w, &gone);
	while ((w = TAILQ_FIRST(&p->ended)) != NULL)
		tell_ended(p, w);
	pgcancel_free_all(p->base);
	pool_leave(p);
}

struct pgpool_wait *pgpool_acquire(struct pgpool *p, const char *role, pgpool_fn fn, void *arg)
{
	struct pgpool_wait *w = xcalloc(1, sizeof(*w));
	int limit;

	OBJ_CHECK(p, PGPOOL_MAGIC);
	/* those whom a connection that is not lent will serve do not count as waiting */
	limit = p->o.waiting_max + p->o.size - p->count[SLOT_LENT];
	w->role = copy_or_null(role);
	w->fn = fn;
	w->arg = arg;
	w->deadline_ms = clock_mono_ms() + p->o.wait_ms;
	if (p->freed)
		(void)err_set(&w->err, -ECANCELED, "%s: connection pool closed", p->o.name);
	else if (p->nwaits >= (size_t)limit)
		(void)err_set(&w->err, -EAGAIN, "%s: too many wait for a connection", p->o.name);
	if (w->err.code != 0) {
		TAILQ_INSERT_TAIL(&p->ended, w, link);
	} else {
		TAILQ_INSERT_TAIL(&p->waits, w, link);
		p->nwaits++;
	}
	if (!p->freed)
		event_active(p->turn, 0, 0);
	return w;
}

void pgpool_cancel(struct pgpool *p, struct pgpool_wait *w)
{
	OBJ_CHECK(p, PGPOOL_MAGIC);
	if (w->err.code == 0)
		wait_end(p, w, &(struct err){.code = -ECANCELED});
	unlink_wait(&p->ended, w);
	wait_free(w);
}

void pgpool_release(struct pgpool *p, struct pgconn *c)
{
	struct slot *s = NULL;

	OBJ_CHECK(p, PGPOOL_MAGIC);
	for (int i = 0; i < p->o.size && s == NULL; i++) {
		if (p->slots[i].conn == c && p->slots[i].state == SLOT_LENT)
			s = &p->slots[i];
	}
	if (p->freed || s == NULL) /* NULL: released again by the op that releasing it ended */
		return;
	p->depth++;
	if (pgconn_broken(c) || pgconn_busy(c) || pgconn_in_transaction(c)) {
		slot_clear(s);
	} else {
		s->released = ++p->releases;
		slot_set(s, SLOT_IDLE);
	}
	if (!p->freed)
		event_active(p->turn, 0, 0);
	pool_leave(p);
}

bool pgpool_up(const struct pgpool *p)
{
	return p->state == POOL_UP || (p->state == POOL_UNKNOWN && p->o.min_idle == 0);
}

size_t pgpool_waiting(const struct pgpool *p)
{
	return p->nwaits;
}
