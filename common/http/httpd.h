/*
 * L2: the HTTP/1.1 server: routes as a table, limits, deferred answers, problem+json. It is our own
 * since an answer that is at hand costs less than evhttp did around it (a list of allocated strings
 * for a head, epoll_ctl twice a request, a copy of the body): cached answers a second tripled.
 *
 * A handler runs when the whole request has arrived. It answers at once or keeps the request and
 * answers later, exactly once either way; a request that is still open at its deadline is answered
 * for it (503 or the code of httpd_set_deadline) and the later answer is dropped. When nobody waits
 * any more (the client left, the deadline passed, the server is freed) on_gone, if set, tells the
 * owner, who still calls httpd_reply_* once: it frees the request.
 *
 * Refused before any handler, with connection close: a head that is not HTTP/1.1 or could be read
 * in two ways (httpd_head.h), one that is too large (431), a body larger than any route takes
 * (413), and a request that did not arrive whole within idle_timeout_ms (408). Every answer carries
 * X-Correlation-Id and, unless the handler set it, Cache-Control: no-store. At level debug there is
 * a log line of each, with the ids of the request.
 *
 * Metrics: http_server_request_duration_seconds{method,route,status} with the route's template, 499
 * for a client that left; http_server_connections, http_server_connections_refused_total{reason}.
 */
#ifndef COMMON_HTTPD_H
#define COMMON_HTTPD_H

#include "common/base/err.h"
#include "common/base/strbuf.h"
#include "common/http/problem.h"

struct event_base;
struct httpd;
struct httpd_request;

typedef void (*httpd_handler_fn)(struct httpd_request *req, void *arg);

struct httpd_route {
	const char *method; /* GET (answers HEAD too), POST, PUT, DELETE */
	const char *path;   /* "/api/v1/analytics/metrics/{key}:compute"; {x} matches one non-empty
			       run without '/' and ':' */
	httpd_handler_fn handler;
	size_t body_max;     /* 0: no body allowed */
	int64_t deadline_ms; /* 0: the server's */
};

struct httpd_limits {
	size_t headers_max, body_max; /* body_max: the largest of any route */
	int64_t idle_timeout_ms;      /* for reading a request and between requests */
	int64_t deadline_ms;
	int connections_max; /* above: accept and close with 503 */
	bool shared;         /* other processes may listen on the same address (SO_REUSEPORT) */
	size_t held_max;     /* bytes of all requests in memory; above: 503. 0: 256 MiB, or eight
				of the largest */
	/* A header field of all answers that their handler does not set, of those to what is no
	 * request, too; NULL: none. Borrowed for the life of the server. */
	const char *usual_name, *usual_value;
};

struct httpd *httpd_new(struct event_base *base, const struct httpd_limits *limits);
void httpd_free(struct httpd *h); /* open requests are answered 503 first */
/* Adds rows; `arg` goes to their handlers. The table is borrowed for the life of h. Of two rows
 * that match, the one added first wins. */
void httpd_add_routes(struct httpd *h, const struct httpd_route *routes, size_t n, void *arg);
/* Binds "host:port", once; port 0 takes a free one. ret_bound gets "host:port" as bound. */
int httpd_listen(struct httpd *h, const char *addr, char ret_bound[64], struct err *e) MUST_CHECK;
/* Closes the listener and idle connections; requests that began to arrive or are open go on;
 * on_idle fires once, from the loop, when the last answer has left. */
void httpd_drain(struct httpd *h, void (*on_idle)(void *), void *arg);
size_t httpd_open_requests(const struct httpd *h); /* whose handler has not answered yet */

/* --- the request: all borrowed until it is answered */
const char *httpd_method(const struct httpd_request *r);
const char *httpd_path(const struct httpd_request *r); /* decoded once, without the query */
const struct httpd_route *httpd_matched(const struct httpd_request *r);
bool httpd_settled(const struct httpd_request *r); /* nobody waits for the owner's answer */
void *httpd_arg(const struct httpd_request *r);    /* what the route was added with */
const char *httpd_param(const struct httpd_request *r, const char *name); /* {name} of the path */
const char *httpd_query(const struct httpd_request *r,
			const char *name); /* first; decoded; NULL if absent */
/* The i-th parameter of the query string, for repeated and unknown ones; false past the end. */
bool httpd_query_at(const struct httpd_request *r, size_t i, const char **ret_name,
		    const char **ret_value);
const char *httpd_header(const struct httpd_request *r, const char *name);
/* Every header field, in the order of the request, repeated ones included. */
void httpd_each_header(const struct httpd_request *r,
		       void (*fn)(void *arg, const char *name, const char *value), void *arg);
struct slice httpd_body(const struct httpd_request *r);
/* Said by a handler that answers later and does not look at the body again once it has returned:
 * the memory is given back then. */
void httpd_body_once(struct httpd_request *r);
/* X-Correlation-Id of the client when it is 1-128 of [A-Za-z0-9._:-], else a new cor_<ULID>. */
const char *httpd_correlation_id(const struct httpd_request *r);
/* The client's traceparent, NULL: none that is valid. It goes back in the answer. */
const char *httpd_traceparent(const struct httpd_request *r);
/* Its trace, for LOG_TRACE; in the arena. */
const char *httpd_trace_id(struct httpd_request *r);
int64_t httpd_started_us(const struct httpd_request *r); /* monotonic */
/* Also makes the server look for a client that leaves: one that only shuts down its sending side
 * counts as gone then. */
void httpd_set_gone(struct httpd_request *r, void (*on_gone)(void *), void *arg);
/* Counted from now, instead of the route's; `code` is the answer when it passes. */
void httpd_set_deadline(struct httpd_request *r, int64_t deadline_ms, enum problem_code code);
/* Memory that lives as long as the request. */
struct arena *httpd_arena(struct httpd_request *r);

/* --- the answer: each of these ends the request */
/* Replaces an earlier value; copies. A value with control bytes is dropped. */
void httpd_set_header(struct httpd_request *r, const char *name, const char *value);
/* 204 and 304 take no body; for HEAD it is left out but counted. content_type may be NULL then. */
void httpd_reply(struct httpd_request *r, int status, const char *content_type, struct slice body);
/* The same of a body in up to three parts, which need not lie together. */
void httpd_reply_parts(struct httpd_request *r, int status, const char *content_type,
		       const struct slice *parts, size_t n);
void httpd_reply_json(struct httpd_request *r, int status, const struct strbuf *json);
/* The same without copying a large one: it is empty afterwards. */
void httpd_reply_json_taken(struct httpd_request *r, int status, struct strbuf *json);
/* Adds Retry-After: 1 to 429 and 503 and WWW-Authenticate: Bearer to 401, unless set already. */
void httpd_reply_problem(struct httpd_request *r, enum problem_code code, const char *detail);
void httpd_reply_violations(struct httpd_request *r, const struct problem_violation *v, size_t n);
/* The same with another code than VALIDATION_FAILED. */
void httpd_reply_rejected(struct httpd_request *r, enum problem_code code,
			  const struct problem_violation *v, size_t n);

#endif
