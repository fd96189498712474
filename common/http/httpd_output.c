/*
 * What leaves a connection of the HTTP server; see httpd_conn.h. It is written at once, from where
 * its parts lie; what the socket does not take is kept and goes on when it does.
 */
#include "common/http/httpd_conn_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"

/* What has arrived is thrown away before the end: closing with unread bytes resets the connection,
 * and the answer with it. */
static void end_behind_answer(struct httpd_conn *c)
{
	char rest[4096]; /* not the scratch: another connection's input may lie there */
	int reads = 16;

	(void)shutdown(c->fd, SHUT_WR);
	while (reads-- > 0 && recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
	httpd_conn_end(c);
}

static void answer_left(struct httpd_conn *c)
{
	free(c->out);
	c->out = NULL;
	c->out_left = 0;
	if (c->last) {
		end_behind_answer(c);
		return;
	}
	c->busy = c->watched = false;
	httpd_conn_set_received(c, c->in.len);
	httpd_conn_expect(c);
	httpd_conn_read_on(c, true);
	if (c->in.len > 0 || c->eof || c->cs->draining)
		httpd_conn_look_again(c);
}

static void wait_to_write(struct httpd_conn *c)
{
	const struct timeval limit = {c->cs->limits.idle_timeout_ms / 1000,
				      c->cs->limits.idle_timeout_ms % 1000 * 1000};

	(void)event_add(&c->writable, &limit);
}

/* Keeps what was not sent: `sent` bytes were. */
static void keep_rest(struct httpd_conn *c, const struct slice *parts, size_t n, char *taken,
		      size_t sent)
{
	size_t total = 0, at = 0, before;

	for (size_t i = 0; i < n; i++)
		total += parts[i].len;
	c->out_left = total - sent;
	before = n > 0 ? total - parts[n - 1].len : 0;
	if (taken != NULL && sent >= before) {
		c->out = taken;
		c->out_at = taken + (sent - before);
	} else {
		c->out = xmalloc(c->out_left);
		c->out_at = c->out;
		for (size_t i = 0; i < n; i++) {
			size_t skip = sent < parts[i].len ? sent : parts[i].len;

			if (parts[i].len > skip)
				memcpy(c->out + at, parts[i].ptr + skip, parts[i].len - skip);
			at += parts[i].len - skip;
			sent -= skip;
		}
		free(taken);
	}
	wait_to_write(c);
}

/* How much the socket took; -1: it is broken. */
static ssize_t send_parts(int fd, const struct slice *parts, size_t n)
{
	struct iovec v[HTTPD_PARTS_MAX];
	struct msghdr message = {.msg_iov = v, .msg_iovlen = n};
	ssize_t sent;

	ASSERT(n <= HTTPD_PARTS_MAX);
	for (size_t i = 0; i < n; i++)
		v[i] = (struct iovec){(void *)(uintptr_t)parts[i].ptr, parts[i].len};
	sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return sent;
}

static void write_parts(struct httpd_conn *c, const struct slice *parts, size_t n, char *taken)
{
	ssize_t sent = send_parts(c->fd, parts, n);
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += parts[i].len;
	if (sent < 0) {
		free(taken);
		httpd_conn_end(c);
	} else if ((size_t)sent < total) {
		keep_rest(c, parts, n, taken, (size_t)sent);
	} else {
		free(taken);
		answer_left(c);
	}
}

void httpd_conn_answer(struct httpd_conn *c, const struct slice *parts, size_t n, char *taken,
		       bool close)
{
	OBJ_CHECK(c, CONN_MAGIC);
	ASSERT(c->busy && c->out == NULL);
	c->request = NULL;
	c->last = close;
	write_parts(c, parts, n, taken);
}

void httpd_output_refuse(struct httpd_conn *c, const char *reason, enum problem_code code,
			 const char *detail)
{
	const struct httpd_limits *l = &c->cs->limits;
	struct strbuf body = STRBUF_INIT, out = STRBUF_INIT;
	char id[ULID_LEN + 8];
	struct problem p = {.code = code, .detail = detail, .correlation_id = id};
	struct slice whole;

	metric_add(metrics_with(c->cs->refused, &reason), 1);
	ulid_prefixed("cor", id, sizeof(id));
	problem_write(&p, &body);
	strbuf_appendf(&out,
		       "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\n"
		       "Content-Length: %zu\r\nCache-Control: no-store\r\n"
		       "X-Content-Type-Options: nosniff\r\nX-Correlation-Id: %s\r\n%s",
		       problem_status(code), problem_title(code), body.len, id,
		       problem_status(code) == 503 ? "Retry-After: 1\r\n" : "");
	if (l->usual_name != NULL)
		strbuf_appendf(&out, "%s: %s\r\n", l->usual_name, l->usual_value);
	strbuf_append_str(&out, "Connection: close\r\n\r\n");
	strbuf_append_slice(&out, strbuf_slice(&body));
	strbuf_clear(&body);
	httpd_input_forget(c);
	strbuf_clear(&c->in);
	c->busy = c->last = true;
	whole = strbuf_slice(&out);
	write_parts(c, &whole, 1, strbuf_take(&out));
}

void httpd_output_go_on(struct httpd_conn *c, bool too_late)
{
	const struct slice rest = {c->out_at, c->out_left};
	ssize_t sent = too_late ? -1 : send_parts(c->fd, &rest, 1);

	if (sent < 0) {
		httpd_conn_end(c);
	} else if ((size_t)sent < rest.len) {
		c->out_at += sent;
		c->out_left -= (size_t)sent;
		wait_to_write(c);
	} else {
		answer_left(c);
	}
}
