/*
 * Answers of the HTTP server; see httpd.h. The head is written into one buffer of the server and
 * leaves together with the body, wherever that lies.
 */
#include "common/http/httpd_priv.h"

#include <strings.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/daemon/log.h"

/* ---- metrics */

static struct metric *duration_of(struct httpd_request *r, int status)
{
	const char *values[3] = {r->head->method, "none", NULL};
	struct series *s = NULL;
	char text[16];

	for (size_t i = 0; r->route != NULL && i < SERIES_CACHED; i++) {
		struct series *at = &r->route->series[i];

		if (at->method == NULL) {
			s = at;
			break;
		}
		/* methods are literals of httpd_head.c */
		if (at->method == r->head->method && at->status == status)
			return at->duration;
	}
	(void)snprintf(text, sizeof(text), "%d", status);
	if (r->route != NULL)
		values[1] = r->route->row->path;
	values[2] = text;
	if (s == NULL)
		return metrics_with(r->h->duration, values);
	*s = (struct series){r->head->method, status, metrics_with(r->h->duration, values)};
	return s->duration;
}

void httpd_observe(struct httpd_request *r, int status)
{
	ASSERT(r->h != NULL); /* only what is not settled gets here */
	metric_observe(duration_of(r, status), (double)(clock_mono_us() - r->started_us) / 1e6);
	log_debug("request ended", LOG_S("method", r->head->method),
		  LOG_S("route", r->route != NULL ? r->route->row->path : "none"),
		  LOG_I("status", status), LOG_S("correlation_id", r->correlation_id),
		  LOG_TRACE(httpd_trace_id(r)));
}

