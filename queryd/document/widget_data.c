/*
 * Results of widgets; see widget_data.h.
 *
 *   widgets read ─▶ tenant known ─▶ up to SIDE_BY_SIDE queries at a time ─▶ all done: answered
 */
#include "queryd/document/widget_data.h"

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "queryd/compute/compute.h"
#include "queryd/compute/recall.h"
#include "queryd/cost/budget.h"
#include "queryd/document/dashboards.h"
#include "queryd/document/documents.h"
#include "queryd/document/widget_form.h"
#include "queryd/document/widget_kind.h"
#include "queryd/document/widget_list.h"
#include "queryd/document/widget_query.h"
#include "queryd/document/widgets.h"
#include "queryd/tenant/caller.h"

#define SIDE_BY_SIDE 4 /* of a tenant's connections, so that others get some too */
#define ETAG_LEN     (3 + 32 + 1)

struct rendering;

struct element {
	struct rendering *rendering;
	const char *id, *title, *query, *revision;
	const struct widget_kind *kind;
	const char *kind_name;
	const struct recalled *recalled; /* of the question; NULL: it is not known */
	struct cache_name name;          /* then */
	enum quality quality;
	bool to_compute;         /* it was known, and its answer is not current */
	struct compute_job *job; /* running */
	bool failed;
	enum problem_code code; /* of a failure */
	const char *detail;
	char etag[ETAG_LEN + 1];
	const char *cache;
	int64_t bytes;
	struct strbuf result; /* JSON object */
};

/* Lives in the request's arena. */
struct rendering {
	struct call call;
	struct widget_choice choice;
	const char *dashboard; /* NULL: one widget is asked for */
	struct element *elements;
	size_t n, next, running;
	size_t peeking;       /* of these, at the shelf */
	bool next_again;      /* there are some to_compute */
	bool left;            /* nobody waits; what peeks still comes back */
	int64_t stop_mono_ms; /* no query begins after it */
	bool starting;
};

static void start_more(struct rendering *k);

/* ---- the answer */

static void text_member(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

static void free_results(struct rendering *k)
{
	for (size_t i = 0; i < k->n; i++)
		strbuf_clear(&k->elements[i].result);
}

static void write_element(const struct element *t, bool unchanged, struct json_writer *w)
{
	int status = t->failed ? problem_status(t->code) : unchanged ? 304 : 200;

	jw_object(w);
	text_member(w, "id", t->id);
	text_member(w, "kind", t->kind_name);
	text_member(w, "title", t->title);
	jw_key(w, "status");
	jw_i64(w, status);
	text_member(w, "etag", t->failed ? NULL : t->etag);
	jw_key(w, "error");
	if (t->failed) {
		jw_object(w);
		text_member(w, "code", problem_name(t->code));
		text_member(w, "title", problem_title(t->code));
		text_member(w, "detail", t->detail);
		jw_end(w);
	} else {
		jw_null(w);
	}
	jw_key(w, "result");
	if (status == 200)
		jw_raw(w, strbuf_slice(&t->result));
	else
		jw_null(w);
	jw_end(w);
}

/* Headers of a query's answer. */
static void set_headers(struct httpd_request *http, const char *etag, const char *cache,
			int64_t bytes)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)bytes);
	if (etag != NULL)
		httpd_set_header(http, "ETag", etag);
	httpd_set_header(http, "Cache-Control", "private, no-cache");
	httpd_set_header(http, "Vary", "Authorization");
	httpd_set_header(http, "X-Cache", cache);
	httpd_set_header(http, "X-Bytes-Scanned", text);
}

static void make_etag(struct slice text, char out[ETAG_LEN + 1])
{
	unsigned char digest[HASH_SHA256_LEN];
	char hex[33];

	hash_sha256(text, digest);
	hash_hex(digest, 16, hex);
	(void)snprintf(out, ETAG_LEN + 1, "W/\"%s\"", hex);
}

