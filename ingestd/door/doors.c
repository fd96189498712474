/* The HTTP doors of ingestd; see doors.h. */
#include "ingestd/door/doors.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "common/base/arena.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "ingestd/reading/headers.h"

#define EVENTS_BODY_MAX ((size_t)32 << 20)
#define PUSH_BODY_MAX   ((size_t)16 << 20)
#define RETRY_AFTER_S   "1"

/* Answers a request whose token was not taken. */
static void refuse_token(struct doors *d, const char *door, struct httpd_request *req, int r,
			 const struct err *e)
{
	metric_add(metrics_with(d->refused, (const char *const[]){door, "token"}), 1);
	log_debug("token refused", LOG_S("door", door), LOG_S("reason", e->msg));
	if (r == -EAGAIN) {
		httpd_set_header(req, "Retry-After", RETRY_AFTER_S);
		httpd_reply_problem(req, PROBLEM_UNAVAILABLE, "The keys are not loaded yet.");
	} else {
		httpd_set_header(req, "WWW-Authenticate", "Bearer");
		httpd_reply_problem(req, PROBLEM_AUTH_INVALID, "A valid bearer token is required.");
	}
}

/* False after the request was answered: the queue is full or the warehouse is away. */
static bool admit(struct doors *d, const char *door, struct httpd_request *req, size_t bytes)
{
	enum batcher_door state = intake_door(d->intake, bytes);

	if (state == BATCHER_OPEN)
		return true;
	httpd_set_header(req, "Retry-After", RETRY_AFTER_S);
	metric_add(
		metrics_with(d->refused,
			     (const char *const[]){door, state == BATCHER_FULL ? "full" : "away"}),
		1);
	if (state == BATCHER_FULL)
		httpd_reply_problem(req, PROBLEM_RATE_LIMITED,
				    "Too many events wait for their commit; send again later.");
	else
		httpd_reply_problem(req, PROBLEM_UNAVAILABLE,
				    "The warehouse cannot take events now; nothing was accepted.");
	return false;
}

/* ---- POST /v1/events */

/* The header fields are those of draft-ietf-httpapi-ratelimit-headers-10. They speak of the setting
 * alone: what is left now would tell what other tenants send. */
static void reply_refused(struct httpd_request *req, const char *door, const struct submission *s)
{
	struct doors *d = httpd_arg(req);
	bool rate = s->refusal.by == LIMIT_RATE;
	int64_t after_s = (int64_t)ceil(s->refusal.retry_after_s);
	char text[64];

	after_s = after_s < 1 ? 1 : after_s;
	metric_add(metrics_with(d->refused,
				(const char *const[]){door, rate ? "rate" : "tenant_full"}),
		   1);
	(void)snprintf(text, sizeof(text), "%" PRId64, after_s);
	httpd_set_header(req, "Retry-After", text);
	(void)snprintf(text, sizeof(text), "\"%s\";r=0;t=%" PRId64, rate ? "tenant" : "queue",
		       after_s);
	httpd_set_header(req, "RateLimit", text);
	if (rate)
		(void)snprintf(text, sizeof(text), "\"tenant\";q=%" PRId64 ";w=1;qu=\"events\"",
			       s->refusal.limit);
	else
		(void)snprintf(text, sizeof(text), "\"queue\";q=%" PRId64 ";qu=\"content-bytes\"",
			       s->refusal.limit);
	httpd_set_header(req, "RateLimit-Policy", text);
	httpd_reply_problem(req, PROBLEM_RATE_LIMITED,
			    rate ? "The tenant sends more events than its rate allows; nothing was "
				   "accepted, send again later."
				 : "Too many events of the tenant wait for their commit; nothing "
				   "was accepted, send again later.");
}

static void reply_unlanded(struct httpd_request *req)
{
	httpd_set_header(req, "Retry-After", RETRY_AFTER_S);
	httpd_reply_problem(req, PROBLEM_UNAVAILABLE,
			    "The events could not be made durable; send them all again, what had "
			    "landed already will count as duplicate.");
}

static void on_events_settled(void *arg, const struct submission *s)
{
	struct httpd_request *req = arg;
	struct strbuf out = STRBUF_INIT;

	if (s->refusal.by != LIMIT_NONE) {
		reply_refused(req, "events", s);
		return;
	}
	if (s->failed) {
		reply_unlanded(req);
		return;
	}
	submission_write(s, &out);
	httpd_reply_json(req, 200, &out);
	strbuf_clear(&out);
}

enum form { FORM_JSON, FORM_NDJSON, FORM_DATA, FORM_UNKNOWN };

static const struct {
	const char *type;
	enum form form, beside_ce; /* without and with CloudEvents attributes in the header */
} forms[] = {
	{"application/json", FORM_JSON, FORM_DATA},
	{"application/cloudevents+json", FORM_JSON, FORM_JSON},
	{"application/cloudevents-batch+json", FORM_JSON, FORM_JSON},
	{"application/x-ndjson", FORM_NDJSON, FORM_UNKNOWN},
	{"application/ndjson", FORM_NDJSON, FORM_UNKNOWN},
	{"application/jsonl", FORM_NDJSON, FORM_UNKNOWN},
};

/* By the media type, its parameters (charset) left out; nothing said is JSON. */
static enum form form_of(const struct httpd_request *req)
{
	const char *type = httpd_header(req, "Content-Type");
	bool ce = httpd_header(req, "ce-specversion") != NULL;
	size_t len;