/* ---- the head */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{422, "Unprocessable Content"},
		{428, "Precondition Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* Now, as a header says it; written anew once a second. */
static const char *date_of(struct httpd *h)
{
	time_t now = (time_t)(clock_wall_us() / 1000000);
	struct tm tm;

	if (now != h->date_s && gmtime_r(&now, &tm) != NULL) {
		h->date_s = now;
		(void)strftime(h->date, sizeof(h->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return h->date;
}

static void add(struct strbuf *head, const char *name, const char *value)
{
	strbuf_append_str(head, name);
	strbuf_append(head, ": ", 2);
	strbuf_append_str(head, value);
	strbuf_append(head, "\r\n", 2);
}

static struct httpd_field *field_of(struct httpd_request *r, const char *name)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (strcasecmp(r->fields[i].name, name) == 0)
			return &r->fields[i];
	return NULL;
}

static void set_default(struct httpd_request *r, const char *name, const char *value)
{
	if (field_of(r, name) == NULL)
		httpd_set_header(r, name, value);
}

void httpd_set_header(struct httpd_request *r, const char *name, const char *value)
{
	struct httpd_field *f = field_of(r, name);

	OBJ_CHECK(r, REQUEST_MAGIC);
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			return;
	if (f == NULL) {
		ASSERT(r->nfields < FIELDS_MAX);
		f = &r->fields[r->nfields++];
		f->name = arena_strdup(r->arena, name);
	}
	f->value = arena_strdup(r->arena, value);
}

/* content_type NULL: there is no body, and nothing is said of one. */
static void write_head(struct httpd_request *r, int status, const char *content_type, size_t length,
		       bool close)
{
	const struct httpd_limits *l = &r->h->limits;
	const char *trace = httpd_traceparent(r);
	struct strbuf *head = &r->h->head;

	strbuf_reset(head);
	strbuf_append_str(head, "HTTP/1.1 ");
	strbuf_append_i64(head, status);
	strbuf_append_char(head, ' ');
	strbuf_append_str(head, reason_of(status));
	strbuf_append(head, "\r\n", 2);
	for (size_t i = 0; i < r->nfields; i++)
		add(head, r->fields[i].name, r->fields[i].value);
	if (content_type != NULL) {
		add(head, "Content-Type", content_type);
		strbuf_append_str(head, "Content-Length: ");
		strbuf_append_i64(head, (int64_t)length);
		strbuf_append(head, "\r\n", 2);
	}
	if (field_of(r, "Cache-Control") == NULL)
		strbuf_append_str(head, "Cache-Control: no-store\r\n");
	strbuf_append_str(head, "X-Content-Type-Options: nosniff\r\n");
	add(head, "X-Correlation-Id", r->correlation_id);
	if (trace != NULL)
		add(head, "traceparent", trace);
	if (l->usual_name != NULL && field_of(r, l->usual_name) == NULL)
		add(head, l->usual_name, l->usual_value);
	add(head, "Date", date_of(r->h));
	if (close)
		strbuf_append_str(head, "Connection: close\r\n");
	else if (r->head->is_1_0)
		strbuf_append_str(head, "Connection: keep-alive\r\n");
	strbuf_append(head, "\r\n", 2);
}

/* taken: of the heap, where the last part begins; it is given back. */
static void send_parts(struct httpd_request *r, int status, const char *content_type,
		       const struct slice *parts, size_t n, char *taken)
{
	bool bodyless = status == 204 || status == 304;
	bool close = !r->head->keep_alive || httpd_conns_draining(r->h->conns);
	struct slice all[HTTPD_PARTS_MAX];
	struct httpd_conn *conn = r->conn;
	size_t length = 0, count = 1;

	ASSERT(n < HTTPD_PARTS_MAX && (bodyless || content_type != NULL));
	httpd_observe(r, status);
	for (size_t i = 0; i < n; i++) {
		length += parts[i].len;
		all[count++] = parts[i];
	}
	if (bodyless || strcmp(r->head->method, "HEAD") == 0) {
		count = 1;
		free(taken);
		taken = NULL;
	}
	write_head(r, status, bodyless ? NULL : content_type, length, close);
	all[0] = strbuf_slice(&r->h->head);
	r->conn = NULL;
	httpd_conn_answer(conn, all, count, taken, close);
}

void httpd_send_problem(struct httpd_request *r, enum problem_code code, const char *detail,
			const struct problem_violation *v, size_t n)
{
	struct strbuf body = STRBUF_INIT;
	const struct problem p = {
		.code = code,
		.detail = detail,
		.instance = r->path,
		.correlation_id = r->correlation_id,
		.violations = v,
		.nviolations = n,
	};
	int status = problem_status(code);
	struct slice text;

	if (status == 429 || status == 503)
		set_default(r, "Retry-After", "1");
	if (status == 401)
		set_default(r, "WWW-Authenticate", "Bearer");
	problem_write(&p, &body);
	text = strbuf_slice(&body);
	send_parts(r, status, "application/problem+json", &text, 1, NULL);
	strbuf_clear(&body);
}

/* ---- the ends of a request */

void httpd_reply_parts(struct httpd_request *r, int status, const char *content_type,
		       const struct slice *parts, size_t n)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		send_parts(r, status, content_type, parts, n, NULL);
	httpd_release(r);
}

void httpd_reply(struct httpd_request *r, int status, const char *content_type, struct slice body)
{
	httpd_reply_parts(r, status, content_type, &body, 1);
}

void httpd_reply_json_taken(struct httpd_request *r, int status, struct strbuf *json)
{
	struct slice body = strbuf_slice(json);
	char *taken = strbuf_take(json);

	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		send_parts(r, status, "application/json", &body, 1, taken);
	else
		free(taken);
	httpd_release(r);
}

void httpd_reply_json(struct httpd_request *r, int status, const struct strbuf *json)
{
	ASSERT(!json->overflow);
	httpd_reply(r, status, "application/json", strbuf_slice(json));
}

void httpd_reply_problem(struct httpd_request *r, enum problem_code code, const char *detail)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		httpd_send_problem(r, code, detail, NULL, 0);
	httpd_release(r);
}

void httpd_reply_rejected(struct httpd_request *r, enum problem_code code,
			  const struct problem_violation *v, size_t n)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (!r->settled)
		httpd_send_problem(r, code, n > 0 ? v[0].message : NULL, v, n);
	httpd_release(r);
}

void httpd_reply_violations(struct httpd_request *r, const struct problem_violation *v, size_t n)
{
	httpd_reply_rejected(r, PROBLEM_VALIDATION_FAILED, v, n);
}
