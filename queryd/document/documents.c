/* Documents and pages of them; see documents.h. */
#include "queryd/document/documents.h"

#include "common/base/json.h"
#include "queryd/api/catalog.h"
#include "queryd/compute/cursor.h"
#include "queryd/tenant/caller.h"

const struct document_absence no_dashboard = {PROBLEM_DASHBOARD_NOT_FOUND,
					      "There is no such dashboard."};
const struct document_absence no_widget = {PROBLEM_WIDGET_NOT_FOUND, "There is no such widget."};
const struct document_absence no_query = {PROBLEM_QUERY_NOT_FOUND, "There is no such saved query."};
const struct document_absence no_check = {PROBLEM_RESOURCE_NOT_FOUND, "There is no such check."};
const struct document_absence no_revision = {PROBLEM_RESOURCE_NOT_FOUND,
					     "There is no such revision."};

void documents_absent(const struct call *c, const struct document_absence *absence)
{
	httpd_reply_problem(c->http, absence->code, absence->detail);
}

/* Lives in the request's arena. */
struct reading {
	struct call call;
	struct document_list list;
	const struct document_absence *absence;
	const char *params[3];
	int64_t limit;
};

static struct reading *reading_new(const struct call *c)
{
	struct reading *k = arena_alloc(httpd_arena(c->http), sizeof(*k));

	k->call = caller_keep(c);
	return k;
}

/* ---- one */

static void on_document(void *arg, const struct pgresult *r, const struct err *e)
{
	struct reading *k = arg;
	struct httpd_request *http = k->call.http;
	const char *etag, *known;

	if (!caller_ok(http, e))
		return;
	if (pgresult_rows(r, CALLER_RESULT) == 0) {
		documents_absent(&k->call, k->absence);
		return;
	}
	etag = pgresult_text(r, CALLER_RESULT, 0, 1);
	known = httpd_header(http, "If-None-Match");
	httpd_set_header(http, "ETag", etag);
	httpd_set_header(http, "Cache-Control", "private, no-cache");
	httpd_set_header(http, "Vary", "Authorization");
	if (known != NULL && (strcmp(known, "*") == 0 || strstr(known, etag) != NULL))
		httpd_reply(http, 304, NULL, (struct slice){NULL, 0});
	else
		httpd_reply(http, 200, "application/json", pgresult_slice(r, CALLER_RESULT, 0, 0));
}

void documents_show(const struct call *c, const struct sql_stmt *s, const char *const *params,
		    const struct document_absence *absence)
{
	struct reading *k = reading_new(c);

	k->absence = absence;
	caller_query(c, &(struct pgstmt){s, params}, 1, on_document, k);
}

/* ---- many */

/* A cursor is good for one tenant, one user and one list. */
static const char *context(const struct reading *k)
{
	const struct principal *p = k->call.principal;

	return arena_printf(httpd_arena(k->call.http), "%s|%s|%s|%s", k->list.name, p->tenant_id,
			    p->user_id, k->list.of != NULL ? k->list.of : "");
}

static struct slice key_of(const struct call *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);

	return slice_of(conf->scope_key_file);
}

/* What the page goes on after, NULL: from the start. false: answered 400. */
static bool read_cursor(const struct reading *k, const char **ret_after)
{
	const char *text = httpd_query(k->call.http, "cursor");
	struct slice after;

	*ret_after = NULL;
	if (text == NULL)
		return true;
	if (cursor_open(key_of(&k->call), context(k), text, httpd_arena(k->call.http), &after) <
	    0) {
		httpd_reply_violations(
			k->call.http,
			&(struct problem_violation){"cursor",
						    "must be the nextCursor of an earlier answer"},
			1);
		return false;
	}
	*ret_after = arena_strndup(httpd_arena(k->call.http), after.ptr, after.len);
	return true;
}

static void on_page(void *arg, const struct pgresult *r, const struct err *e)
{
	struct reading *k = arg;
	struct httpd_request *http = k->call.http;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	size_t rows, shown;

	if (!caller_ok(http, e))
		return;
	rows = pgresult_rows(r, CALLER_RESULT);
	shown = rows > (size_t)k->limit ? (size_t)k->limit : rows; /* one more was asked for */
	if (rows == 0 && k->list.of != NULL) {
		documents_absent(&k->call, k->list.absence);
		return;
	}
	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "items");
	jw_array(&w);
	for (size_t i = 0; i < shown; i++)
		jw_raw(&w, pgresult_slice(r, CALLER_RESULT, i, 1));
	jw_end(&w);
	jw_key(&w, "nextCursor");
	jw_str(&w, rows > shown ? cursor_seal(key_of(&k->call), context(k),
					      pgresult_slice(r, CALLER_RESULT, shown - 1, 0),
					      httpd_arena(http))
				: NULL);
	jw_end(&w);
	httpd_reply_json(http, 200, &out);
	strbuf_clear(&out);
}

void documents_list(const struct call *c, const struct document_list *l)
{
	struct reading *k = reading_new(c);
	const char **next = k->params;
	const char *after;

	k->list = *l;
	if (catalog_limit(c, &k->limit) < 0 || !read_cursor(k, &after))
		return;
	if (l->of != NULL)
		*next++ = l->of;
	*next++ = after;
	*next = arena_printf(httpd_arena(c->http), "%lld", (long long)k->limit + 1);
	caller_query(c, &(struct pgstmt){l->stmt, k->params}, 1, on_page, k);
}