static void reply_all(struct rendering *k)
{
	struct httpd_request *http = k->call.http;
	const char *known = httpd_header(http, "If-None-Match");
	struct strbuf out = STRBUF_INIT, tags = STRBUF_INIT;
	struct json_writer w;
	const char *cache = "HIT";
	char etag[ETAG_LEN + 1];
	bool whole = true;
	int64_t bytes = 0;

	jw_init(&w, &out);
	jw_object(&w);
	text_member(&w, "dashboardId", k->dashboard);
	jw_key(&w, "widgets");
	jw_array(&w);
	for (size_t i = 0; i < k->n; i++) {
		const struct element *t = &k->elements[i];

		write_element(t,
			      !t->failed && known != NULL && strcmp(known, "*") != 0 &&
				      answer_tag_listed(known, t->etag),
			      &w);
		whole &= !t->failed;
		bytes += t->bytes;
		if (t->cache != NULL && strcmp(t->cache, "HIT") != 0)
			cache = t->cache;
		strbuf_append_str(&tags, t->etag);
	}
	jw_end(&w);
	jw_end(&w);
	strbuf_append_str(&tags, k->dashboard);
	make_etag(strbuf_slice(&tags), etag);
	set_headers(http, whole ? etag : NULL, cache, bytes);
	free_results(k);
	if (whole && answer_tag_listed(known, etag))
		httpd_reply(http, 304, NULL, (struct slice){NULL, 0});
	else
		httpd_reply_json(http, 200, &out);
	strbuf_clear(&tags);
	strbuf_clear(&out);
}

static void reply_one(struct rendering *k)
{
	struct element *t = &k->elements[0];
	struct httpd_request *http = k->call.http;
	struct strbuf result = t->result;

	set_headers(http, t->failed ? NULL : t->etag, t->cache != NULL ? t->cache : "BYPASS",
		    t->bytes);
	if (t->failed)
		budget_reply_problem(http, t->code, t->detail);
	else if (answer_tag_listed(httpd_header(http, "If-None-Match"), t->etag))
		httpd_reply(http, 304, NULL, (struct slice){NULL, 0});
	else
		httpd_reply_json(http, 200, &result);
	strbuf_clear(&result); /* k is gone with the request */
}

static void reply(struct rendering *k)
{
	if (k->dashboard != NULL)
		reply_all(k);
	else
		reply_one(k);
}

/* Nobody hears it. */
static void reply_left(struct rendering *k)
{
	free_results(k);
	httpd_reply_problem(k->call.http, PROBLEM_QUERY_TIMEOUT, "The widgets took too long.");
}

/* ---- one widget */

static void fail(struct element *t, enum problem_code code, const char *detail)
{
	t->failed = true;
	t->code = code;
	t->detail = arena_strdup(httpd_arena(t->rendering->call.http), detail);
	t->etag[0] = '\0';
}

static void keep_result(struct element *t, const struct answer *a)
{
	struct strbuf tag = STRBUF_INIT;

	t->cache = a->cache;
	t->bytes = a->bytes;
	if (!widget_form_recall(&t->rendering->call,
				&(struct widget_form){t->id, t->kind_name, t->title, t->revision},
				a, &t->result)) {
		fail(t, PROBLEM_INTERNAL, "The result cannot be read.");
		return;
	}
	strbuf_appendf(&tag, "%s|%s|%s|%s|%d|%d", t->id, t->revision, a->key, a->versions,
		       (int)a->quality, a->partial);
	make_etag(strbuf_slice(&tag), t->etag);
	strbuf_clear(&tag);
}

static void on_outcome(void *arg, const struct compute_outcome *o)
{
	struct element *t = arg;
	struct rendering *k = t->rendering;

	t->job = NULL;
	k->running--;
	if (o->answer != NULL)
		keep_result(t, o->answer);
	else
		fail(t, o->code,
		     o->detail != NULL    ? o->detail
		     : o->nviolations > 0 ? o->violations[0].message
					  : problem_title(o->code));
	if (!k->starting)
		start_more(k);
}

