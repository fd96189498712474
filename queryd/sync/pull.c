/*
 * One page of what changed; see pull.h.
 *
 *   cursor ─▶ items of the control database ─(last page)─▶ projections of the warehouse ─▶ answered
 */
#include "queryd/sync/pull.h"

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/num.h"
#include "common/base/timestamp.h"
#include "queryd/api/catalog.h"
#include "queryd/compute/compute.h"
#include "queryd/compute/cursor.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define LIMIT_MS     5000
#define CURSOR_TTL_S ((int64_t)30 * 86400)
#define MARK_LEN     8 /* hex digits of a projection's state */
#define STALE                                                                                    \
	"must be the cursor of an earlier answer for this tenant and these properties, at most " \
	"30 days old; pull again without it"

enum place { PLACE_TIME, PLACE_SEEN, PLACE_UNTIL, PLACE_KIND, PLACE_ID, PLACE_MARKS, PLACE_FIELDS };

/* Lives in the request's arena. */
struct pull {
	struct call call;
	int64_t limit;
	const char *place[PLACE_FIELDS]; /* of the cursor; NULL: none */
	const char *scope_id, *properties;
	const char *note[3], *horizon[1], *items[7];
	struct pgstmt stmts[3], states[2];
	struct strbuf out;
	struct json_writer w;
	const char *now; /* what was seen */
	bool more;
};

/* ---- the cursor */

static struct slice key_of(const struct pull *k)
{
	const struct queryd_config *conf = daemon_conf(k->call.st->daemon);

	return slice_of(conf->scope_key_file);
}

static const char *context(const struct pull *k)
{
	return arena_printf(httpd_arena(k->call.http), "sync|%s|%s", k->call.principal->tenant_id,
			    k->scope_id);
}

static const char *seal(const struct pull *k, const char *const *place)
{
	struct arena *a = httpd_arena(k->call.http);
	struct strbuf text = STRBUF_INIT;
	const char *sealed;

	for (size_t i = 0; i < PLACE_FIELDS; i++)
		strbuf_appendf(&text, "%s%s", i > 0 ? "\n" : "", place[i] != NULL ? place[i] : "");
	sealed = cursor_seal(key_of(k), context(k), strbuf_slice(&text), a);
	strbuf_clear(&text);
	return sealed;
}

/* false: it is not one of ours, or too old. */
static bool open_cursor(struct pull *k, const char *text)
{
	struct arena *a = httpd_arena(k->call.http);
	struct slice position;
	int64_t issued;
	char *at;

	if (cursor_open(key_of(k), context(k), text, a, &position) < 0)
		return false;
	at = arena_strndup(a, position.ptr, position.len);
	for (size_t i = 0; i < PLACE_FIELDS && at != NULL; i++) {
		char *end = strchr(at, '\n');

		if (end != NULL)
			*end = '\0';
		k->place[i] = at[0] != '\0' ? at : NULL;
		at = end != NULL ? end + 1 : NULL;
	}
	return k->place[PLACE_TIME] != NULL &&
	       num_i64(slice_of(k->place[PLACE_TIME]), 0, INT64_MAX, &issued) == 0 &&
	       clock_wall_us() / 1000000 - issued < CURSOR_TTL_S;
}

static void refuse_cursor(struct pull *k)
{
	strbuf_clear(&k->out);
	httpd_reply_violations(k->call.http, &(struct problem_violation){"since", STALE}, 1);
}

/* ---- the answer */

static void text_member(struct json_writer *w, const char *name, const char *value)
{
	jw_key(w, name);
	jw_str(w, value);
}

static void write_head(struct json_writer *w, const char *kind, const char *id, const char *at)
{
	jw_object(w);
	text_member(w, "kind", kind);
	text_member(w, "id", id);
	text_member(w, "policy",
		    strcmp(kind, "snapshot") == 0 ? "append_only" : "server_authoritative");
	text_member(w, "changedAt", at);
}

static const char *instant(struct pull *k, int64_t us)
{
	char text[TIMESTAMP_TEXT_MAX];

	timestamp_format(us, text);
	return arena_strdup(httpd_arena(k->call.http), text);
}

