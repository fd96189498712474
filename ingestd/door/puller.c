/*
 * Pulling from Pub/Sub; see puller.h.
 *
 *   source (a subscription) ──pull──▶ load (the messages of one answer) ──landed──▶ acknowledge
 *                                          │ every lease / 2: extend      └─failed──▶ hand back
 */
#include "ingestd/door/puller.h"

#include <errno.h>
#include <sys/queue.h>

#include "common/auth/gtoken.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "common/http/httpc.h"
#include "ingestd/reading/pubsub.h"

#define PULLER_MAGIC      OBJ_MAGIC('p')
#define SUBSCRIPTIONS_MAX 32
#define TICK_MS           100
#define PULL_TIMEOUT_MS   100000 /* the server holds an empty pull for about 90 s */
#define POST_TIMEOUT_MS   10000
#define POST_ANSWER_MAX   65536
#define POST_IDS_MAX      1000                /* of one request, */
#define POST_BYTES_MAX    ((size_t)400 << 10) /* which may have 512 KiB */
#define FIRST_EXTEND_MS   4000                /* a subscription's own deadline is 10 s at least */
#define RETRY_MIN_MS      200
#define RETRY_MAX_MS      30000

struct source {
	struct puller *puller;
	char *name; /* projects/…/subscriptions/… */
	bool pulling;
	size_t open;         /* messages that wait for their commit */
	int64_t messages;    /* asked for at once; less after an answer that was too long */
	int64_t due_mono_ms; /* not before: the last pull failed */
	struct backoff backoff;
};

struct load {
	LIST_ENTRY(load) link;
	struct source *source;
	struct arena *arena; /* holds the ids */
	struct slice *ack_ids;
	size_t n;
	int64_t extend_mono_ms; /* the next time */
};

struct puller {
	unsigned magic;
	struct intake *intake;
	int64_t messages, outstanding, lease_ms; /* settings */
	char *url;                               /* without the subscription */
	struct gtoken *token;                    /* NULL: the emulator wants none */
	struct httpc *pulls, *posts;
	struct daemon_timer *tick;
	struct source sources[SUBSCRIPTIONS_MAX];
	size_t nsources;
	LIST_HEAD(, load) loads;
	size_t open_posts;
	bool draining;
	void (*on_idle)(void *arg);
	void *idle_arg;
	struct metric *pulled;
	struct metric_family *failures;
};

static void tell_idle(struct puller *p)
{
	void (*on_idle)(void *arg) = p->on_idle;

	if (!p->draining || p->open_posts > 0 || !LIST_EMPTY(&p->loads) || on_idle == NULL)
		return;
	p->on_idle = NULL;
	on_idle(p->idle_arg);
}

static void note_failure(struct puller *p, const char *verb, const char *name, const char *why)
{
	metric_add(metrics_with(p->failures, (const char *const[]){verb}), 1);
	log_warn("pub/sub request failed", LOG_S("verb", verb), LOG_S("subscription", name),
		 LOG_S("error", why));
}

/* POST name:verb. -EAGAIN also when there is no token yet. */
static int post(struct puller *p, struct httpc *client, const struct source *s, const char *verb,
		struct slice body, size_t answer_max, int64_t timeout_ms, httpc_fn fn, void *arg,
		struct err *e)
{
	const char *headers[] = {"Content-Type: application/json", NULL, NULL};
	struct strbuf url = STRBUF_INIT;
	int r;

	*e = ERR_INIT;
	if (p->token != NULL) {
		headers[1] = gtoken_header(p->token, e);
		if (headers[1] == NULL)
			return e->code != 0 ? e->code : err_set(e, -EAGAIN, "no token yet");
	}
	strbuf_appendf(&url, "%s/v1/%s:%s", p->url, s->name, verb);
	r = httpc_submit(client,
			 &(struct httpc_request){.url = strbuf_cstr(&url),
						 .headers = headers,
						 .body = &body,
						 .answer_max = answer_max,
						 .timeout_ms = timeout_ms,
						 .plain_http = p->token == NULL},
			 fn, arg, e);
	strbuf_clear(&url);
	return r;
}

/* ---- acknowledging, extending, handing back */

static void on_posted(void *arg, const struct httpc_answer *a, const struct err *e)
{
	struct puller *p = arg;
	char status[32];

	OBJ_CHECK(p, PULLER_MAGIC);
	p->open_posts--;
	if (e != NULL && e->code != -ECANCELED) {
		note_failure(p, "acknowledge", "", e->msg);
	} else if (e == NULL && a->status != 200) {
		(void)snprintf(status, sizeof(status), "status %d", a->status);
		note_failure(p, "acknowledge", "", status);
	}
	tell_idle(p);
}

