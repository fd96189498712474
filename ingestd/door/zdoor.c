/* Events over ZeroMQ; see zdoor.h. */
#include "ingestd/door/zdoor.h"

#include <errno.h>

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "common/http/problem.h"
#include "common/net/zsock.h"
#include "ingestd/door/peers.h"
#include "ingestd/door/zframes.h"

#define ZDOOR_MAGIC OBJ_MAGIC('z')
#define MESSAGE_MAX ((size_t)32 << 20)
#define WAITING_MAX 16   /* messages of a client that wait to be read */
#define OPEN_MAX    4096 /* messages without answer, of all clients */
#define RETRY_MS    50   /* how often a closed door is tried; an answer that leaves tries it too */
#define IPC_MODE    0660

struct zdoor {
	unsigned magic;
	struct intake *intake;
	struct zsock *socket;
	struct peers *peers; /* NULL: everybody who can connect may send everything */
	struct daemon_timer *retry;
	size_t open;
	bool draining;
	void (*on_idle)(void *arg);
	void *idle_arg;
	struct metric *unanswered;
};

/* One message that was read: where its answer goes. */
struct request {
	struct zdoor *door;
	size_t nparts;
	struct slice parts[ZFRAMES_ADDRESS_MAX]; /* in the same allocation */
};

static void try_reading(void *arg)
{
	struct zdoor *z = arg;

	OBJ_CHECK(z, ZDOOR_MAGIC);
	if (!z->draining && z->open < OPEN_MAX && intake_door(z->intake, 0) == BATCHER_OPEN)
		zsock_pause(z->socket, false);
	else
		zsock_pause(z->socket, true);
}

static void tell_idle(struct zdoor *z)
{
	void (*on_idle)(void *arg) = z->on_idle;

	if (!z->draining || z->open > 0 || on_idle == NULL)
		return;
	z->on_idle = NULL;
	on_idle(z->idle_arg);
}

/* ---- answers */

static void send_answer(struct zdoor *z, const struct slice *address, size_t n, struct strbuf *body)
{
	struct slice parts[ZFRAMES_ADDRESS_MAX + 1];

	memcpy(parts, address, n * sizeof(*parts));
	parts[n] = strbuf_slice(body);
	if (!zsock_send(z->socket, parts, n + 1)) /* the client is gone, or does not read */
		metric_add(z->unanswered, 1);
	strbuf_clear(body);
}

static void send_problem(struct zdoor *z, const struct slice *address, size_t n,
			 enum problem_code code, const char *detail)
{
	struct strbuf body = STRBUF_INIT;

	problem_write(&(struct problem){.code = code, .detail = detail}, &body);
	send_answer(z, address, n, &body);
}

static void on_settled(void *arg, const struct submission *s)
{
	struct request *q = arg;
	struct zdoor *z = q->door;
	struct strbuf body = STRBUF_INIT;

	OBJ_CHECK(z, ZDOOR_MAGIC);
	if (s->refusal.by != LIMIT_NONE) {
		send_problem(
			z, q->parts, q->nparts, PROBLEM_RATE_LIMITED,
			s->refusal.by == LIMIT_RATE
				? "The tenant sends more events than its rate allows; nothing "
				  "was accepted, send again later."
				: "Too many events of the tenant wait for their commit; nothing "
				  "was accepted, send again later.");
	} else if (s->failed) {
		send_problem(z, q->parts, q->nparts, PROBLEM_UNAVAILABLE,
			     "The events could not be made durable; send them all again, what had "
			     "landed already will count as duplicate.");
	} else {
		submission_write(s, &body);
		send_answer(z, q->parts, q->nparts, &body);
	}
	free(q);
	z->open--;
	try_reading(z);
	tell_idle(z);
}

/* ---- messages */

static struct request *request_new(struct zdoor *z, const struct slice *address, size_t n)
{
	struct request *q;
	size_t len = 0;
	char *copy;

	for (size_t i = 0; i < n; i++)
		len += address[i].len;
	q = xcalloc(1, sizeof(*q) + len);
	q->door = z;
	q->nparts = n;
	copy = (char *)(q + 1);
	for (size_t i = 0; i < n; i++) {
		q->parts[i] = (struct slice){copy, address[i].len};
		if (address[i].len > 0)
			memcpy(copy, address[i].ptr, address[i].len);
		copy += address[i].len;
	}
	return q;
}

static const struct caller_tenants *sender_tenants(const struct zdoor *z)
{
	static const struct caller_tenants all;

	return z->peers == NULL ? &all : peers_find(z->peers, zsock_sender(z->socket));
}

