/*
 * What arrives on a connection of the HTTP server; see httpd_conn.h. Bytes are looked at where they
 * were read; what is not a whole head, or a whole small body, is gathered.
 */
#include "common/http/httpd_conn_priv.h"

#include <sys/socket.h>

#define CONTINUE     "HTTP/1.1 100 Continue\r\n\r\n"
#define BODY_REFUSED "the body is larger than this server accepts, or its chunks are bad"
#define MALFORMED    "malformed"

void httpd_input_forget(struct httpd_conn *c)
{
	arena_free(c->arena);
	c->arena = NULL;
	strbuf_clear(&c->body);
	c->chunks = (struct httpd_chunks){CHUNKS_SIZE, 0, 0, 0};
	c->head_len = c->skipped = 0;
}

static void arrived(struct httpd_conn *c, const struct httpd_arrival *in, size_t body_len)
{
	struct httpd_conns *cs = c->cs;

	httpd_conn_set_received(c, c->head_len + body_len);
	if (cs->held > cs->held_max) {
		free(in->owned);
		httpd_output_refuse(c, "memory", PROBLEM_UNAVAILABLE,
				    "too many bytes of requests are held");
		return;
	}
	c->busy = true;
	c->arena = NULL; /* the taker's */
	httpd_input_forget(c);
	httpd_conn_arrived(c, in);
}

static struct httpd_arrival arrival_of(struct httpd_conn *c)
{
	struct httpd_head *head = arena_alloc(c->arena, sizeof(*head));

	*head = c->head;
	return (struct httpd_arrival){.conn = c, .arena = c->arena, .head = head, .body = {"", 0}};
}

/* The body lies in c->body. */
static void arrived_gathered(struct httpd_conn *c)
{
	struct httpd_arrival in = arrival_of(c);
	size_t len = c->body.len;

	if (len > 0) {
		in.owned = strbuf_take(&c->body);
		in.body = (struct slice){in.owned, len};
	} else {
		strbuf_clear(&c->body);
	}
	arrived(c, &in, len);
}

/* How many of the bytes belong to the body; the request may have arrived with them. */
static size_t take_sized(struct httpd_conn *c, struct slice bytes)
{
	size_t length = c->head.length, due = length - c->body.len;
	size_t n = bytes.len < due ? bytes.len : due;

	if (c->body.len == 0 && n == length && length <= HTTPD_SMALL_BODY) {
		struct httpd_arrival in = arrival_of(c);

		in.body = (struct slice){arena_strndup(c->arena, bytes.ptr, n), n};
		arrived(c, &in, n);
		return n;
	}
	strbuf_append(&c->body, bytes.ptr, n);
	if (c->body.len == length)
		arrived_gathered(c);
	return n;
}

/* Larger than any route takes: read to its end, so that the client sees the answer and no reset. */
static size_t skip_sized(struct httpd_conn *c, struct slice bytes)
{
	size_t due = c->head.length - c->skipped, n = bytes.len < due ? bytes.len : due;

	c->skipped += n;
	if (c->skipped == c->head.length || c->head.expects)
		httpd_output_refuse(c, MALFORMED, PROBLEM_PAYLOAD_TOO_LARGE, BODY_REFUSED);
	return n;
}

static size_t take_body(struct httpd_conn *c, struct slice bytes)
{
	size_t n;

	if (!c->head.chunked)
		return c->head.length > c->cs->limits.body_max ? skip_sized(c, bytes)
							       : take_sized(c, bytes);
	n = httpd_chunks_take(&c->chunks, bytes, c->cs->limits.body_max, &c->body);
	if (c->chunks.state == CHUNKS_DONE)
		arrived_gathered(c);
	else if (c->chunks.state == CHUNKS_BAD)
		httpd_output_refuse(c, MALFORMED, PROBLEM_PAYLOAD_TOO_LARGE, BODY_REFUSED);
	return n;
}

/* How many of the bytes are a head: 0, it is not whole yet. */
static size_t take_head(struct httpd_conn *c, struct slice bytes)
{
	size_t n = httpd_head_length(bytes, &c->scanned);
	const char *fault;

	if (n > c->cs->limits.headers_max || (n == 0 && bytes.len > c->cs->limits.headers_max)) {
		httpd_output_refuse(c, MALFORMED, PROBLEM_HEADERS_TOO_LARGE,
				    "request line and header fields are too large");
		return 0;
	}
	if (n == 0)
		return 0;
	c->scanned = 0;
	c->head_len = n;
	c->arena = arena_new();
	fault = httpd_head_read(arena_strndup(c->arena, bytes.ptr, n), n, c->arena, &c->head);
	if (fault != NULL) {
		httpd_output_refuse(c, MALFORMED, PROBLEM_VALIDATION_FAILED, fault);
		return n;
	}
	if (c->head.expects && bytes.len == n && c->head.length <= c->cs->limits.body_max &&
	    send(c->fd, CONTINUE, sizeof(CONTINUE) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		httpd_conn_end(c);
	return n;
}

/* Looks at bytes that came; how many are done with. */
static size_t consume(struct httpd_conn *c, struct slice bytes)
{
	size_t at = 0;

	while (!c->busy && !c->over) {
		struct slice rest = {bytes.ptr + at, bytes.len - at};

		if (c->arena == NULL) {
			size_t n = rest.len > 0 ? take_head(c, rest) : 0;

			at += n;
			if (n == 0)
				break;
			continue;
		}
		at += take_body(c, rest);
		if (c->arena != NULL) /* more of it has to come */
			break;
	}
	return at;
}

void httpd_input_take(struct httpd_conn *c, struct slice bytes)
{
	struct httpd_conns *cs = c->cs;
	size_t at = 0;

	if (c->received == 0 && !c->busy && bytes.len > 0)
		httpd_conn_expect(c);
	if (c->in.len > 0 || c->busy) {
		strbuf_append(&c->in, bytes.ptr, bytes.len);
		at = c->busy ? 0 : consume(c, strbuf_slice(&c->in));
		if (c->over || (c->busy && c->last))
			return;
		if (at == c->in.len) {
			strbuf_clear(&c->in);
		} else if (at > 0) {
			memmove(c->in.ptr, c->in.ptr + at, c->in.len - at);
			c->in.len -= at;
		}
	} else {
		at = consume(c, bytes);
		if (c->over || (c->busy && c->last))
			return;
		if (at < bytes.len)
			strbuf_append(&c->in, bytes.ptr + at, bytes.len - at);
	}
	if (c->busy)
		return;
	httpd_conn_set_received(c, c->in.len + c->head_len + c->body.len + c->skipped);
	if (cs->held > cs->held_max && c->received > 0) {
		httpd_output_refuse(c, "memory", PROBLEM_UNAVAILABLE,
				    "too many bytes of requests are held");
	}
}