/* The ids from `from` on that one request may name; returns the first that it does not. */
static size_t write_ids(const struct load *l, size_t from, int64_t deadline_s, struct strbuf *out)
{
	struct json_writer w;
	size_t i;

	jw_init(&w, out);
	jw_object(&w);
	if (deadline_s >= 0) {
		jw_key(&w, "ackDeadlineSeconds");
		jw_i64(&w, deadline_s);
	}
	jw_key(&w, "ackIds");
	jw_array(&w);
	for (i = from; i < l->n && i < from + POST_IDS_MAX && out->len < POST_BYTES_MAX; i++)
		jw_slice(&w, l->ack_ids[i]);
	jw_end(&w);
	jw_end(&w);
	return i;
}

/* deadline_s: of modifyAckDeadline (0 hands back), or -1 to acknowledge. */
static void post_ids(struct load *l, int64_t deadline_s)
{
	struct puller *p = l->source->puller;
	const char *verb = deadline_s < 0 ? "acknowledge" : "modifyAckDeadline";
	struct strbuf body = STRBUF_INIT;
	struct err e;

	for (size_t i = 0; i < l->n;) {
		strbuf_reset(&body);
		i = write_ids(l, i, deadline_s, &body);
		if (post(p, p->posts, l->source, verb, strbuf_slice(&body), POST_ANSWER_MAX,
			 POST_TIMEOUT_MS, on_posted, p, &e) == 0)
			p->open_posts++;
		else
			note_failure(p, verb, l->source->name, e.msg);
	}
	strbuf_clear(&body);
}

static void load_free(struct load *l)
{
	LIST_REMOVE(l, link);
	arena_free(l->arena);
	free(l);
}

static void try_pull(struct source *s);

static void on_settled(void *arg, const struct submission *sub)
{
	struct load *l = arg;
	struct source *s = l->source;

	OBJ_CHECK(s->puller, PULLER_MAGIC);
	post_ids(l, sub->failed ? 0 : -1);
	s->open -= l->n;
	load_free(l);
	try_pull(s);
	tell_idle(s->puller);
}

/* ---- pulling */

static void back_off(struct source *s, const char *why)
{
	s->due_mono_ms = clock_mono_ms() + backoff_next_ms(&s->backoff, backoff_random());
	note_failure(s->puller, "pull", s->name, why);
}

static void take_messages(struct source *s, struct slice body)
{
	struct arena *scratch = arena_new();
	struct load *l = xcalloc(1, sizeof(*l));
	struct puller *p = s->puller;
	struct slice *ids = NULL;
	struct fault fault;
	int n;

	l->source = s;
	l->arena = arena_new();
	LIST_INSERT_HEAD(&p->loads, l, link);
	n = intake_pulled(p->intake, body, scratch, &ids, on_settled, l, &fault);
	if (n < 0)
		back_off(s, fault.what);
	if (ids == NULL) { /* no message came, nothing is to be settled */
		load_free(l);
	} else {
		l->n = (size_t)n;
		l->ack_ids = arena_alloc(l->arena, (l->n + 1) * sizeof(*l->ack_ids));
		for (size_t i = 0; i < l->n; i++)
			l->ack_ids[i] = (struct slice){
				arena_strndup(l->arena, ids[i].ptr, ids[i].len), ids[i].len};
		l->extend_mono_ms = clock_mono_ms() + (p->lease_ms / 2 < FIRST_EXTEND_MS
							       ? p->lease_ms / 2
							       : FIRST_EXTEND_MS);
		s->open += l->n;
		metric_add(p->pulled, n);
	}
	arena_free(scratch);
}

static void on_pulled(void *arg, const struct httpc_answer *a, const struct err *e)
{
	struct source *s = arg;
	struct puller *p = s->puller;
	char status[32];

	OBJ_CHECK(p, PULLER_MAGIC);
	s->pulling = false;
	if (e != NULL && e->code == -ECANCELED)
		return;
	if (e != NULL) {
		if (e->code == -EMSGSIZE && s->messages > 1)
			s->messages /= 2;
		if (e->code != -ETIMEDOUT) /* nothing came for so long */
			back_off(s, e->msg);
	} else if (a->status != 200) {
		if (a->status == 401 && p->token != NULL)
			gtoken_refused(p->token);
		(void)snprintf(status, sizeof(status), "status %d", a->status);
		back_off(s, status);
	} else {
		backoff_reset(&s->backoff);
		take_messages(s, a->body);
	}
	try_pull(s);
}

static void try_pull(struct source *s)
{
	struct puller *p = s->puller;
	size_t room = (size_t)p->outstanding;
	char body[64];
	struct err e;
	int r;

	if (p->draining || s->pulling || s->open >= room || clock_mono_ms() < s->due_mono_ms ||
	    intake_door(p->intake, 0) != BATCHER_OPEN)
		return;
	room -= s->open;
	(void)snprintf(body, sizeof(body), "{\"maxMessages\":%zu}",
		       room < (size_t)s->messages ? room : (size_t)s->messages);
	r = post(p, p->pulls, s, "pull", slice_of(body), PUBSUB_PULL_MAX, PULL_TIMEOUT_MS,
		 on_pulled, s, &e);
	s->pulling = r == 0;
	if (r < 0 && r != -EAGAIN)
		back_off(s, e.msg);
}

