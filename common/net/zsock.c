/*
 * A ZeroMQ socket on the loop; see zsock.h for the pump rule.
 *
 * ZMQ_FD is an edge: it says "some command waits in the socket's mailbox", and any call on the
 * socket (send, recv, getsockopt) may take that command away without the fd ever firing again. So
 * nothing here trusts the fd alone: pump() reads until ZMQ_EVENTS says empty, whoever called the
 * socket last makes it run again, and a timer closes the remaining race. A pump that used up its
 * budget activates its own event instead of returning, or the rest would wait for the next edge.
 *
 * One context (one I/O thread) serves all sockets of the process; the last socket takes it along.
 */
#include "common/net/zsock.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/stat.h>
#include <zmq.h>

#include "common/base/xalloc.h"

#define ZSOCK_MAGIC   OBJ_MAGIC(0x25)
#define PUMP_BUDGET   256 /* messages a turn, so that a busy peer cannot starve the loop */
#define PUMP_TIMER_MS 500
#define PARTS_MAX     16  /* a message of more parts is dropped: no peer of ours sends one */
#define LINGER_MS     200 /* what zsock_free may wait for unsent messages */
#define RECONNECT_MS  2000

struct zsock {
	unsigned magic;
	void *socket;
	struct event *readable, *timer; /* NULL for sockets that only send */
	zsock_fn on_message;
	void *arg;
	char endpoint[256];
	struct zsock *zap; /* answers libzmq's question who may come in; NULL without CURVE */
	bool (*admits)(void *arg, const char *public_key);
	char sender[ZSOCK_KEY_LEN + 1];
	bool paused;
	bool pumping, dead; /* freed from inside on_message: destroyed when the pump returns */
};

static struct {
	void *handle;
	int users;
} context;

static const int socket_types[] = {
	[ZSOCK_PUSH] = ZMQ_PUSH, [ZSOCK_PULL] = ZMQ_PULL,     [ZSOCK_PUB] = ZMQ_PUB,
	[ZSOCK_SUB] = ZMQ_SUB,   [ZSOCK_ROUTER] = ZMQ_ROUTER, [ZSOCK_REP] = ZMQ_REP,
};

static void *context_get(void)
{
	if (context.users++ == 0)
		context.handle = zmq_ctx_new();
	return context.handle;
}

static void context_put(void)
{
	if (--context.users > 0)
		return;
	while (context.handle != NULL && zmq_ctx_term(context.handle) < 0 && errno == EINTR)
		;
	context.handle = NULL;
}

static bool readable(struct zsock *z)
{
	int events = 0;
	size_t n = sizeof(events);

	while (zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &n) < 0)
		if (errno != EINTR)
			return false;
	return (events & ZMQ_POLLIN) != 0;
}

/* Receives one message whole into msgs; the number of parts, or 0 when there is none. Parts past
 * PARTS_MAX are thrown away but counted. */
static size_t receive(struct zsock *z, zmq_msg_t msgs[PARTS_MAX])
{
	size_t n = 0;
	int more = 1;

	while (more != 0) {
		zmq_msg_t extra, *m = n < PARTS_MAX ? &msgs[n] : &extra;

		(void)zmq_msg_init(m);
		while (zmq_msg_recv(m, z->socket, ZMQ_DONTWAIT) < 0) {
			if (errno == EINTR)
				continue;
			/* a message arrives whole, so this is before the first part */
			(void)zmq_msg_close(m);
			return n;
		}
		more = zmq_msg_more(m);
		if (m == &extra)
			(void)zmq_msg_close(m);
		n++;
	}
	return n;
}

/* The user id is what our answer to libzmq said: the key. */
static void note_sender(struct zsock *z, zmq_msg_t *m)
{
	const char *user = zmq_msg_gets(m, "User-Id");

	(void)snprintf(z->sender, sizeof(z->sender), "%s", user != NULL ? user : "");
}

/* false: there was nothing to read. */
static bool deliver_one(struct zsock *z)
{
	zmq_msg_t msgs[PARTS_MAX];
	struct slice parts[PARTS_MAX];
	size_t n = receive(z, msgs);
	size_t kept = n < PARTS_MAX ? n : PARTS_MAX;

	for (size_t i = 0; i < kept; i++)
		parts[i] = (struct slice){zmq_msg_data(&msgs[i]), zmq_msg_size(&msgs[i])};
	if (n > 0 && z->zap != NULL)
		note_sender(z, &msgs[kept - 1]); /* a ROUTER's first part is its own */
	if (n > 0 && n == kept)
		z->on_message(z->arg, parts, n);
	for (size_t i = 0; i < kept; i++)
		(void)zmq_msg_close(&msgs[i]);
	return n > 0;
}

static void destroy(struct zsock *z)
{
	zsock_free(z->zap);
	if (z->readable != NULL)
		event_free(z->readable);
	if (z->timer != NULL)
		event_free(z->timer);
	if (z->socket != NULL)
		(void)zmq_close(z->socket);
	context_put();
	z->magic = 0;
	free(z);
}

