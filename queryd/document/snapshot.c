/* Kept results; see snapshot.h. */
#include "queryd/document/snapshot.h"

#include "common/base/hash.h"
#include "common/base/ulid.h"
#include "queryd/document/documents.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define PREFIX   "snp"
#define PATH     "/api/v1/analytics/snapshots/"
#define ID_MAX   40
#define BODY_MAX ((size_t)16 << 20)
#define TAG_MAX  (2 * HASH_SHA256_LEN + 3)

static const struct document_absence no_snapshot = {
	PROBLEM_RESOURCE_NOT_FOUND, "There is no such snapshot; they are kept for 30 days."};

/* In the request's arena. */
struct keeping {
	const struct snapshot_order *order;
	struct slice body;
	char id[ID_MAX], hash[2 * HASH_SHA256_LEN + 1];
	const char *params[6];
};

struct snapshot_order *snapshot_order(const struct call *c, const char *query_id)
{
	struct snapshot_order *o = arena_alloc(httpd_arena(c->http), sizeof(*o));

	o->call = caller_keep(c);
	o->query_id = arena_strdup(httpd_arena(c->http), query_id);
	return o;
}

/* It never changes: a client may keep it, but it is for this user only. */
static void set_headers(struct httpd_request *http, const char *hash, char tag[TAG_MAX])
{
	(void)snprintf(tag, TAG_MAX, "\"%s\"", hash);
	httpd_set_header(http, "ETag", tag);
	httpd_set_header(http, "Cache-Control", "private, no-cache");
	httpd_set_header(http, "Vary", "Authorization");
}

static void on_kept(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct keeping *k = arg;
	struct httpd_request *http = k->order->call.http;
	char tag[TAG_MAX];

	(void)r;
	if (!caller_ok(http, e))
		return;
	set_headers(http, k->hash, tag);
	httpd_set_header(http, "Location", arena_printf(httpd_arena(http), PATH "%s", k->id));
	httpd_reply(http, 200, "application/json", k->body);
}

void snapshot_send(const struct snapshot_order *o, const struct answer *a)
{
	struct httpd_request *http = o->call.http;
	struct arena *arena = httpd_arena(http);
	struct keeping *k = arena_alloc(arena, sizeof(*k));
	unsigned char digest[HASH_SHA256_LEN];
	struct strbuf body = STRBUF_INIT;

	httpd_set_gone(http, NULL, NULL);
	answer_write(a, &body);
	if (body.len > BODY_MAX) {
		strbuf_clear(&body);
		httpd_reply_problem(http, PROBLEM_QUERY_REJECTED,
				    "The result is too large to be kept.");
		return;
	}
	answer_set_headers(http, a);
	k->order = o;
	k->params[3] = arena_strndup(arena, body.ptr, body.len);
	k->body = (struct slice){k->params[3], body.len};
	hash_sha256(k->body, digest);
	hash_hex(digest, sizeof(digest), k->hash);
	ulid_prefixed(PREFIX, k->id, sizeof(k->id));
	k->params[0] = k->id;
	k->params[1] = o->call.principal->scope;
	k->params[2] = o->query_id;
	k->params[4] = k->hash;
	k->params[5] = arena_strdup(arena, a->versions);
	strbuf_clear(&body);
	caller_query(&o->call, &(struct pgstmt){&SQL_queryd_keep_snapshot, k->params}, 1, on_kept,
		     k);
}

/* ---- reading one */

struct showing {
	struct call call;
	const char *params[2];
};

static void on_shown(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct showing *k = arg;
	struct httpd_request *http = k->call.http;
	char tag[TAG_MAX];

	if (!caller_ok(http, e))
		return;
	if (pgresult_rows(r, CALLER_RESULT) == 0) {
		documents_absent(&k->call, &no_snapshot);
		return;
	}
	set_headers(http, pgresult_text(r, CALLER_RESULT, 0, 1), tag);
	if (answer_tag_listed(httpd_header(http, "If-None-Match"), tag))
		httpd_reply(http, 304, NULL, (struct slice){NULL, 0});
	else
		httpd_reply(http, 200, "application/json", pgresult_slice(r, CALLER_RESULT, 0, 0));
}

void snapshot_show(const struct call *c)
{
	const char *id = httpd_param(c->http, "id");
	struct showing *k;

	if (!caller_is_id(id, PREFIX)) {
		documents_absent(c, &no_snapshot);
		return;
	}
	k = arena_alloc(httpd_arena(c->http), sizeof(*k));
	k->call = caller_keep(c);
	k->params[0] = id;
	k->params[1] = k->call.principal->scope;
	caller_query(c, &(struct pgstmt){&SQL_queryd_read_snapshot, k->params}, 1, on_shown, k);
}