static void on_tick(void *arg)
{
	struct puller *p = arg;
	int64_t now = clock_mono_ms();
	struct load *l;

	OBJ_CHECK(p, PULLER_MAGIC);
	for (size_t i = 0; i < p->nsources; i++)
		try_pull(&p->sources[i]);
	LIST_FOREACH (l, &p->loads, link) {
		if (now < l->extend_mono_ms)
			continue;
		l->extend_mono_ms = now + p->lease_ms / 2;
		post_ids(l, p->lease_ms / 1000);
	}
}

/* ---- life */

/* Of what Google allows in names, and so safe in a URL's path. */
static bool is_subscription(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.~+%:/";
	const char *rest = strstr(s, "/subscriptions/");

	return strncmp(s, "projects/", 9) == 0 && rest != NULL && rest > s + 9 &&
	       rest[15] != '\0' && strchr(rest + 15, '/') == NULL && s[strspn(s, letters)] == '\0';
}

static int add_sources(struct puller *p, const char *list, struct err *e)
{
	for (size_t len; *list != '\0'; list += len + (list[len] != '\0')) {
		struct source *s = &p->sources[p->nsources];

		len = strcspn(list, ", ");
		if (len == 0)
			continue;
		if (p->nsources == SUBSCRIPTIONS_MAX)
			return err_set(e, -EINVAL, "pull_subscriptions: more than %d",
				       SUBSCRIPTIONS_MAX);
		p->nsources++;
		s->puller = p;
		s->name = xstrndup(list, len);
		s->messages = p->messages;
		s->backoff = (struct backoff){.base_ms = RETRY_MIN_MS, .cap_ms = RETRY_MAX_MS};
		if (!is_subscription(s->name))
			return err_set(e, -EINVAL,
				       "pull_subscriptions: \"%s\" is not "
				       "projects/PROJECT/subscriptions/NAME",
				       s->name);
	}
	return 0;
}

static void choose_server(struct puller *p, struct event_base *base,
			  const struct ingestd_config *conf)
{
	const char *emulator = getenv("PUBSUB_EMULATOR_HOST");
	const char *scheme = emulator != NULL ? strstr(emulator, "://") : NULL;
	struct strbuf url = STRBUF_INIT;

	if (emulator == NULL || emulator[0] == '\0') {
		p->url = xstrdup(conf->pull_url);
		p->token = gtoken_new(base, conf->pull_token_file);
		return;
	}
	strbuf_appendf(&url, "http://%s", scheme != NULL ? scheme + 3 : emulator);
	p->url = strbuf_take(&url);
}

int puller_open(struct daemon *d, const struct ingestd_config *conf, struct intake *intake,
		struct puller **ret, struct err *e)
{
	struct puller *p;

	if (conf->pull_subscriptions[0] == '\0')
		return 0;
	p = xcalloc(1, sizeof(*p));
	p->magic = PULLER_MAGIC;
	p->intake = intake;
	p->messages = conf->pull_messages;
	p->outstanding = conf->pull_outstanding;
	p->lease_ms = conf->pull_lease;
	LIST_INIT(&p->loads);
	choose_server(p, daemon_base(d), conf);
	p->pulls = httpc_new(daemon_base(d));
	p->posts = httpc_new(daemon_base(d));
	p->pulled = metrics_counter("ingest_pulled_messages_total", "Messages pulled from Pub/Sub");
	p->failures = metrics_counter_family("ingest_pull_failures_total",
					     "Requests to Pub/Sub that failed", "verb");
	p->tick = daemon_timer_new(d, TICK_MS, TICK_MS, on_tick, p);
	*ret = p;
	return add_sources(p, conf->pull_subscriptions, e);
}

void puller_free(struct puller *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PULLER_MAGIC);
	ASSERT(LIST_EMPTY(&p->loads));
	daemon_timer_free(p->tick);
	httpc_free(p->pulls);
	httpc_free(p->posts);
	gtoken_free(p->token);
	for (size_t i = 0; i < p->nsources; i++)
		free(p->sources[i].name);
	free(p->url);
	p->magic = 0;
	free(p);
}

void puller_drain(struct puller *p, void (*on_idle)(void *arg), void *arg)
{
	if (p == NULL) {
		on_idle(arg);
		return;
	}
	p->draining = true;
	p->on_idle = on_idle;
	p->idle_arg = arg;
	httpc_free(p->pulls); /* an answer on its way comes again when its deadline is over */
	p->pulls = NULL;
	tell_idle(p);
}
