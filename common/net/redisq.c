/*
 * Redis on the loop; see redisq.h. hiredis 0.14 brings neither time-outs nor reconnecting, so both
 * are here: one timer watches the oldest command (all have the same time-out, so the queue is in
 * the order of their deadlines) or the handshake, another waits for the next attempt.
 *
 * Who frees the hiredis context: hiredis itself, after the connect callback with an error or the
 * disconnect callback; so `ac` is forgotten (lost()) in the first callback that tells of the end,
 * and freed by us only while we still know it. Replies that come after that find a command, not the
 * connection, and end it with `lost_err`.
 */
#include "common/net/redisq.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <limits.h>
#include <netdb.h>
#include <sys/queue.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/uri.h"
#include "common/base/xalloc.h"

#define REDISQ_MAGIC         OBJ_MAGIC(0x4e)
#define HANDSHAKE_TIMEOUT_MS 2000
#define ADDRESSES_MAX        8

enum state { DOWN, CONNECTING, UP };

struct command {
	TAILQ_ENTRY(command) link;
	struct redisq *q;
	redisq_fn fn;
	void *arg;
	int64_t deadline_ms; /* monotonic */
};

TAILQ_HEAD(command_list, command);

struct target {
	char *path;                     /* unix socket, or NULL */
	char *host;                     /* as it is written */
	char *addresses[ADDRESSES_MAX]; /* its numeric ones, tried in turn */
	size_t naddresses, at;
	char *user, *password; /* "" when not given */
	int port, db;
};

struct redisq {
	unsigned magic;
	enum state state;
	struct event_base *base;
	struct target target;
	redisAsyncContext *ac;       /* NULL while DOWN */
	struct command_list sent;    /* waiting for a reply, oldest first */
	struct command_list refused; /* fail with -EAGAIN in the next turn */
	int nsent, sent_max;
	int64_t timeout_ms;
	struct event *watchdog, *retry, *fail;
	struct backoff backoff;
	int lost_err;     /* what replies of a lost connection end with */
	bool in_callback; /* redisq_free would pull the ground away */
	char reason[160];
	void (*on_state)(void *arg, bool up);
	void *arg;
};

static void connect_now(struct redisq *q);

/* ---- replies */

enum redisq_kind redisq_kind(const struct redisq_reply *r)
{
	switch (((const redisReply *)r)->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		return REDISQ_STRING;
	case REDIS_REPLY_INTEGER:
		return REDISQ_INTEGER;
	case REDIS_REPLY_ARRAY:
		return REDISQ_ARRAY;
	case REDIS_REPLY_NIL:
		return REDISQ_NIL;
	default:
		return REDISQ_ERROR;
	}
}

struct slice redisq_str(const struct redisq_reply *r)
{
	const redisReply *reply = (const redisReply *)r;

	return (struct slice){reply->str, reply->str != NULL ? reply->len : 0};
}

int64_t redisq_int(const struct redisq_reply *r)
{
	ASSERT(redisq_kind(r) == REDISQ_INTEGER);
	return ((const redisReply *)r)->integer;
}

size_t redisq_len(const struct redisq_reply *r)
{
	return redisq_kind(r) == REDISQ_ARRAY ? ((const redisReply *)r)->elements : 0;
}

const struct redisq_reply *redisq_at(const struct redisq_reply *r, size_t i)
{
	ASSERT(i < redisq_len(r));
	return (const struct redisq_reply *)((const redisReply *)r)->element[i];
}

/* ---- the timers */

static void arm(struct event *ev, int64_t delay_ms)
{
	struct timeval tv = {delay_ms / 1000, delay_ms % 1000 * 1000};

	(void)event_add(ev, &tv);
}

static void arm_watchdog(struct redisq *q)
{
	const struct command *oldest = TAILQ_FIRST(&q->sent);
	int64_t left = oldest->deadline_ms - clock_mono_ms();

	arm(q->watchdog, left > 0 ? left : 0);
}

/* ---- the life of a connection */

static void tell_state(struct redisq *q, bool up)
{
	bool outer = q->in_callback;

	if (q->on_state == NULL)
		return;
	q->in_callback = true;
	q->on_state(q->arg, up);
	q->in_callback = outer;
}

/* The connection is over, whoever noticed: forgets it and plans the next. The commands on it end
 * when hiredis tears the context down. */
static void lost(struct redisq *q, int err, const char *why)
{
	bool was_up = q->state == UP;

	(void)snprintf(q->reason, sizeof(q->reason), "%s", why);
	q->ac = NULL;
	if (!was_up && q->target.naddresses > 0)
		q->target.at = (q->target.at + 1) % q->target.naddresses;
	q->state = DOWN;
	q->lost_err = err;
	(void)event_del(q->watchdog);
	arm(q->retry, backoff_next_ms(&q->backoff, backoff_random()));
	if (was_up)
		tell_state(q, false);
}