/* Reads the query and runs it. text: what is remembered of it for the next time. */
static void compute_one(struct element *t, struct slice text)
{
	struct rendering *k = t->rendering;
	struct json *saved = NULL, *query = NULL;

	if (clock_mono_ms() > k->stop_mono_ms) {
		fail(t, PROBLEM_QUERY_TIMEOUT, "The widgets before it took too long.");
		return;
	}
	if (json_parse(slice_of(t->query), REQUEST_BODY_MAX, &saved, NULL) < 0) {
		fail(t, PROBLEM_INTERNAL, "The saved query cannot be read.");
		return;
	}
	query = widget_query(saved, &k->choice);
	json_free(saved);
	if (query == NULL) {
		fail(t, PROBLEM_PROPERTY_SCOPE_VIOLATION,
		     "The widget does not show the property asked for.");
		return;
	}
	k->running++;
	t->job = compute_start(&k->call, query, on_outcome, t);
	if (t->job != NULL)
		compute_remember(t->job, &k->call, text);
	json_free(query);
}

/* All that its question depends on but the caller: the saved query and the reader's choice. The
 * slash sets it apart from the texts of other endpoints, which begin with a metric's key. */
static struct slice text_of(const struct element *t)
{
	const struct widget_choice *choice = &t->rendering->choice;
	struct arena *a = httpd_arena(t->rendering->call.http);
	const char *text = arena_printf(a, "widget/\n%s\n%s\n",
					choice->from != NULL ? choice->from : "",
					choice->to != NULL ? choice->to : "");

	for (size_t i = 0; i < choice->n; i++)
		text = arena_printf(a, "%s%s,", text, choice->properties[i]);
	return slice_of(arena_printf(a, "%s\n%s", text, t->query));
}

static void on_peeked(void *arg, const struct cache_found *f)
{
	struct element *t = arg;
	struct rendering *k = t->rendering;
	struct queryd *st = k->call.st;
	struct answer a = {.data = f->value,
			   .key = t->recalled->key,
			   .versions = f->versions,
			   .cache = "HIT",
			   .quality = t->quality,
			   .partial = t->recalled->partial};

	k->running--;
	k->peeking--;
	if (k->left) {
		if (k->peeking == 0)
			reply_left(k);
		return;
	}
	if (f->outcome == CACHE_HIT && watch_current(st->watch)) {
		watch_pending(st->watch, t->name.tenant_id, &a.now_us, &a.oldest_us);
		cache_confirm(st->cache, &t->name, f->versions,
			      (struct shelf_age){a.now_us, a.oldest_us});
		compute_count_hit(st->compute);
		keep_result(t, &a);
	} else {
		t->to_compute = true;
		k->next_again = true;
	}
	start_more(k);
}

/* Whether the answer may be on the shelf: then on_peeked comes. */
static bool peek_one(struct element *t, struct slice text)
{
	struct rendering *k = t->rendering;
	const struct recalled *found = recall_find(k->call.st->recall, &k->call, text);
	struct recalled *mine;

	if (found == NULL)
		return false;
	mine = arena_alloc(httpd_arena(k->call.http), sizeof(*mine));
	*mine = *found;
	t->recalled = mine;
	t->quality = tenant_quality(k->call.tenant, mine->tables);
	t->name = (struct cache_name){k->call.principal->tenant_id, mine->key, mine->tables};
	if (!cache_peek(k->call.st->cache, &t->name, on_peeked, t))
		return false;
	k->running++;
	k->peeking++;
	return true;
}

static void start_one(struct element *t)
{
	struct slice text = text_of(t);

	if (t->to_compute || !peek_one(t, text)) {
		t->to_compute = false;
		compute_one(t, text);
	}
}