static void pump(struct zsock *z)
{
	int budget = PUMP_BUDGET;

	z->pumping = true;
	while (!z->paused && !z->dead && readable(z)) {
		if (budget-- == 0) {
			event_active(z->readable, EV_READ, 0);
			break;
		}
		if (!deliver_one(z))
			break;
	}
	z->pumping = false;
	if (z->dead)
		destroy(z);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct zsock *z = arg;

	(void)fd;
	(void)what;
	OBJ_CHECK(z, ZSOCK_MAGIC);
	pump(z);
}

static int set_int(struct zsock *z, int option, int value)
{
	return zmq_setsockopt(z->socket, option, &value, sizeof(value));
}

static int set_options(struct zsock *z, const struct zsock_options *o)
{
	int64_t max = o->message_max > 0 ? (int64_t)o->message_max : -1;
	int r = 0;

	r |= set_int(z, ZMQ_SNDHWM, o->send_hwm > 0 ? o->send_hwm : o->hwm);
	r |= set_int(z, ZMQ_RCVHWM, o->hwm);
	r |= set_int(z, ZMQ_LINGER, LINGER_MS);
	r |= set_int(z, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS);
	r |= set_int(z, ZMQ_TCP_KEEPALIVE, 1);
	r |= zmq_setsockopt(z->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max));
	if (o->type == ZSOCK_PUSH) /* nothing is queued for a peer that is not there */
		r |= set_int(z, ZMQ_IMMEDIATE, 1);
	if (o->type == ZSOCK_ROUTER) /* an answer to a peer that left is an error, not silence */
		r |= set_int(z, ZMQ_ROUTER_MANDATORY, 1);
	if (o->type == ZSOCK_SUB && o->subscribe != NULL)
		r |= zmq_setsockopt(z->socket, ZMQ_SUBSCRIBE, o->subscribe, strlen(o->subscribe));
	return r == 0 ? 0 : -errno;
}

static int bind_endpoint(struct zsock *z, const struct zsock_options *o, struct err *e)
{
	size_t n = sizeof(z->endpoint);
	mode_t before = 0;
	int r;

	if (o->ipc_mode != 0) /* there is no moment in which others could connect */
		before = umask(~o->ipc_mode & 0777);
	r = zmq_bind(z->socket, o->endpoint);
	if (o->ipc_mode != 0)
		(void)umask(before);
	if (r < 0 || zmq_getsockopt(z->socket, ZMQ_LAST_ENDPOINT, z->endpoint, &n) < 0)
		return err_set(e, -errno, "cannot bind %s: %s", o->endpoint, zmq_strerror(errno));
	return 0;
}

/* ---- CURVE: libzmq asks over a socket of a fixed name (ZAP, RFC 27) who may come in */

enum {
	ZAP_VERSION,
	ZAP_REQUEST,
	ZAP_DOMAIN,
	ZAP_ADDRESS,
	ZAP_IDENTITY,
	ZAP_MECHANISM,
	ZAP_KEY,
	ZAP_PARTS
};

#define CURVE_KEY_BYTES 32

bool zsock_key_valid(const char *key)
{
	uint8_t bytes[CURVE_KEY_BYTES];

	return strlen(key) == ZSOCK_KEY_LEN && zmq_z85_decode(bytes, key) != NULL;
}

static void on_zap(void *arg, const struct slice *parts, size_t n)
{
	struct zsock *z = arg;
	char key[ZSOCK_KEY_LEN + 1] = "";
	bool in = false;

	if (n == ZAP_PARTS && slice_eq_str(parts[ZAP_MECHANISM], "CURVE") &&
	    parts[ZAP_KEY].len == CURVE_KEY_BYTES)
		in = zmq_z85_encode(key, (const uint8_t *)parts[ZAP_KEY].ptr, CURVE_KEY_BYTES) !=
			     NULL &&
		     z->admits(z->arg, key);
	(void)zsock_send(z->zap,
			 (const struct slice[]){
				 SLICE_LIT("1.0"),
				 n > ZAP_REQUEST ? parts[ZAP_REQUEST] : SLICE_LIT(""),
				 slice_of(in ? "200" : "400"), slice_of(in ? "OK" : "unknown key"),
				 slice_of(in ? key : ""), SLICE_LIT("")},
			 6);
}

static int set_curve(struct zsock *z, struct event_base *base, const struct zsock_options *o,
		     struct err *e)
{
	const struct zsock_options zap = {.type = ZSOCK_REP,
					  .endpoint = "inproc://zeromq.zap.01",
					  .bind = true,
					  .hwm = 1000,
					  .on_message = on_zap,
					  .arg = z};
	int r;