/* Ends the connection from our side. */
static void drop(struct redisq *q, int err, const char *why)
{
	redisAsyncContext *ac = q->ac;

	lost(q, err, why);
	redisAsyncFree(ac); /* inside a callback of its own it waits for that to return */
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
	struct redisq *q = ac->data;

	OBJ_CHECK(q, REDISQ_MAGIC);
	(void)status;
	if (q->ac == ac)
		lost(q, -ECONNRESET, ac->errstr != NULL ? ac->errstr : "disconnected");
}

/* The answer to a step of the handshake; arg is not NULL for the last step, PING. */
static void on_hello(redisAsyncContext *ac, void *reply, void *arg)
{
	struct redisq *q = ac->data;
	const redisReply *r = reply;

	OBJ_CHECK(q, REDISQ_MAGIC);
	if (q->ac != ac)
		return;
	if (r == NULL) {
		lost(q, -ECONNRESET, ac->errstr != NULL ? ac->errstr : "disconnected");
	} else if (r->type == REDIS_REPLY_ERROR) {
		drop(q, -ECONNRESET, r->str);
	} else if (arg != NULL) {
		(void)event_del(q->watchdog);
		backoff_reset(&q->backoff);
		q->state = UP;
		q->reason[0] = '\0';
		tell_state(q, true);
	}
}

static void on_connect(const redisAsyncContext *ac, int status)
{
	struct redisq *q = ac->data;
	const struct target *t = &q->target;
	int r = REDIS_OK;

	OBJ_CHECK(q, REDISQ_MAGIC);
	if (q->ac != ac)
		return;
	if (status != REDIS_OK) {
		lost(q, -ECONNRESET, ac->c.errstr);
		return;
	}
	if (t->user[0] != '\0')
		r |= redisAsyncCommand(q->ac, on_hello, NULL, "AUTH %s %s", t->user, t->password);
	else if (t->password[0] != '\0')
		r |= redisAsyncCommand(q->ac, on_hello, NULL, "AUTH %s", t->password);
	if (t->db != 0)
		r |= redisAsyncCommand(q->ac, on_hello, NULL, "SELECT %d", t->db);
	r |= redisAsyncCommand(q->ac, on_hello, q, "PING");
	ASSERT(r == REDIS_OK);
}

static void connect_now(struct redisq *q)
{
	const struct target *t = &q->target;
	redisAsyncContext *ac = t->path != NULL ? redisAsyncConnectUnix(t->path)
						: redisAsyncConnect(t->addresses[t->at], t->port);

	ASSERT(ac != NULL); /* only when out of memory */
	if (ac->err != 0) {
		lost(q, -ECONNRESET, ac->errstr);
		redisAsyncFree(ac); /* no callbacks yet, so it is ours */
		return;
	}
	(void)fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
	ac->data = q;
	q->ac = ac;
	q->state = CONNECTING;
	if (redisLibeventAttach(ac, q->base) != REDIS_OK ||
	    redisAsyncSetConnectCallback(ac, on_connect) != REDIS_OK ||
	    redisAsyncSetDisconnectCallback(ac, on_disconnect) != REDIS_OK)
		ASSERT(!"hiredis attached twice");
	arm(q->watchdog, HANDSHAKE_TIMEOUT_MS);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct redisq *q = arg;

	OBJ_CHECK(q, REDISQ_MAGIC);
	(void)fd;
	(void)what;
	connect_now(q);
}

/* Replies do not move the timer, so it may come early: then it waits for what is oldest now. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct redisq *q = arg;
	const struct command *oldest = TAILQ_FIRST(&q->sent);

	OBJ_CHECK(q, REDISQ_MAGIC);
	(void)fd;
	(void)what;
	if (q->state == CONNECTING)
		drop(q, -ETIMEDOUT, "no answer to connecting");
	else if (oldest != NULL && oldest->deadline_ms <= clock_mono_ms())
		drop(q, -ETIMEDOUT, "no reply in time");
	else if (oldest != NULL)
		arm_watchdog(q);
}

/* ---- commands */

/* c is out of every list. */
static void finish(struct redisq *q, struct command *c, int err, const redisReply *reply)
{
	if (c->fn != NULL) {
		bool outer = q->in_callback;

		q->in_callback = true;
		c->fn(c->arg, err, (const struct redisq_reply *)reply);
		q->in_callback = outer;
	}
	free(c);
}