static void finish(struct pull *k, const char *const *next)
{
	struct strbuf out;
	int64_t since;

	jw_end(&k->w);
	jw_key(&k->w, "more");
	jw_bool(&k->w, k->more);
	text_member(&k->w, "cursor", seal(k, next));
	text_member(&k->w, "since",
		    k->place[PLACE_TIME] != NULL && num_i64(slice_of(k->place[PLACE_TIME]), 0,
							    INT64_MAX, &since) == 0
			    ? instant(k, since * 1000000)
			    : NULL);
	text_member(&k->w, "now", instant(k, clock_wall_us()));
	jw_end(&k->w);
	httpd_set_header(k->call.http, "Cache-Control", "private, no-store");
	out = k->out; /* k goes with the request */
	httpd_reply_json(k->call.http, 200, &out);
	strbuf_clear(&out);
}

/* ---- projections */

/* What of a projection is compared: it changes when something was applied, not while it ages. */
static void mark_of(const struct projection *p, const char *applied, char out[MARK_LEN + 1])
{
	struct strbuf text = STRBUF_INIT;
	unsigned char digest[HASH_SHA256_LEN];

	strbuf_appendf(&text, "%s|%lld|%s|%s", p->key, (long long)p->version, p->status, applied);
	hash_sha256(strbuf_slice(&text), digest);
	hash_hex(digest, MARK_LEN / 2, out);
	strbuf_clear(&text);
}

static void write_projection(struct pull *k, const struct projection *p, const char *watermark,
			     const char *applied)
{
	bool all = k->call.principal->all_properties;

	write_head(&k->w, "projection", p->key, all ? applied : NULL);
	jw_key(&k->w, "deleted");
	jw_bool(&k->w, false);
	jw_key(&k->w, "data");
	jw_object(&k->w);
	text_member(&k->w, "key", p->key);
	jw_key(&k->w, "version");
	jw_i64(&k->w, p->version);
	text_member(&k->w, "status", p->status);
	jw_key(&k->w, "freshnessSloSeconds");
	jw_i64(&k->w, p->freshness_slo_s);
	text_member(&k->w, "watermark", all ? watermark : NULL);
	jw_end(&k->w);
	jw_end(&k->w);
}

static void on_states(void *arg, const struct pgresult *r, const struct err *e)
{
	struct pull *k = arg;
	struct arena *a = httpd_arena(k->call.http);
	const struct registry *g = k->call.st->registry;
	const char *known = k->place[PLACE_MARKS] != NULL ? k->place[PLACE_MARKS] : "";
	const size_t n = registry_projection_count(g);
	char *marks;

	if (e != NULL) {
		strbuf_clear(&k->out);
		httpd_reply_problem(k->call.http, query_problem(e),
				    "The warehouse did not answer.");
		return;
	}
	marks = arena_alloc(a, n * MARK_LEN + 1);
	for (size_t i = 0; i < n; i++) {
		const struct projection *p = registry_projection_at(g, i);
		const char *watermark = NULL, *applied = NULL;

		for (size_t row = 0; row < pgresult_rows(r, QUERY_RESULT); row++) {
			if (strcmp(pgresult_text(r, QUERY_RESULT, row, 0), p->table) != 0)
				continue;
			watermark = pgresult_text(r, QUERY_RESULT, row, 1);
			applied = pgresult_text(r, QUERY_RESULT, row, 2);
		}
		/* a refresh of other properties' rows is no news to who sees some */
		mark_of(p, k->call.principal->all_properties && applied != NULL ? applied : "",
			marks + i * MARK_LEN);
		if (strlen(known) != n * MARK_LEN ||
		    strncmp(known + i * MARK_LEN, marks + i * MARK_LEN, MARK_LEN) != 0)
			write_projection(k, p, watermark, applied);
	}
	finish(k, (const char *const[PLACE_FIELDS]){
			  [PLACE_TIME] = arena_printf(a, "%lld",
						      (long long)(clock_wall_us() / 1000000)),
			  [PLACE_SEEN] = k->place[PLACE_UNTIL] != NULL ? k->place[PLACE_UNTIL]
								       : k->now,
			  [PLACE_MARKS] = marks});
}

static void on_tenant(void *arg, const struct err *e)
{
	struct pull *k = arg;
	struct tenant *n = tenants_find(k->call.st->tenants, k->call.principal->tenant_id);

	if (e != NULL || n == NULL) {
		strbuf_clear(&k->out);
		httpd_reply_problem(k->call.http, PROBLEM_UNAVAILABLE,
				    "The tenant's data cannot be reached right now.");
		return;
	}
	k->states[0] = (struct pgstmt){&SQL_queryd_list_table_states, NULL};
	(void)tenant_query(n, k->call.principal->scope, k->states, 1, on_states, k);
}

/* ---- items */

