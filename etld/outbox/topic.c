/* Publishing to Pub/Sub; see topic.h. */
#include "etld/outbox/topic.h"

#include <errno.h>

#include "common/auth/gtoken.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/http/httpc.h"

#define TOPIC_MAGIC OBJ_MAGIC('t')
#define ANSWER_MAX  ((size_t)256 << 10)
#define ERROR_SHOWN 200 /* bytes of an error message of the service */

struct topic {
	unsigned magic;
	struct topic_options o;
	struct httpc *http;
	struct gtoken *token; /* NULL: an emulator wants none */
	char *url;
	const char *authorization; /* the header line as topic_ready found it */
};

struct publish {
	struct topic *topic;
	topic_fn fn;
	void *arg;
};

static const char *without_scheme(const char *host)
{
	const char *end = strstr(host, "://");

	return end != NULL ? end + 3 : host;
}

int topic_new(struct event_base *base, const struct topic_options *o, struct topic **ret,
	      struct err *e)
{
	struct strbuf url = STRBUF_INIT;
	struct topic *t;

	if (strncmp(o->name, "projects/", 9) != 0 || strstr(o->name, "/topics/") == NULL ||
	    o->name[strcspn(o->name, " ?#:%\"")] != '\0')
		return err_set(e, -EINVAL, "publish_topic must be projects/P/topics/T, not '%s'",
			       o->name);
	if (o->emulator[0] != '\0')
		strbuf_appendf(&url, "http://%s", without_scheme(o->emulator));
	else
		strbuf_append_str(&url, o->endpoint);
	strbuf_appendf(&url, "/v1/%s:publish", o->name);
	t = xcalloc(1, sizeof(*t));
	t->magic = TOPIC_MAGIC;
	t->o = *o;
	t->http = httpc_new(base);
	t->url = strbuf_take(&url);
	if (o->emulator[0] == '\0')
		t->token = gtoken_new(base, o->token_file);
	*ret = t;
	return 0;
}

void topic_free(struct topic *t)
{
	if (t == NULL)
		return;
	httpc_free(t->http);
	gtoken_free(t->token);
	free(t->url);
	t->magic = 0;
	free(t);
}

bool topic_ready(struct topic *t, struct err *e)
{
	OBJ_CHECK(t, TOPIC_MAGIC);
	if (t->token == NULL)
		return true;
	t->authorization = gtoken_header(t->token, e);
	if (t->authorization == NULL && e->code == 0)
		(void)err_set(e, -EAGAIN, "the access token is being fetched");
	return t->authorization != NULL;
}

/* {"messages": [{"data", "attributes": {…}, "orderingKey"}]} */
static void write_body(const char *ordering_key, const struct topic_message *messages, size_t n,
		       struct strbuf *out)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	jw_key(&w, "messages");
	jw_array(&w);
	for (size_t i = 0; i < n; i++) {
		const struct topic_message *m = &messages[i];

		jw_object(&w);
		jw_key(&w, "data");
		jw_slice(&w, m->data);
		jw_key(&w, "attributes");
		jw_object(&w);
		jw_key(&w, "eventType");
		jw_str(&w, m->subject);
		if (m->tenant_id != NULL) {
			jw_key(&w, "tenantId");
			jw_str(&w, m->tenant_id);
		}
		jw_end(&w);
		jw_key(&w, "orderingKey");
		jw_str(&w, ordering_key);
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
}

/* The sentence in {"error": {"message"}}, or nothing. */
static void say_refusal(const struct httpc_answer *a, struct err *e)
{
	struct json *doc = NULL;
	const char *message = NULL;

	if (json_parse(a->body, ANSWER_MAX, &doc, NULL) == 0)
		message = json_string_or_null(json_get(json_get(doc, "error"), "message"));
	(void)err_set(e, -EIO, "HTTP %d%s%.*s", a->status, message != NULL ? ": " : "", ERROR_SHOWN,
		      message != NULL ? message : "");
	json_free(doc);
}

static void on_answer(void *arg, const struct httpc_answer *a, const struct err *e)
{
	struct publish *p = arg;
	struct err refusal = ERR_INIT;

	if (a != NULL && a->status == 401 && p->topic->token != NULL)
		gtoken_refused(p->topic->token);
	if (a != NULL && a->status != 200) {
		say_refusal(a, &refusal);
		e = &refusal;
	}
	p->fn(p->arg, e);
	free(p);
}

int topic_publish(struct topic *t, const char *ordering_key, const struct topic_message *messages,
		  size_t n, topic_fn fn, void *arg, struct err *e)
{
	const char *const headers[] = {"Content-Type: application/json", t->authorization, NULL};
	struct strbuf body = STRBUF_INIT;
	struct slice text;
	struct publish *p = xcalloc(1, sizeof(*p));
	int r;

	OBJ_CHECK(t, TOPIC_MAGIC);
	*p = (struct publish){t, fn, arg};
	write_body(ordering_key, messages, n, &body);
	text = strbuf_slice(&body);
	r = httpc_submit(t->http,
			 &(struct httpc_request){.url = t->url,
						 .headers = headers,
						 .body = &text,
						 .answer_max = ANSWER_MAX,
						 .timeout_ms = t->o.timeout_ms,
						 .plain_http = t->token == NULL},
			 on_answer, p, e);
	strbuf_clear(&body);
	if (r < 0)
		free(p);
	return r;
}