	if (type == NULL)
		type = forms[0].type;
	len = strcspn(type, "; ");
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strlen(forms[i].type) == len && strncasecmp(forms[i].type, type, len) == 0)
			return ce ? forms[i].beside_ce : forms[i].form;
	}
	return FORM_UNKNOWN;
}

/* False after the request was answered: what is packed would be kept as a dead letter that nobody
 * can read. */
static bool plain(struct httpd_request *req)
{
	const char *coding = httpd_header(req, "Content-Encoding");

	if (coding == NULL || strcasecmp(coding, "identity") == 0)
		return true;
	httpd_set_header(req, "Accept-Encoding", "identity");
	httpd_reply_problem(req, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			    "Send the body as it is, without a Content-Encoding.");
	return false;
}

static void reply_fault(struct httpd_request *req, const struct intake_refusal *why)
{
	if (why->forbidden)
		httpd_reply_problem(req, PROBLEM_PERMISSION_DENIED, why->detail);
	else
		httpd_reply_problem(req, PROBLEM_VALIDATION_FAILED, why->detail);
}

/* A CloudEvent in binary mode: the body is its data, the envelope is in the header. */
static int take_binary(struct doors *d, struct httpd_request *req,
		       const struct caller_tenants *tenants, struct intake_refusal *why)
{
	struct headers *headers = arena_alloc(httpd_arena(req), sizeof(*headers));
	struct envelope_transport transport;
	struct fault fault;

	headers->arena = httpd_arena(req);
	httpd_body_once(req);
	httpd_each_header(req, headers_take, headers);
	if (headers_end(headers, &transport, &fault) < 0) {
		*why = (struct intake_refusal){.forbidden = false};
		(void)snprintf(why->detail, sizeof(why->detail),
			       "The header is no CloudEvent: %s; nothing was kept.", fault.what);
		return -EINVAL;
	}
	return intake_event(d->intake, httpd_body(req), &transport, httpd_arena(req), tenants,
			    on_events_settled, req, why);
}

static int take_events(struct doors *d, enum form form, struct httpd_request *req,
		       const struct caller_tenants *tenants, struct intake_refusal *why)
{
	if (form == FORM_DATA)
		return take_binary(d, req, tenants, why);
	return (form == FORM_NDJSON ? intake_lines : intake_json)(
		d->intake, httpd_body(req), tenants, on_events_settled, req, why);
}

static void post_events(struct httpd_request *req, void *arg)
{
	struct doors *d = arg;
	struct slice body = httpd_body(req);
	enum form form = form_of(req);
	const struct caller_tenants *tenants;
	struct err e = ERR_INIT;
	struct intake_refusal why;
	int r = callers_service(d->callers, httpd_header(req, "Authorization"), &tenants, &e);

	if (r < 0) {
		refuse_token(d, "events", req, r, &e);
		return;
	}
	if (form == FORM_UNKNOWN) {
		httpd_reply_problem(req, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
				    "Send application/json, application/x-ndjson or "
				    "application/cloudevents+json.");
		return;
	}
	if (!plain(req))
		return;
	if (body.len == 0 && form != FORM_DATA) {
		httpd_reply_problem(
			req, PROBLEM_VALIDATION_FAILED,
			"The body is empty; send an event, an array of events or NDJSON.");
		return;
	}
	if (!admit(d, "events", req, body.len))
		return;
	httpd_body_once(req);
	if (take_events(d, form, req, tenants, &why) < 0)
		reply_fault(req, &why);
}

/* ---- POST /pubsub/push */

static void on_push_settled(void *arg, const struct submission *s)
{
	struct httpd_request *req = arg;

	if (s->refusal.by != LIMIT_NONE)
		reply_refused(req, "pubsub_push", s);
	else if (s->failed)
		reply_unlanded(req);
	else
		httpd_reply(req, 204, NULL, (struct slice){NULL, 0});
}

static void post_push(struct httpd_request *req, void *arg)
{
	struct doors *d = arg;
	struct slice body = httpd_body(req);
	struct headers *headers;
	struct err e = ERR_INIT;
	int r = callers_push(d->callers, httpd_header(req, "Authorization"),
			     httpd_header(req, "X-Serverless-Authorization"), &e);

	if (r < 0) {
		refuse_token(d, "pubsub_push", req, r, &e);
		return;
	}
	if (!plain(req) || !admit(d, "pubsub_push", req, body.len))
		return;
	headers = arena_alloc(httpd_arena(req), sizeof(*headers));
	headers->arena = httpd_arena(req);
	httpd_body_once(req);
	httpd_each_header(req, headers_take, headers);
	intake_push(d->intake, body, headers, httpd_arena(req), on_push_settled, req);
}

static const struct httpd_route routes[] = {
	{"POST", "/v1/events", post_events, EVENTS_BODY_MAX, 0},
	{"POST", "/pubsub/push", post_push, PUSH_BODY_MAX, 0},
};

void doors_add_routes(struct doors *d, struct httpd *h)
{
	httpd_add_routes(h, routes, ARRAY_SIZE(routes), d);
}

void doors_open(struct doors *d, struct callers *callers, struct intake *intake)
{
	d->callers = callers;
	d->intake = intake;
	d->refused = metrics_counter_family("ingest_refused_total", "Requests that were not let in",
					    "door,reason");
}