static void take(struct zdoor *z, const struct slice *address, size_t n, struct slice body)
{
	const struct caller_tenants *tenants = sender_tenants(z);
	struct request *q;
	struct intake_refusal why;

	if (tenants == NULL) {
		send_problem(z, address, n, PROBLEM_PERMISSION_DENIED, "This key may not send.");
		return;
	}
	q = request_new(z, address, n);
	z->open++;
	if (intake_message(z->intake, body, tenants, on_settled, q, &why) == 0)
		return; /* q may be gone */
	z->open--;
	free(q);
	send_problem(z, address, n,
		     why.forbidden ? PROBLEM_PERMISSION_DENIED : PROBLEM_VALIDATION_FAILED,
		     why.detail);
}

static void on_message(void *arg, const struct slice *parts, size_t n)
{
	struct zdoor *z = arg;
	struct slice body;
	size_t address;
	const char *wrong = zframes_split(parts, n, &address, &body);

	OBJ_CHECK(z, ZDOOR_MAGIC);
	if (wrong != NULL)
		send_problem(z, parts, address, PROBLEM_VALIDATION_FAILED, wrong);
	else
		take(z, parts, address, body);
	try_reading(z);
}

/* ---- life */

static bool admits(void *arg, const char *public_key)
{
	const struct zdoor *z = arg;

	if (peers_find(z->peers, public_key) != NULL)
		return true;
	log_warn("unknown key at the ZeroMQ door", LOG_S("public_key", public_key));
	return false;
}

static int open_socket(struct zdoor *z, struct event_base *base, const struct ingestd_config *conf,
		       struct err *e)
{
	bool ipc = strncmp(conf->events_listen, "ipc://", 6) == 0;
	struct zsock_options o = {.type = ZSOCK_ROUTER,
				  .endpoint = conf->events_listen,
				  .bind = true,
				  .hwm = WAITING_MAX,
				  .send_hwm = OPEN_MAX,
				  .message_max = MESSAGE_MAX,
				  .on_message = on_message,
				  .arg = z,
				  .ipc_mode = ipc ? IPC_MODE : 0};
	int r;

	if (!ipc && strncmp(conf->events_listen, "tcp://", 6) != 0)
		return err_set(e, -EINVAL, "events_listen must be ipc:// or tcp://");
	if (!ipc) {
		if (conf->events_secret_key_file[0] == '\0' || conf->events_clients_file[0] == '\0')
			return err_set(e, -EINVAL,
				       "events_listen is tcp://: that needs CURVE, so set "
				       "events_secret_key_file and events_clients_file");
		r = peers_parse(conf->events_clients_file, &z->peers, e);
		if (r < 0)
			return err_wrap(e, r, "events_clients_file");
		o.curve_secret_key = conf->events_secret_key_file;
		o.curve_admits = admits;
	}
	r = zsock_new(base, &o, &z->socket, e);
	return r < 0 ? err_wrap(e, r, "events_listen") : 0;
}

int zdoor_open(struct daemon *d, const struct ingestd_config *conf, struct intake *intake,
	       struct zdoor **ret, struct err *e)
{
	struct zdoor *z;
	int r;

	if (conf->events_listen[0] == '\0')
		return 0;
	z = xcalloc(1, sizeof(*z));
	z->magic = ZDOOR_MAGIC;
	z->intake = intake;
	z->unanswered = metrics_counter(
		"ingest_zmq_unanswered_total",
		"ZeroMQ clients that were gone when their answer was ready");
	*ret = z;
	r = open_socket(z, daemon_base(d), conf, e);
	if (r < 0)
		return r;
	log_info("events taken over zeromq", LOG_S("endpoint", zsock_endpoint(z->socket)));
	zsock_pause(z->socket, true); /* until the first try */
	z->retry = daemon_timer_new(d, RETRY_MS, RETRY_MS, try_reading, z);
	return 0;
}

void zdoor_free(struct zdoor *z)
{
	if (z == NULL)
		return;
	OBJ_CHECK(z, ZDOOR_MAGIC);
	ASSERT(z->open == 0);
	daemon_timer_free(z->retry);
	zsock_free(z->socket);
	peers_free(z->peers);
	z->magic = 0;
	free(z);
}

void zdoor_look(struct zdoor *z)
{
	if (z != NULL)
		try_reading(z);
}

void zdoor_drain(struct zdoor *z, void (*on_idle)(void *arg), void *arg)
{
	if (z == NULL) {
		on_idle(arg);
		return;
	}
	z->draining = true;
	z->on_idle = on_idle;
	z->idle_arg = arg;
	try_reading(z);
	tell_idle(z);
}