/* The next to begin; NULL: all have begun. */
static struct element *next_of(struct rendering *k)
{
	for (size_t i = 0; k->next_again && i < k->next; i++)
		if (k->elements[i].to_compute)
			return &k->elements[i];
	k->next_again = false;
	return k->next < k->n ? &k->elements[k->next++] : NULL;
}

static void start_more(struct rendering *k)
{
	struct element *t;

	k->starting = true;
	k->call.tenant = tenants_find(k->call.st->tenants, k->call.principal->tenant_id);
	while (k->running < SIDE_BY_SIDE && (t = next_of(k)) != NULL) {
		if (k->call.tenant != NULL) {
			start_one(t);
		} else {
			t->to_compute = false;
			fail(t, PROBLEM_UNAVAILABLE,
			     "The tenant's data cannot be reached right now.");
		}
	}
	k->starting = false;
	if (k->running == 0 && k->next == k->n && !k->next_again)
		reply(k);
}

/* ---- all of them */

/* The client left, or the deadline passed. */
static void on_gone(void *arg)
{
	struct rendering *k = arg;

	for (size_t i = 0; i < k->n; i++) {
		if (k->elements[i].job != NULL)
			compute_cancel(k->elements[i].job);
	}
	if (k->peeking > 0)
		k->left = true;
	else
		reply_left(k);
}

static void on_tenant(void *arg, const struct err *e)
{
	struct rendering *k = arg;
	const struct queryd_config *conf = daemon_conf(k->call.st->daemon);

	(void)e; /* then it is not found, and each widget says so */
	/* what begins before the stop may take as long again */
	k->stop_mono_ms = clock_mono_ms() + conf->query_timeout;
	httpd_set_deadline(k->call.http, 2 * conf->query_timeout + 1000, PROBLEM_QUERY_TIMEOUT);
	httpd_set_gone(k->call.http, on_gone, k);
	start_more(k);
}

static void begin(struct rendering *k, const struct widget_list *list)
{
	k->n = list->n;
	k->elements = arena_alloc(httpd_arena(k->call.http), (k->n + 1) * sizeof(*k->elements));
	for (size_t i = 0; i < k->n; i++) {
		const struct widget_listed *w = &list->v[i];

		k->elements[i] = (struct element){.rendering = k,
						  .id = w->id,
						  .kind = widget_kind_find(w->kind),
						  .kind_name = w->kind,
						  .title = w->title,
						  .query = w->query,
						  .revision = w->revision,
						  .result = STRBUF_INIT};
		ASSERT(k->elements[i].kind != NULL); /* a check of the table */
	}
	if (tenants_find(k->call.st->tenants, k->call.principal->tenant_id) != NULL)
		on_tenant(k, NULL);
	else
		tenants_load(k->call.st->tenants, k->call.principal->tenant_id, on_tenant, k);
}

static void on_list(void *arg, const struct widget_list *list)
{
	struct rendering *k = arg;

	if (k->dashboard != NULL && !list->visible)
		documents_absent(&k->call, &no_dashboard);
	else if (k->dashboard == NULL && list->n == 0)
		documents_absent(&k->call, &no_widget);
	else
		begin(k, list);
}

static void start(const struct call *c, const char *dashboard, const char *widget)
{
	struct rendering *k = arena_alloc(httpd_arena(c->http), sizeof(*k));

	set_headers(c->http, NULL, "BYPASS", 0);
	if (!widget_choice_read(c, &k->choice))
		return;
	k->call = caller_keep(c);
	k->dashboard = dashboard;
	widget_list_read(c, dashboard, widget, on_list, k);
}

void widget_data_one(const struct call *c)
{
	const char *id = httpd_param(c->http, "id");

	if (caller_is_id(id, WIDGET_PREFIX))
		start(c, NULL, id);
	else
		documents_absent(c, &no_widget);
}

void widget_data_all(const struct call *c)
{
	const char *id = dashboards_id(c);

	if (id != NULL)
		start(c, id, NULL);
}