static void on_items(void *arg, const struct pgresult *r, const struct err *e)
{
	const size_t horizon = QUERY_RESULT + 1, items = QUERY_RESULT + 2;
	struct pull *k = arg;
	struct arena *a = httpd_arena(k->call.http);
	size_t rows, shown;

	if (!caller_ok(k->call.http, e))
		return;
	if (!pgresult_bool(r, horizon, 0, 1)) {
		refuse_cursor(k);
		return;
	}
	k->now = arena_strdup(a, pgresult_text(r, horizon, 0, 0));
	rows = pgresult_rows(r, items);
	k->more = rows > (size_t)k->limit; /* one more was asked for */
	shown = k->more ? (size_t)k->limit : rows;
	jw_init(&k->w, &k->out);
	jw_object(&k->w);
	jw_key(&k->w, "items");
	jw_array(&k->w);
	for (size_t i = 0; i < shown; i++) {
		const char *document = pgresult_text(r, items, i, 3);

		write_head(&k->w, pgresult_text(r, items, i, 0), pgresult_text(r, items, i, 1),
			   pgresult_text(r, items, i, 4));
		jw_key(&k->w, "deleted");
		jw_bool(&k->w, document == NULL);
		jw_key(&k->w, "data");
		if (document != NULL)
			jw_raw(&k->w, slice_of(document));
		else
			jw_null(&k->w);
		jw_end(&k->w);
	}
	if (!k->more) {
		if (tenants_find(k->call.st->tenants, k->call.principal->tenant_id) != NULL)
			on_tenant(k, NULL);
		else
			tenants_load(k->call.st->tenants, k->call.principal->tenant_id, on_tenant,
				     k);
		return;
	}
	finish(k, (const char *const[PLACE_FIELDS]){
			  [PLACE_TIME] = arena_printf(a, "%lld",
						      (long long)(clock_wall_us() / 1000000)),
			  [PLACE_SEEN] = k->place[PLACE_SEEN],
			  [PLACE_UNTIL] = k->place[PLACE_UNTIL] != NULL ? k->place[PLACE_UNTIL]
									: k->now,
			  [PLACE_KIND] = arena_strdup(a, pgresult_text(r, items, shown - 1, 0)),
			  [PLACE_ID] = arena_strdup(a, pgresult_text(r, items, shown - 1, 1)),
			  [PLACE_MARKS] = k->place[PLACE_MARKS]});
}

static const char *scope_id_of(const struct principal *p, struct arena *a)
{
	unsigned char digest[HASH_SHA256_LEN];
	char *hex = arena_alloc(a, HASH_SHA256_LEN + 1);

	hash_sha256(slice_of(p->scope), digest);
	hash_hex(digest, HASH_SHA256_LEN / 2, hex);
	return hex;
}

void pull_serve(const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	const char *since = httpd_query(c->http, "since");
	struct pull *k = arena_alloc(a, sizeof(*k));
	const struct query_target target = {.pool = c->st->control,
					    .tenant_id = c->principal->tenant_id,
					    .timeout_ms = LIMIT_MS};

	*k = (struct pull){.call = caller_keep(c), .out = STRBUF_INIT};
	if (catalog_limit(c, &k->limit) < 0)
		return;
	k->scope_id = scope_id_of(k->call.principal, a);
	k->properties = c->principal->all_properties
				? NULL
				: arena_printf(a, "{%s}", k->call.principal->scope);
	if (since != NULL && !open_cursor(k, since)) {
		refuse_cursor(k);
		return;
	}
	k->note[0] = k->items[5] = k->scope_id;
	k->note[1] = k->call.principal->scope;
	k->note[2] = k->items[6] = k->properties;
	k->items[0] = k->place[PLACE_SEEN];
	k->items[1] = k->place[PLACE_UNTIL];
	k->items[2] = k->place[PLACE_KIND];
	k->items[3] = k->place[PLACE_ID];
	k->items[4] = arena_printf(a, "%lld", (long long)k->limit + 1);
	k->horizon[0] = k->place[PLACE_UNTIL] != NULL ? k->place[PLACE_UNTIL]
						      : k->place[PLACE_SEEN];
	k->stmts[0] = (struct pgstmt){&SQL_queryd_note_pull, k->note};
	k->stmts[1] = (struct pgstmt){&SQL_queryd_read_horizon, k->horizon};
	k->stmts[2] = (struct pgstmt){&SQL_queryd_pull_items, k->items};
	(void)query_start(&target, k->stmts, 3, on_items, k);
}