static void on_reply(redisAsyncContext *ac, void *reply, void *arg)
{
	struct command *c = arg;
	struct redisq *q = c->q;

	OBJ_CHECK(q, REDISQ_MAGIC);
	if (reply == NULL && q->ac == ac)
		lost(q, -ECONNRESET, ac->errstr != NULL ? ac->errstr : "disconnected");
	TAILQ_REMOVE(&q->sent, c, link);
	q->nsent--;
	finish(q, c, reply != NULL ? 0 : q->lost_err, reply);
}

static void fail_refused(struct redisq *q, int err)
{
	struct command_list now = TAILQ_HEAD_INITIALIZER(now);
	struct command *c;

	/* callbacks may refuse new ones: those wait for the next turn */
	TAILQ_CONCAT(&now, &q->refused, link);
	while ((c = TAILQ_FIRST(&now)) != NULL) {
		TAILQ_REMOVE(&now, c, link);
		finish(q, c, err, NULL);
	}
}

static void on_fail(evutil_socket_t fd, short what, void *arg)
{
	struct redisq *q = arg;

	OBJ_CHECK(q, REDISQ_MAGIC);
	(void)fd;
	(void)what;
	fail_refused(q, -EAGAIN);
}

/* Hands the command to hiredis, which copies it; false: hiredis is closing. */
static bool send_command(struct redisq *q, const struct slice *argv, size_t argc, struct command *c)
{
	const char **ptrs = xreallocarray(NULL, argc, sizeof(*ptrs));
	size_t *lens = xreallocarray(NULL, argc, sizeof(*lens));
	int r;

	for (size_t i = 0; i < argc; i++) {
		ptrs[i] = argv[i].ptr;
		lens[i] = argv[i].len;
	}
	r = redisAsyncCommandArgv(q->ac, on_reply, c, (int)argc, ptrs, lens);
	free(ptrs);
	free(lens);
	return r == REDIS_OK;
}

void redisq_command(struct redisq *q, const struct slice *argv, size_t argc, redisq_fn fn,
		    void *arg)
{
	struct command *c = xcalloc(1, sizeof(*c));

	OBJ_CHECK(q, REDISQ_MAGIC);
	ASSERT(argc > 0 && argc <= INT_MAX);
	*c = (struct command){
		.q = q,
		.fn = fn,
		.arg = arg,
		.deadline_ms = clock_mono_ms() + q->timeout_ms,
	};
	if (q->state == UP && q->nsent < q->sent_max && send_command(q, argv, argc, c)) {
		TAILQ_INSERT_TAIL(&q->sent, c, link);
		if (q->nsent++ == 0)
			arm_watchdog(q);
	} else {
		TAILQ_INSERT_TAIL(&q->refused, c, link);
		event_active(q->fail, EV_TIMEOUT, 0);
	}
}

/* ---- where to */

static int bad_url(struct err *e)
{
	/* the URL may hold a password: do not repeat it */
	return err_set(e, -EINVAL,
		       "redis_url must be redis://[[user]:password@]host[:port][/db] "
		       "or unix:///path[?db=N]");
}

static int parse_db(struct slice s, int *ret)
{
	int64_t n;

	if (num_i64(s, 0, 1 << 20, &n) < 0)
		return -EINVAL;
	*ret = (int)n;
	return 0;
}

static int decode_dup(struct slice s, char **ret)
{
	char *text = xmalloc(s.len + 1);

	if (uri_decode(s, false, text) < 0) {
		free(text);
		return -EINVAL;
	}
	free(*ret);
	*ret = text;
	return 0;
}

static int parse_unix(const char *rest, struct target *t)
{
	size_t n = strcspn(rest, "?");

	if (rest[0] != '/' || decode_dup((struct slice){rest, n}, &t->path) < 0)
		return -EINVAL;
	rest += n;
	if (*rest == '\0')
		return 0;
	return strncmp(rest, "?db=", 4) == 0 ? parse_db(slice_of(rest + 4), &t->db) : -EINVAL;
}

/* "[[user]:password@]" in front of *rest. */
static int parse_userinfo(const char **rest, struct target *t)
{
	size_t n = strcspn(*rest, "/");
	const char *at = memrchr(*rest, '@', n);
	const char *colon;

	if (at == NULL)
		return 0;
	colon = memchr(*rest, ':', (size_t)(at - *rest));
	if (colon == NULL ||
	    decode_dup((struct slice){*rest, (size_t)(colon - *rest)}, &t->user) < 0 ||
	    decode_dup((struct slice){colon + 1, (size_t)(at - colon - 1)}, &t->password) < 0)
		return -EINVAL;
	*rest = at + 1;
	return 0;
}

