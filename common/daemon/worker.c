/* One of several serving processes; see worker.h. */
#include "common/daemon/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"

#define WORKER_MAGIC OBJ_MAGIC(0x90)
#define ASK_MAGIC    OBJ_MAGIC(0x91)
#define ASK_LIMIT_S  5
#define TEXT_MAX     ((off_t)16 << 20)

/* A question for everybody's metrics. */
struct ask {
	unsigned magic;
	TAILQ_ENTRY(ask) link;
	struct worker *worker;
	uint32_t serial;
	struct slice texts[WORKERS_MAX]; /* of the heap */
	size_t n;
	struct event *limit;
	worker_metrics_fn fn;
	void *arg;
};

struct worker {
	unsigned magic;
	struct event_base *base;
	struct worker_options o;
	struct event *readable;
	TAILQ_HEAD(, ask) asks;
	uint32_t serial;
};

/* ---- messages */

int worker_send(int channel, const struct worker_message *m, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.bytes = {0}};
	struct worker_message copy = *m;
	struct iovec v = {&copy, sizeof(copy)};
	struct msghdr message = {.msg_iov = &v, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c = &control.align;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int worker_receive(int channel, struct worker_message *ret, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct worker_message m;
	struct iovec v = {&m, sizeof(m)};
	struct msghdr message = {.msg_iov = &v,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	const struct cmsghdr *c;
	ssize_t n = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_fd = -1;
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	c = CMSG_FIRSTHDR(&message);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	if (n == 0)
		return 0;
	ASSERT(n == (ssize_t)sizeof(m));
	*ret = m;
	return 1;
}

/* The supervisor reads all the time; when it cannot, it is about to end or to start us anew. */
static void say(struct worker *w, const struct worker_message *m, int fd)
{
	(void)!worker_send(w->o.fd, m, fd);
}

/* ---- metrics of all */

static void end_ask(struct ask *a, bool complete)
{
	TAILQ_REMOVE(&a->worker->asks, a, link);
	event_free(a->limit);
	a->fn(a->arg, complete ? a->texts : NULL, complete ? a->n : 0);
	for (size_t i = 0; i < a->n; i++)
		free((void *)(uintptr_t)a->texts[i].ptr);
	a->magic = 0;
	free(a);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct ask *a = arg;

	OBJ_CHECK(a, ASK_MAGIC);
	(void)fd;
	(void)what;
	end_ask(a, false);
}

void worker_ask_metrics(struct worker *w, worker_metrics_fn fn, void *arg)
{
	const struct timeval limit = {ASK_LIMIT_S, 0};
	struct ask *a = xcalloc(1, sizeof(*a));

	OBJ_CHECK(w, WORKER_MAGIC);
	a->magic = ASK_MAGIC;
	a->worker = w;
	a->serial = ++w->serial;
	a->fn = fn;
	a->arg = arg;
	a->limit = evtimer_new(w->base, on_limit, a);
	ASSERT(a->limit != NULL);
	(void)event_add(a->limit, &limit);
	TAILQ_INSERT_TAIL(&w->asks, a, link);
	say(w, &(struct worker_message){.kind = WORKER_ASK, .serial = a->serial}, -1);
}

/* Our metrics, for another worker: a file of memory, whatever their size. */
static void tell_metrics(struct worker *w, const struct worker_message *question)
{
	struct worker_message m = *question;
	struct strbuf text = STRBUF_INIT;
	int fd = memfd_create("metrics", MFD_CLOEXEC);
	size_t at = 0;

	metrics_write(&text);
	while (fd >= 0 && at < text.len) {
		ssize_t n = write(fd, text.ptr + at, text.len - at);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	if (fd >= 0 && at == text.len) { /* else the asker hears nothing, and says so */
		m.kind = WORKER_METRICS;
		say(w, &m, fd);
	}
	if (fd >= 0)
		(void)close(fd);
	strbuf_clear(&text);
}

static void take_metrics(struct worker *w, const struct worker_message *m, int fd)
{
	struct ask *a;
	off_t size = lseek(fd, 0, SEEK_END);
	char *text;

	TAILQ_FOREACH (a, &w->asks, link)
		if (a->serial == m->serial)
			break;
	if (a == NULL || size < 0 || size > TEXT_MAX || a->n == WORKERS_MAX)
		return;
	text = xmalloc((size_t)size + 1);
	if (pread(fd, text, (size_t)size, 0) != (ssize_t)size) {
		free(text);
		return;
	}
	a->texts[a->n++] = (struct slice){text, (size_t)size};
	if (a->n >= (size_t)m->count)
		end_ask(a, true);
}

/* ---- the channel */

static void take(struct worker *w, const struct worker_message *m, int fd)
{
	switch ((enum worker_message_kind)m->kind) {
	case WORKER_SERVING:
		w->o.on_serving(w->o.arg, m->count);
		break;
	case WORKER_PING:
		say(w, &(struct worker_message){.kind = WORKER_ALIVE}, -1);
		break;
	case WORKER_TELL:
		tell_metrics(w, m);
		break;
	case WORKER_TOLD:
		if (fd >= 0)
			take_metrics(w, m, fd);
		break;
	case WORKER_STATE:
	case WORKER_ALIVE:
	case WORKER_ASK:
	case WORKER_METRICS:
		ASSERT(!"a message to the supervisor");
	}
}

static void on_readable(evutil_socket_t channel, short what, void *arg)
{
	struct worker *w = arg;
	struct worker_message m;
	int fd, r;

	OBJ_CHECK(w, WORKER_MAGIC);
	(void)what;
	r = worker_receive(channel, &m, &fd);
	if (r == 1)
		take(w, &m, fd);
	if (fd >= 0)
		(void)close(fd);
	if (r == 0) {
		(void)event_del(w->readable);
		w->o.on_orphaned(w->o.arg);
	}
}

struct worker *worker_new(struct event_base *base, const struct worker_options *o)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->magic = WORKER_MAGIC;
	w->base = base;
	w->o = *o;
	TAILQ_INIT(&w->asks);
	w->readable = event_new(base, o->fd, EV_READ | EV_PERSIST, on_readable, w);
	ASSERT(w->readable != NULL);
	(void)event_add(w->readable, NULL);
	return w;
}

void worker_free(struct worker *w)
{
	struct ask *a;

	if (w == NULL)
		return;
	while ((a = TAILQ_FIRST(&w->asks)) != NULL)
		end_ask(a, false);
	event_free(w->readable);
	(void)close(w->o.fd);
	w->magic = 0;
	free(w);
}

void worker_tell(struct worker *w, bool listening, bool ready)
{
	OBJ_CHECK(w, WORKER_MAGIC);
	say(w,
	    &(struct worker_message){.kind = WORKER_STATE, .listening = listening, .ready = ready},
	    -1);
}
