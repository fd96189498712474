/* Saved queries; see saved.h. */
#include "queryd/document/saved.h"

#include "queryd/document/body.h"
#include "queryd/document/change.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define PREFIX  "qry"
#define PATH    "/api/v1/analytics/queries/"
#define SQL_MAX 16384

static const struct body_member members[] = {
	{"name", BODY_TEXT, true, 1, 200, NULL},
	{"description", BODY_TEXT, false, 0, 2000, NULL},
	{"query", BODY_OBJECT, false, 0, 0, NULL},
	{"sql", BODY_TEXT, false, 1, SQL_MAX, NULL},
	{"params", BODY_OBJECT, false, 0, 0, NULL},
};

static const struct change_refusal refusals[] = {
	{"missing", &no_query, PROBLEM_COUNT, NULL, NULL},
	{"stale", NULL, PROBLEM_PRECONDITION_FAILED, NULL,
	 "The saved query has a newer revision than If-Match names."},
	{.name = NULL},
};

static const char *id_of(const struct call *c)
{
	const char *id = httpd_param(c->http, "id");

	if (caller_is_id(id, PREFIX))
		return id;
	documents_absent(c, &no_query);
	return NULL;
}

static bool given(const struct body *b, const char *name)
{
	const struct json *v = json_get(b->root, name);

	return v != NULL && json_kind(v) != JSON_NULL;
}

/* The body as it came, or NULL: answered. */
static const char *read_document(const struct call *c)
{
	struct slice text = httpd_body(c->http);
	struct arena *a = httpd_arena(c->http);
	struct body b;

	body_read(c, members, ARRAY_SIZE(members), &b);
	if (b.faults.n == 0 && given(&b, "query") == given(&b, "sql"))
		faults_add(&b.faults, a, "query", "exactly one of query and sql is required");
	if (b.faults.n == 0 && given(&b, "params") && !given(&b, "sql"))
		faults_add(&b.faults, a, "params", "is only taken with sql");
	if (body_refused(c, &b, PROBLEM_VALIDATION_FAILED))
		return NULL;
	return arena_strndup(a, text.ptr, text.len);
}

void saved_create(const struct call *c)
{
	const char *document, *key;

	if (!change_key(c, &key))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	change_start(c, &(struct change){.operation = "queries.create",
					 .status = 201,
					 .location = PATH,
					 .effect = {&SQL_queryd_create_query,
						    change_params(c, change_new_id(c, PREFIX),
								  document, NULL)},
					 .revision = &SQL_queryd_keep_query_revision,
					 .action = "created",
					 .refusals = refusals});
}

void saved_replace(const struct call *c)
{
	const char *id = id_of(c), *document, *revision;

	if (id == NULL || !caller_expects(c, true, &revision))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	change_start(c, &(struct change){.status = 200,
					 .effect = {&SQL_queryd_replace_query,
						    change_params(c, id, document, revision)},
					 .revision = &SQL_queryd_keep_query_revision,
					 .action = "updated",
					 .refusals = refusals});
}

void saved_delete(const struct call *c)
{
	const char *id = id_of(c), *revision;

	if (id == NULL || !caller_expects(c, false, &revision))
		return;
	change_start(c, &(struct change){.status = 204,
					 .effect = {&SQL_queryd_delete_query,
						    change_params(c, id, revision, NULL)},
					 .refusals = refusals});
}

void saved_list(const struct call *c)
{
	documents_list(c, &(struct document_list){"queries", &SQL_queryd_list_queries, NULL, NULL});
}

void saved_show(const struct call *c)
{
	const char *id = id_of(c);

	if (id != NULL)
		documents_show(c, &SQL_queryd_read_query, change_params(c, id, NULL, NULL),
			       &no_query);
}

void saved_history(const struct call *c)
{
	const char *id = id_of(c);

	if (id != NULL)
		documents_list(c, &(struct document_list){"queries.history",
							  &SQL_queryd_list_query_revisions, id,
							  &no_query});
}

/* ---- for queries:run */

/* Lives in the request's arena. */
struct loading {
	struct call call;
	void (*fn)(void *arg, struct slice definition);
	void *arg;
};

static void on_loaded(void *arg, const struct pgresult *r, const struct err *e)
{
	struct loading *k = arg;

	if (!caller_ok(k->call.http, e))
		return;
	if (pgresult_rows(r, CALLER_RESULT) == 0)
		documents_absent(&k->call, &no_query);
	else
		k->fn(k->arg, pgresult_slice(r, CALLER_RESULT, 0, 2));
}

void saved_load(const struct call *c, const char *query_id,
		void (*fn)(void *arg, struct slice definition), void *arg)
{
	struct loading *k = arena_alloc(httpd_arena(c->http), sizeof(*k));

	if (!caller_is_id(query_id, PREFIX)) {
		documents_absent(c, &no_query);
		return;
	}
	*k = (struct loading){caller_keep(c), fn, arg};
	query_id = arena_strdup(httpd_arena(c->http), query_id);
	caller_query(
		c, &(struct pgstmt){&SQL_queryd_read_query, change_params(c, query_id, NULL, NULL)},
		1, on_loaded, k);
}
