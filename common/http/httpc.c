/*
 * libcurl on libevent; see httpc.h. curl asks for three things: watch a socket (on_want_socket),
 * have one timer (on_want_timer), and be called when either fires (advance). Finished exchanges are
 * taken out after curl returned, never inside one of its callbacks, so that a callback of ours may
 * do anything, freeing the client included: that is done when the last of them returned.
 *
 * Every wait for a socket is deleted and assigned anew when curl changes it: curl may reuse an fd's
 * number for another socket, which epoll would not notice.
 */
#include "common/http/httpc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "common/base/strbuf.h"
#include "common/base/xalloc.h"

#define HTTPC_MAGIC OBJ_MAGIC(0x2c)
#define HEADERS_MAX ((size_t)32 * 1024) /* of an answer, all together */

struct call {
	TAILQ_ENTRY(call) link;
	CURL *easy;
	struct curl_slist *headers;
	struct strbuf body;
	size_t header_bytes;
	httpc_fn fn;
	void *arg;
	char reason[CURL_ERROR_SIZE];
};

struct watch { /* one socket of curl's */
	LIST_ENTRY(watch) link;
	struct event *event;
};

struct httpc {
	unsigned magic;
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	TAILQ_HEAD(, call) calls;
	LIST_HEAD(, watch) watches;
	int pending;
	bool delivering, dead; /* freed by a callback: destroyed when it has returned */
};

static int users; /* of libcurl's global state */

/* ---- curl and the loop */

static void call_free(struct call *c)
{
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	strbuf_clear(&c->body);
	free(c);
}

/* Takes c out and tells its owner; `code` is curl's verdict unless e is given. */
static void finish(struct httpc *h, struct call *c, CURLcode code, const struct err *e)
{
	struct httpc_answer a = {.body = strbuf_slice(&c->body), .handle = c->easy};
	struct err why = ERR_INIT;
	long status = 0;

	(void)curl_multi_remove_handle(h->multi, c->easy); /* fails only for a handle not in it */
	TAILQ_REMOVE(&h->calls, c, link);
	h->pending--;
	if (e == NULL && code != CURLE_OK) {
		bool too_long = c->body.overflow || code == CURLE_FILESIZE_EXCEEDED;

		(void)err_set(&why,
			      too_long                           ? -EMSGSIZE
			      : code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT
								 : -EIO,
			      "%s",
			      too_long               ? "the answer is too long"
			      : c->reason[0] != '\0' ? c->reason
						     : curl_easy_strerror(code));
		e = &why;
	}
	if (curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
		a.status = (int)status;
	c->fn(c->arg, e == NULL ? &a : NULL, e);
	call_free(c);
}

static void destroy(struct httpc *h)
{
	struct watch *w;

	(void)curl_multi_cleanup(h->multi); /* may call on_want_socket */
	while ((w = LIST_FIRST(&h->watches)) != NULL) {
		LIST_REMOVE(w, link);
		event_free(w->event);
		free(w);
	}
	event_free(h->timer);
	h->magic = 0;
	free(h);
	if (--users == 0)
		curl_global_cleanup();
}

/* Lets curl work on what happened, then hands out what is done. */
static void advance(struct httpc *h, curl_socket_t fd, int events)
{
	CURLMsg *m;
	int left;

	(void)curl_multi_socket_action(h->multi, fd, events, &left); /* only misuse can fail */
	h->delivering = true;
	while (!h->dead && (m = curl_multi_info_read(h->multi, &left)) != NULL) {
		CURLcode code = m->data.result;
		char *call = NULL;

		if (m->msg == CURLMSG_DONE &&
		    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK)
			finish(h, (struct call *)(void *)call, code, NULL);
	}
	h->delivering = false;
	if (h->dead)
		destroy(h);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct httpc *h = arg;

	OBJ_CHECK(h, HTTPC_MAGIC);
	advance(h, fd,
		((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
			((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct httpc *h = arg;

	(void)fd;
	(void)what;
	OBJ_CHECK(h, HTTPC_MAGIC);
	advance(h, CURL_SOCKET_TIMEOUT, 0);
}

static int on_want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct httpc *h = arg;
	struct watch *w = socket_arg;
	short events = EV_PERSIST;

	(void)easy;
	if (w != NULL)
		event_free(w->event);
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			LIST_REMOVE(w, link);
		free(w);
		return 0;
	}
	if (w == NULL) {
		w = xmalloc(sizeof(*w));
		LIST_INSERT_HEAD(&h->watches, w, link);
		(void)curl_multi_assign(h->multi, fd, w); /* fails only for a socket not its own */
	}
	events |= (what & CURL_POLL_IN) != 0 ? EV_READ : 0;
	events |= (what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0;
	w->event = event_new(h->base, fd, events, on_socket, h);
	ASSERT(w->event != NULL && event_add(w->event, NULL) == 0);
	return 0;
}

static int on_want_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct httpc *h = arg;
	struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};

	(void)multi;
	return timeout_ms < 0 ? event_del(h->timer) : event_add(h->timer, &tv);
}

struct httpc *httpc_new(struct event_base *base)
{
	struct httpc *h = xcalloc(1, sizeof(*h));
	int bad = users++ == 0 ? curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK : 0;

	h->magic = HTTPC_MAGIC;
	h->base = base;
	TAILQ_INIT(&h->calls);
	LIST_INIT(&h->watches);
	h->timer = event_new(base, -1, 0, on_timer, h);
	h->multi = curl_multi_init();
	ASSERT(!bad && h->timer != NULL && h->multi != NULL); /* only without memory */
	bad |= (int)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_want_socket);
	bad |= (int)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	bad |= (int)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_want_timer);
	bad |= (int)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	ASSERT(!bad);
	return h;
}

void httpc_free(struct httpc *h)
{
	struct err e = ERR_INIT;
	struct call *c, *next;

	if (h == NULL || h->dead)
		return;
	(void)err_set(&e, -ECANCELED, "the client was shut down");
	h->dead = true; /* so that no callback changes the list */
	for (c = TAILQ_FIRST(&h->calls); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		finish(h, c, CURLE_OK, &e);
	}
	if (!h->delivering)
		destroy(h);
}

/* ---- one exchange */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	strbuf_append(&c->body, p, size * n);
	return c->body.overflow ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	(void)p;
	c->header_bytes += size * n;
	return c->header_bytes > HEADERS_MAX ? 0 : size * n;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)arg;
	(void)purpose;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool is_loopback(const char *host)
{
	struct in_addr a;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127);
}

