/*
 * L2: asks the server to cancel a running statement. libpq 15 can only do that blocking (PQcancel),
 * so the request is a statement of its own on a second connection of the same role, which may
 * cancel its own backends. Bounded: few requests at a time, each of them a few seconds long, and
 * the statements that nobody wants any more wait for their turn, however many clients left at once.
 * One that is given up at its deadline cannot wait; statement_timeout is the backstop.
 *
 * Two races are closed by whoever waits for the end of a request: a connection does not start its
 * next op before (else that would be cancelled), and one that was given up at its deadline is not
 * closed before (else the process id might by then belong to an innocent backend).
 */
#include "common/pg/pgconn_priv.h"

#include <errno.h>

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "sql_gen.h"

#define PGCANCEL_MAX        8
#define PGCANCEL_TIMEOUT_MS 5000

struct pgcancel {
	unsigned magic;
	struct event_base *base;
	struct pgconn *owner; /* told of the end; NULL once it gave up its connection */
	PGconn *parked;       /* which is then here */
	struct pgconn *conn;  /* the one that asks */
	char pid[16];
	LIST_ENTRY(pgcancel) link;
};

#define PGCANCEL_MAGIC OBJ_MAGIC(0x51)

/* All requests under way: nobody owns one whose connection was given up. */
static LIST_HEAD(pgcancel_list, pgcancel) requests = LIST_HEAD_INITIALIZER(requests);
static int nrequests;

static TAILQ_HEAD(, pgconn) waiting = TAILQ_HEAD_INITIALIZER(waiting); /* in order */

static void request_free(struct pgcancel *k)
{
	OBJ_CHECK(k, PGCANCEL_MAGIC);
	LIST_REMOVE(k, link);
	nrequests--;
	pgconn_close(k->conn);
	PQfinish(k->parked);
	k->magic = 0;
	free(k);
}

void pgcancel_forget(struct pgconn *c)
{
	if (!c->cancel_waits)
		return;
	TAILQ_REMOVE(&waiting, c, cancel_link);
	c->cancel_waits = false;
}

void pgcancel_queue(struct pgconn *c)
{
	if (c->cancel_waits)
		return;
	c->cancel = pgcancel_start(c);
	if (c->cancel != NULL)
		return;
	TAILQ_INSERT_TAIL(&waiting, c, cancel_link);
	c->cancel_waits = true;
}

void pgcancel_free(struct pgcancel *k)
{
	struct pgconn *c;

	request_free(k);
	c = nrequests < PGCANCEL_MAX ? TAILQ_FIRST(&waiting) : NULL;
	if (c == NULL)
		return;
	pgcancel_forget(c);
	pgcancel_queue(c);
}

void pgcancel_free_all(const struct event_base *base)
{
	struct pgcancel *k, *next;

	for (k = LIST_FIRST(&requests); k != NULL; k = next) {
		next = LIST_NEXT(k, link);
		if (k->base != base)
			continue;
		if (k->owner != NULL)
			k->owner->cancel = NULL;
		request_free(k);
	}
}

static void cancel_end(struct pgcancel *k, const struct err *e)
{
	struct pgconn *owner = k->owner;

	OBJ_CHECK(k, PGCANCEL_MAGIC);
	if (e != NULL)
		log_debug("cancel request failed", LOG_S("error", e->msg));
	pgcancel_free(k);
	if (owner != NULL)
		pgconn_cancel_ended(owner, e == NULL);
}

static void on_asked(void *arg, const struct pgresult *r, const struct err *e)
{
	struct pgcancel *k = arg;

	(void)r;                                /* false: that backend has gone already */
	if (e == NULL || e->code != -ECANCELED) /* told by the close in pgcancel_free */
		cancel_end(k, e);
}

static void on_open(void *arg, const struct pgresult *r, const struct err *e)
{
	struct pgcancel *k = arg;
	const char *params[] = {k->pid};

	if (e != NULL)
		on_asked(k, r, e);
	else
		pgconn_exec(k->conn, &SQL_common_cancel_backend, params, PGCANCEL_TIMEOUT_MS,
			    on_asked, k);
}

/* The same server of a list of hosts, by address: no name is looked up again. */
static const char *same_server(const PGconn *pg, const char *keyword, const char *value)
{
	if (strcmp(keyword, "host") == 0)
		return PQhost(pg);
	if (strcmp(keyword, "hostaddr") == 0)
		return PQhostaddr(pg);
	if (strcmp(keyword, "port") == 0)
		return PQport(pg);
	return value;
}

struct pgcancel *pgcancel_start(struct pgconn *c)
{
	PQconninfoOption *options;
	const char **keywords, **values;
	struct pgcancel *k;
	size_t n = 0;

	if (nrequests >= PGCANCEL_MAX)
		return NULL;
	options = PQconninfo(c->pg);
	if (options == NULL)
		return NULL;
	while (options[n].keyword != NULL)
		n++;
	keywords = xcalloc(n + 1, sizeof(*keywords));
	values = xcalloc(n + 1, sizeof(*values));
	for (size_t i = 0; i < n; i++) {
		keywords[i] = options[i].keyword;
		values[i] = same_server(c->pg, options[i].keyword, options[i].val);
	}
	k = xcalloc(1, sizeof(*k));
	k->magic = PGCANCEL_MAGIC;
	k->base = c->base;
	k->owner = c;
	(void)snprintf(k->pid, sizeof(k->pid), "%d", PQbackendPID(c->pg));
	LIST_INSERT_HEAD(&requests, k, link);
	nrequests++;
	k->conn = pgconn_open_params(c->base, keywords, values, PGCANCEL_TIMEOUT_MS, on_open, k);
	free(keywords);
	free(values);
	PQconninfoFree(options);
	return k;
}

void pgcancel_park(struct pgcancel *k, PGconn *pg)
{
	OBJ_CHECK(k, PGCANCEL_MAGIC);
	k->owner = NULL;
	k->parked = pg;
}
