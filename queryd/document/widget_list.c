/*
 * Lists of widgets; see widget_list.h.
 *
 *   the version ─┬─ remembered at it ─────────────────────────────────────────────▶ given
 *                └─ else, or unknown: read in one transaction, the version first ─▶ kept, given
 */
#include "queryd/document/widget_list.h"

#include "common/base/hash.h"
#include "common/base/xalloc.h"
#include "common/daemon/metrics.h"
#include "common/net/dataversion.h"
#include "queryd/tenant/caller.h"
#include "queryd/tenant/versions.h"
#include "sql_gen.h"

#define FIELDS 5 /* of a widget */

enum result { LIST_VERSION = CALLER_RESULT, LIST_WIDGETS };

struct widget_lists {
	struct metric *remembered, *read;
};

/* Lives in the request's arena. */
struct reading {
	struct call call;
	const char *params[2]; /* dashboard, widget */
	char key[2 * HASH_SHA256_LEN + 1];
	widget_list_fn fn;
	void *arg;
};

/* ---- the form: each text with its NUL, one widget after the other */

/* Everything that decides what is seen; each part says where it ends. */
static void make_key(struct reading *k)
{
	const struct principal *p = k->call.principal;
	const char *parts[] = {
		p->tenant_id, p->user_id,   p->roles,    p->all_properties ? NULL : p->scope,
		p->embedded,  k->params[0], k->params[1]};
	struct hash_sha256 *h = hash_sha256_new();
	unsigned char digest[HASH_SHA256_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const char *text = parts[i] != NULL ? parts[i] : "";

		hash_sha256_update(h, parts[i] != NULL ? SLICE_LIT("=") : SLICE_LIT("-"));
		hash_sha256_update(h, (struct slice){text, strlen(text) + 1});
	}
	hash_sha256_final(h, digest);
	hash_sha256_free(h);
	hash_hex(digest, sizeof(digest), k->key);
}

static void keep(const struct reading *k, const char *version, const struct widget_list *list)
{
	struct strbuf packed = STRBUF_INIT;

	for (size_t i = 0; i < list->n; i++) {
		const struct widget_listed *w = &list->v[i];
		const char *texts[FIELDS] = {w->id, w->kind, w->title, w->query, w->revision};

		for (size_t f = 0; f < FIELDS; f++)
			strbuf_append(&packed, texts[f], strlen(texts[f]) + 1);
	}
	cache_keep_form(k->call.st->cache, k->call.principal->tenant_id, k->key, version,
			strbuf_slice(&packed));
	strbuf_clear(&packed);
}

static const char *next_text(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return text;
}

static struct widget_list unpack(struct slice packed, struct arena *a)
{
	char *text = memcpy(arena_alloc(a, packed.len), packed.ptr, packed.len);
	const char *at = text, *end = text + packed.len;
	struct widget_list list = {.visible = true};
	struct widget_listed *v;
	size_t texts = 0;

	for (const char *p = at; p < end; p++)
		texts += *p == '\0';
	v = arena_alloc(a, texts / FIELDS * sizeof(*v));
	for (; at < end; list.n++) {
		v[list.n].id = next_text(&at);
		v[list.n].kind = next_text(&at);
		v[list.n].title = next_text(&at);
		v[list.n].query = next_text(&at);
		v[list.n].revision = next_text(&at);
	}
	list.v = v;
	return list;
}

/* ---- reading it */

static struct widget_list read_list(const struct reading *k, const struct pgresult *r)
{
	struct arena *a = httpd_arena(k->call.http);
	struct widget_list list = {.visible = pgresult_bool(r, LIST_VERSION, 0, 1),
				   .n = pgresult_rows(r, LIST_WIDGETS)};
	struct widget_listed *v = arena_alloc(a, (list.n + 1) * sizeof(*v));

	for (size_t i = 0; i < list.n; i++)
		v[i] = (struct widget_listed){
			.id = arena_strdup(a, pgresult_text(r, LIST_WIDGETS, i, 0)),
			.kind = arena_strdup(a, pgresult_text(r, LIST_WIDGETS, i, 1)),
			.title = arena_strdup(a, pgresult_text(r, LIST_WIDGETS, i, 2)),
			.query = arena_strdup(a, pgresult_text(r, LIST_WIDGETS, i, 3)),
			.revision = arena_strdup(a, pgresult_text(r, LIST_WIDGETS, i, 4))};
	list.v = v;
	return list;
}

static void on_read(void *arg, const struct pgresult *r, const struct err *e)
{
	struct reading *k = arg;
	struct queryd *st = k->call.st;
	struct widget_list list;
	int64_t version;

	if (!caller_ok(k->call.http, e))
		return;
	list = read_list(k, r);
	version = pgresult_i64(r, LIST_VERSION, 0, 0);
	if (version > 0 && list.n > 0) {
		keep(k, pgresult_text(r, LIST_VERSION, 0, 0), &list);
		dataversion_publish(st->redis, k->call.principal->tenant_id, DATAVERSION_DASHBOARDS,
				    version);
	}
	metric_add(st->widget_lists->read, 1);
	k->fn(k->arg, &list);
}

static void read_now(struct reading *k)
{
	const struct pgstmt stmts[] = {{&SQL_queryd_read_dashboard_version, k->params},
				       {&SQL_queryd_read_widgets, k->params}};

	caller_query(&k->call, stmts, ARRAY_SIZE(stmts), on_read, k);
}

/* ---- looking it up */

static void on_version(void *arg, enum versions_outcome outcome, const char *version)
{
	struct reading *k = arg;
	struct queryd *st = k->call.st;
	struct widget_list list;
	struct slice packed = {NULL, 0};

	if (outcome == VERSIONS_KNOWN)
		packed = cache_form(st->cache, k->call.principal->tenant_id, k->key, version);
	if (packed.len == 0) {
		read_now(k);
		return;
	}
	metric_add(st->widget_lists->remembered, 1);
	list = unpack(packed, httpd_arena(k->call.http));
	k->fn(k->arg, &list);
}

void widget_list_read(const struct call *c, const char *dashboard, const char *widget,
		      widget_list_fn fn, void *arg)
{
	static const char *const version_of[] = {DATAVERSION_DASHBOARDS, NULL};
	struct reading *k = arena_alloc(httpd_arena(c->http), sizeof(*k));
	struct queryd *st = c->st;

	*k = (struct reading){
		.call = caller_keep(c), .params = {dashboard, widget}, .fn = fn, .arg = arg};
	make_key(k);
	/* Postgres would have to be asked for a version, too: then it is asked for the list */
	if (versions_from_redis(st->versions) && watch_dashboards(st->watch))
		versions_ask(st->versions, k->call.principal->tenant_id, version_of, on_version, k);
	else
		read_now(k);
}

/* ---- life */

struct widget_lists *widget_lists_new(void)
{
	struct widget_lists *l = xcalloc(1, sizeof(*l));
	struct metric_family *f = metrics_counter_family(
		"query_widget_lists_total", "Lists of widgets, by where they came from", "from");

	l->remembered = metrics_with(f, (const char *const[]){"memory"});
	l->read = metrics_with(f, (const char *const[]){"database"});
	return l;
}

void widget_lists_free(struct widget_lists *l)
{
	free(l);
}