static int parse_tcp(const char *rest, struct target *t)
{
	const char *end;
	int64_t port;

	if (parse_userinfo(&rest, t) < 0)
		return -EINVAL;
	if (*rest == '[') { /* an IPv6 address */
		end = strchr(rest, ']');
		if (end == NULL)
			return -EINVAL;
		t->host = xstrndup(rest + 1, (size_t)(end - rest - 1));
		end++;
	} else {
		end = rest + strcspn(rest, ":/");
		t->host = xstrndup(rest, (size_t)(end - rest));
	}
	if (t->host[0] == '\0')
		return -EINVAL;
	if (*end == ':') {
		size_t n = strcspn(end + 1, "/");

		if (num_i64((struct slice){end + 1, n}, 1, 65535, &port) < 0)
			return -EINVAL;
		t->port = (int)port;
		end += n + 1;
	}
	if (end[0] == '\0' || (end[0] == '/' && end[1] == '\0'))
		return 0;
	return end[0] == '/' ? parse_db(slice_of(end + 1), &t->db) : -EINVAL;
}

/* To numeric addresses: hiredis would resolve a name at every connect, and block the loop. All of
 * them: `localhost` is ::1 first, where a server may not listen. */
static int resolve(struct target *t, struct err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
	char numeric[NI_MAXHOST];
	int r = getaddrinfo(t->host, NULL, &hints, &found);

	if (r != 0)
		return err_set(e, -EHOSTUNREACH, "redis_url: cannot resolve %.200s: %s", t->host,
			       gai_strerror(r));
	for (struct addrinfo *i = found; i != NULL && t->naddresses < ADDRESSES_MAX;
	     i = i->ai_next) {
		r = getnameinfo(i->ai_addr, i->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
				NI_NUMERICHOST);
		if (r == 0)
			t->addresses[t->naddresses++] = xstrdup(numeric);
	}
	freeaddrinfo(found);
	if (t->naddresses == 0)
		return err_set(e, -EHOSTUNREACH, "redis_url: %s", gai_strerror(r));
	return 0;
}

static int parse_url(const char *url, struct target *t, struct err *e)
{
	*t = (struct target){.port = 6379, .user = xstrdup(""), .password = xstrdup("")};
	if (strncmp(url, "unix://", 7) == 0)
		return parse_unix(url + 7, t) < 0 ? bad_url(e) : 0;
	if (strncmp(url, "redis://", 8) != 0 || parse_tcp(url + 8, t) < 0)
		return bad_url(e);
	return resolve(t, e);
}

/* ---- the whole */

static void destroy(struct redisq *q)
{
	struct event *events[] = {q->watchdog, q->retry, q->fail};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	free(q->target.path);
	free(q->target.host);
	for (size_t i = 0; i < q->target.naddresses; i++)
		free(q->target.addresses[i]);
	free(q->target.user);
	free(q->target.password);
	q->magic = 0;
	free(q);
}

int redisq_new(struct event_base *base, const char *url, int pending_max, int64_t timeout_ms,
	       void (*on_state)(void *arg, bool up), void *arg, struct redisq **ret, struct err *e)
{
	struct redisq *q = xcalloc(1, sizeof(*q));
	int r;

	ASSERT(pending_max > 0 && timeout_ms > 0);
	*q = (struct redisq){
		.magic = REDISQ_MAGIC,
		.base = base,
		.sent_max = pending_max,
		.timeout_ms = timeout_ms,
		.backoff = {.base_ms = 50, .cap_ms = 5000},
		.on_state = on_state,
		.arg = arg,
	};
	TAILQ_INIT(&q->sent);
	TAILQ_INIT(&q->refused);
	r = parse_url(url, &q->target, e);
	if (r < 0) {
		destroy(q);
		return r;
	}
	q->watchdog = evtimer_new(base, on_watchdog, q);
	q->retry = evtimer_new(base, on_retry, q);
	q->fail = evtimer_new(base, on_fail, q);
	ASSERT(q->watchdog != NULL && q->retry != NULL && q->fail != NULL);
	arm(q->retry, 0); /* from the loop, so that on_state is never called from in here */
	*ret = q;
	return 0;
}

void redisq_free(struct redisq *q)
{
	if (q == NULL)
		return;
	OBJ_CHECK(q, REDISQ_MAGIC);
	ASSERT(!q->in_callback);
	q->on_state = NULL;
	if (q->ac != NULL)
		drop(q, -ECANCELED, "freed");
	while (!TAILQ_EMPTY(&q->refused))
		fail_refused(q, -ECANCELED);
	destroy(q);
}

bool redisq_up(const struct redisq *q)
{
	return q->state == UP;
}

const char *redisq_reason(const struct redisq *q)
{
	return q->reason;
}