	if (!zmq_has("curve"))
		return err_set(e, -ENOTSUP, "this libzmq is built without CURVE");
	if (!zsock_key_valid(o->curve_secret_key))
		return err_set(e, -EINVAL, "a CURVE key has %d characters of Z85", ZSOCK_KEY_LEN);
	z->admits = o->curve_admits;
	r = zsock_new(base, &zap, &z->zap, e);
	if (r < 0)
		return r;
	if (set_int(z, ZMQ_CURVE_SERVER, 1) < 0 ||
	    zmq_setsockopt(z->socket, ZMQ_CURVE_SECRETKEY, o->curve_secret_key, ZSOCK_KEY_LEN + 1) <
		    0 ||
	    zmq_setsockopt(z->socket, ZMQ_ZAP_DOMAIN, "analytics", strlen("analytics")) < 0)
		return err_set(e, -errno, "cannot set up CURVE: %s", zmq_strerror(errno));
	return 0;
}

/* Each of the endpoints between commas. */
static int connect_endpoints(struct zsock *z, const char *endpoints, struct err *e)
{
	for (const char *p = endpoints;; p++) {
		size_t n = strcspn(p, ",");
		char one[sizeof(z->endpoint)];

		if (n == 0 || n >= sizeof(one))
			return err_set(e, -EINVAL, "not a list of endpoints: \"%.100s\"",
				       endpoints);
		memcpy(one, p, n);
		one[n] = '\0';
		if (zmq_connect(z->socket, one) < 0)
			return err_set(e, -errno, "cannot connect to %s: %s", one,
				       zmq_strerror(errno));
		p += n;
		if (*p == '\0')
			return 0;
	}
}

static int watch(struct zsock *z, struct event_base *base, struct err *e)
{
	const struct timeval period = {0, PUMP_TIMER_MS * 1000};
	size_t n = sizeof(int);
	int fd;

	if (zmq_getsockopt(z->socket, ZMQ_FD, &fd, &n) < 0)
		return err_set(e, -errno, "no descriptor to watch: %s", zmq_strerror(errno));
	z->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_event, z);
	z->timer = event_new(base, -1, EV_PERSIST, on_event, z);
	if (z->readable == NULL || z->timer == NULL || event_add(z->readable, NULL) < 0 ||
	    event_add(z->timer, &period) < 0)
		return err_set(e, -ENOMEM, "cannot watch the socket");
	/* what arrived before the event existed has used up its edge */
	event_active(z->readable, EV_READ, 0);
	return 0;
}

int zsock_new(struct event_base *base, const struct zsock_options *o, struct zsock **ret,
	      struct err *e)
{
	struct zsock *z = xcalloc(1, sizeof(*z));
	int r;

	z->magic = ZSOCK_MAGIC;
	z->on_message = o->on_message;
	z->arg = o->arg;
	z->socket = zmq_socket(context_get(), socket_types[o->type]);
	if (z->socket == NULL) {
		r = err_set(e, -errno, "no ZeroMQ socket: %s", zmq_strerror(errno));
		goto out;
	}
	r = set_options(z, o);
	if (r < 0) {
		err_set(e, r, "cannot set ZeroMQ options: %s", zmq_strerror(-r));
		goto out;
	}
	if (o->curve_secret_key != NULL)
		r = set_curve(z, base, o, e);
	if (r == 0)
		r = o->bind ? bind_endpoint(z, o, e) : connect_endpoints(z, o->endpoint, e);
	if (r == 0 && o->on_message != NULL)
		r = watch(z, base, e);
out:
	if (r < 0) {
		destroy(z);
		return r;
	}
	*ret = z;
	return 0;
}

void zsock_free(struct zsock *z)
{
	if (z == NULL)
		return;
	OBJ_CHECK(z, ZSOCK_MAGIC);
	if (z->pumping)
		z->dead = true;
	else
		destroy(z);
}

bool zsock_send(struct zsock *z, const struct slice *parts, size_t n)
{
	size_t i;

	OBJ_CHECK(z, ZSOCK_MAGIC);
	ASSERT(n > 0);
	for (i = 0; i < n; i++) {
		int flags = ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0);

		while (zmq_send(z->socket, parts[i].ptr, parts[i].len, flags) < 0)
			if (errno != EINTR)
				goto out;
	}
out:
	/* the send may have swallowed the edge of a message that came in meanwhile */
	if (z->readable != NULL && !z->paused && readable(z))
		event_active(z->readable, EV_READ, 0);
	return i == n;
}

void zsock_pause(struct zsock *z, bool paused)
{
	OBJ_CHECK(z, ZSOCK_MAGIC);
	ASSERT(z->readable != NULL);
	if (z->paused == paused)
		return;
	z->paused = paused;
	if (paused) {
		(void)event_del(z->readable);
	} else {
		(void)event_add(z->readable, NULL);
		event_active(z->readable, EV_READ, 0);
	}
}

const char *zsock_sender(const struct zsock *z)
{
	return z->sender;
}

const char *zsock_endpoint(const struct zsock *z)
{
	return z->endpoint;
}
