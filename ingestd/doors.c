/* The HTTP doors of ingestd; see doors.h. */
#include "ingestd/doors.h"

#include <errno.h>

#include "common/arena.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/xalloc.h"

#define EVENTS_BODY_MAX ((size_t)32 << 20)
#define PUSH_BODY_MAX   ((size_t)16 << 20)
#define TOKENS_CACHED   1024
#define RETRY_AFTER_S   "1"
#define ERRORS_LISTED   1000 /* of one answer; the counts are always complete */

/* ---- who calls: a service with the tenants it may send for, or a Pub/Sub subscription */

struct caller {
	char *name;
	struct intake_tenants tenants;
};

static void caller_free(void *arg, void *principal)
{
	struct caller *c = principal;

	(void)arg;
	for (size_t i = 0; i < c->tenants.n; i++)
		free(c->tenants.ids[i]);
	free(c->tenants.ids);
	free(c->name);
	free(c);
}

static void *service_of(void *arg, const struct json *claims, struct err *e)
{
	const struct json *tenants = json_get(claims, "tenants");
	struct caller *c;
	const char *name;

	(void)arg;
	if (json_string(json_get(claims, "sub"), "sub", &name, e) < 0)
		return NULL;
	if (tenants != NULL && json_kind(tenants) != JSON_ARRAY) {
		(void)err_set(e, -EACCES, "tenants must be an array");
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(name);
	c->tenants.limited = tenants != NULL;
	c->tenants.ids = xcalloc(json_len(tenants), sizeof(*c->tenants.ids));
	for (size_t i = 0; i < json_len(tenants); i++) {
		const char *id;

		if (json_string(json_at(tenants, i), "tenants[]", &id, e) < 0) {
			caller_free(NULL, c);
			return NULL;
		}
		c->tenants.ids[c->tenants.n++] = xstrdup(id);
	}
	return c;
}

static void *subscription_of(void *arg, const struct json *claims, struct err *e)
{
	const struct doors *d = arg;
	const char *email;
	bool verified;

	if (json_string(json_get(claims, "email"), "email", &email, e) < 0 ||
	    json_bool(json_get(claims, "email_verified"), "email_verified", &verified, e) < 0)
		return NULL;
	for (char **allowed = d->push_emails; verified && *allowed != NULL; allowed++) {
		if (strcmp(*allowed, email) == 0) {
			struct caller *c = xcalloc(1, sizeof(*c));

			c->name = xstrdup(email);
			return c;
		}
	}
	(void)err_set(e, -EACCES, "the account may not push");
	return NULL;
}

/* The caller, or NULL after the request was answered. */
static const struct caller *authenticate(struct doors *d, struct jwks *keys, const char *door,
					 struct httpd_request *req)
{
	struct err e = ERR_INIT;
	void *caller;
	int r = jwks_authenticate(keys, httpd_header(req, "Authorization"), &caller, &e);

	if (r == 0)
		return caller;
	metric_add(metrics_with(d->refused, (const char *const[]){door, "token"}), 1);
	log_debug("token refused", LOG_S("door", door), LOG_S("reason", e.msg));
	if (r == -EAGAIN) {
		httpd_set_header(req, "Retry-After", RETRY_AFTER_S);
		httpd_reply_problem(req, PROBLEM_UNAVAILABLE, "The keys are not loaded yet.");
	} else {
		httpd_set_header(req, "WWW-Authenticate", "Bearer");
		httpd_reply_problem(req, PROBLEM_AUTH_INVALID, "A valid bearer token is required.");
	}
	return NULL;
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
				    "The warehouse is not reachable; nothing was accepted.");
	return false;
}

/* ---- POST /v1/events */

static void reply_unlanded(struct httpd_request *req)
{
	httpd_set_header(req, "Retry-After", RETRY_AFTER_S);
	httpd_reply_problem(req, PROBLEM_UNAVAILABLE,
			    "The events could not be made durable; send them all again, what had "
			    "landed already will count as duplicate.");
}

static void on_events_settled(void *arg, const struct submission *s)
{
	static const char *const names[OUTCOME_COUNT] = {
		[OUTCOME_ACCEPTED] = "accepted",
		[OUTCOME_DUPLICATE] = "duplicates",
		[OUTCOME_CONFLICT] = "conflicts",
		[OUTCOME_DEAD_LETTER] = "deadLettered",
	};
	struct httpd_request *req = arg;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (s->failed) {
		reply_unlanded(req);
		return;
	}
	jw_init(&w, &out);
	jw_object(&w);
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		jw_key(&w, names[i]);
		jw_i64(&w, (int64_t)s->counts[i]);
	}
	jw_key(&w, "errors");
	jw_array(&w);
	for (size_t i = 0; i < s->nerrors && i < ERRORS_LISTED; i++) {
		jw_object(&w);
		jw_key(&w, "index");
		jw_i64(&w, s->errors[i].index);
		jw_key(&w, "code");
		jw_str(&w, s->errors[i].code);
		jw_key(&w, "detail");
		jw_str(&w, s->errors[i].detail);
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
	httpd_reply_json(req, 200, &out);
	strbuf_clear(&out);
}