static int check_url(const char *url, bool plain_http, struct err *e)
{
	char *scheme = NULL, *host = NULL, *user = NULL;
	CURLU *u = curl_url();
	int r = 0;

	if (u == NULL || curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		r = err_set(e, -EINVAL, "not a URL of a web server: %s", url);
	else if (curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK)
		r = err_set(e, -EINVAL, "a URL must not contain credentials");
	else if (strcmp(scheme, "https") != 0 &&
		 (strcmp(scheme, "http") != 0 || !(plain_http || is_loopback(host))))
		r = err_set(e, -EINVAL, "only https, or http to this machine, is allowed: %s", url);
	curl_free(user);
	curl_free(host);
	curl_free(scheme);
	curl_url_cleanup(u);
	return r;
}

static void add_header(struct call *c, const char *line)
{
	struct curl_slist *grown = curl_slist_append(c->headers, line);

	ASSERT(grown != NULL); /* no memory */
	c->headers = grown;
}

/* All options of an exchange; false: curl was built without one that we depend on. */
static bool set_options(struct call *c, const struct httpc_request *q)
{
	int bad = 0;

#define SET(option, value) (bad |= (int)curl_easy_setopt(c->easy, CURLOPT_##option, (value)))
	SET(URL, q->url);
	SET(PROTOCOLS_STR, "http,https");
	SET(FOLLOWLOCATION, 0L);
	SET(PROXY, "");
	SET(NOSIGNAL, 1L);
	SET(QUICK_EXIT, 1L); /* or a time-out while resolving waits for the resolver's thread */
	SET(TIMEOUT_MS, (long)q->timeout_ms);
	SET(MAXFILESIZE_LARGE, (curl_off_t)q->answer_max);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, c);
	SET(HEADERFUNCTION, on_header);
	SET(HEADERDATA, c);
	SET(OPENSOCKETFUNCTION, on_open_socket);
	SET(ERRORBUFFER, c->reason);
	SET(PRIVATE, c);
	SET(USERAGENT, "analytics-service");
	SET(HTTPHEADER, c->headers);
	if (q->body != NULL) {
		SET(POSTFIELDSIZE_LARGE, (curl_off_t)q->body->len);
		SET(COPYPOSTFIELDS, q->body->len != 0 ? q->body->ptr : "");
	}
#undef SET
	return bad == 0;
}

int httpc_submit(struct httpc *h, const struct httpc_request *q, httpc_fn fn, void *arg,
		 struct err *e)
{
	struct call *c;
	int r = check_url(q->url, q->plain_http, e);

	if (r < 0)
		return r;
	ASSERT(q->timeout_ms > 0); /* 0 would be for ever */
	if (h->dead || h->pending == HTTPC_PENDING_MAX)
		return err_set(e, -EAGAIN, "%d exchanges are under way", h->pending);
	c = xcalloc(1, sizeof(*c));
	c->fn = fn;
	c->arg = arg;
	c->easy = curl_easy_init();
	ASSERT(c->easy != NULL); /* no memory */
	strbuf_init(&c->body, q->answer_max);
	for (size_t i = 0; q->headers != NULL && q->headers[i] != NULL; i++)
		add_header(c, q->headers[i]);
	if (q->body != NULL)
		add_header(c, "Expect:"); /* no round trip to ask for leave */
	if (!set_options(c, q) || curl_multi_add_handle(h->multi, c->easy) != CURLM_OK) {
		call_free(c);
		return err_set(e, -EIO, "libcurl refused the exchange with %s", q->url);
	}
	TAILQ_INSERT_TAIL(&h->calls, c, link);
	h->pending++;
	return 0;
}

const char *httpc_header(const struct httpc_answer *a, const char *name)
{
	struct curl_header *header;
	CURL *easy = (CURL *)(uintptr_t)a->handle;

	/* the last of several with that name; -1: of the last answer on the connection */
	if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return NULL;
	if (header->amount > 1 && curl_easy_header(easy, name, header->amount - 1, CURLH_HEADER, -1,
						   &header) != CURLHE_OK)
		return NULL;
	return header->value;
}