enum form { FORM_JSON, FORM_NDJSON, FORM_UNKNOWN };

static const struct {
	const char *type;
	enum form form;
} forms[] = {
	{"application/json", FORM_JSON},
	{"application/cloudevents+json", FORM_JSON},
	{"application/cloudevents-batch+json", FORM_JSON},
	{"application/x-ndjson", FORM_NDJSON},
	{"application/ndjson", FORM_NDJSON},
	{"application/jsonl", FORM_NDJSON},
};

/* By the media type, its parameters (charset) left out; nothing said is JSON. */
static enum form form_of(const char *content_type)
{
	size_t len;

	if (content_type == NULL)
		return FORM_JSON;
	len = strcspn(content_type, "; ");
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strlen(forms[i].type) == len &&
		    strncasecmp(forms[i].type, content_type, len) == 0)
			return forms[i].form;
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

static void post_events(struct httpd_request *req, void *arg)
{
	struct doors *d = arg;
	struct slice body = httpd_body(req);
	enum form form = form_of(httpd_header(req, "Content-Type"));
	const struct caller *caller = authenticate(d, d->service_tokens, "events", req);
	struct intake_refusal why;
	int r;

	if (caller == NULL)
		return;
	if (form == FORM_UNKNOWN) {
		httpd_reply_problem(req, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
				    "Send application/json, application/x-ndjson or "
				    "application/cloudevents+json.");
		return;
	}
	if (!plain(req))
		return;
	if (body.len == 0) {
		httpd_reply_problem(
			req, PROBLEM_VALIDATION_FAILED,
			"The body is empty; send an event, an array of events or NDJSON.");
		return;
	}
	if (!admit(d, "events", req, body.len))
		return;
	r = form == FORM_NDJSON
		    ? intake_lines(d->intake, body, &caller->tenants, on_events_settled, req, &why)
		    : intake_json(d->intake, body, &caller->tenants, on_events_settled, req, &why);
	if (r < 0)
		reply_fault(req, &why);
}

/* ---- POST /pubsub/push */

static void on_push_settled(void *arg, const struct submission *s)
{
	struct httpd_request *req = arg;

	if (s->failed)
		reply_unlanded(req);
	else
		httpd_reply(req, 204, NULL, (struct slice){NULL, 0});
}

static void post_push(struct httpd_request *req, void *arg)
{
	struct doors *d = arg;
	struct slice body = httpd_body(req);

	if (authenticate(d, d->push_tokens, "pubsub_push", req) == NULL)
		return;
	if (plain(req) && admit(d, "pubsub_push", req, body.len))
		intake_push(d->intake, body, httpd_arena(req), on_push_settled, req);
}

static const struct httpd_route routes[] = {
	{"POST", "/v1/events", post_events, EVENTS_BODY_MAX, 0},
	{"POST", "/pubsub/push", post_push, PUSH_BODY_MAX, 0},
};

void doors_add_routes(struct doors *d, struct httpd *h)
{
	httpd_add_routes(h, routes, ARRAY_SIZE(routes), d);
}

/* ---- life */

static char **split_list(const char *list)
{
	char **items = xcalloc(strlen(list) / 2 + 2, sizeof(*items));
	size_t n = 0;

	while (*list != '\0') {
		size_t len = strcspn(list, ", ");

		if (len != 0)
			items[n++] = xstrndup(list, len);
		list += len + (list[len] != '\0');
	}
	return items;
}

static int open_keys(struct event_base *base, const char *source, const char *const *issuers,
		     const char *audience,
		     void *(*principal)(void *, const struct json *, struct err *), void *arg,
		     struct jwks **ret, struct err *e)
{
	return jwks_new(base,
			&(struct jwks_options){.source = source,
					       .issuers = issuers[0][0] != '\0' ? issuers : NULL,
					       .audience = audience,
					       .cache_max = TOKENS_CACHED,
					       .principal = principal,
					       .drop = caller_free,
					       .arg = arg},
			ret, e);
}

int doors_open(struct doors *d, struct event_base *base, const struct ingestd_config *conf,
	       struct intake *intake, struct err *e)
{
	const char *push_jwks = conf->push_jwks[0] != '\0' ? conf->push_jwks : conf->token_jwks;
	int r;

	d->intake = intake;
	d->service_issuers[0] = conf->token_issuer;
	d->push_issuers[0] = conf->push_issuer;
	d->refused = metrics_counter_family("ingest_refused_total", "Requests that were not let in",
					    "door,reason");
	d->push_emails = split_list(conf->push_emails);
	if (conf->token_jwks[0] == '\0')
		return err_set(e, -EINVAL, "token_jwks is not set: no caller could be let in");
	r = open_keys(base, conf->token_jwks, d->service_issuers, conf->token_audience, service_of,
		      d, &d->service_tokens, e);
	if (r == 0)
		r = open_keys(base, push_jwks, d->push_issuers, conf->push_audience,
			      subscription_of, d, &d->push_tokens, e);
	return r;
}

void doors_close(struct doors *d)
{
	jwks_free(d->service_tokens);
	jwks_free(d->push_tokens);
	for (char **p = d->push_emails; p != NULL && *p != NULL; p++)
		free(*p);
	free(d->push_emails);
}
