/* Refreshes: the plan as the tenant, then the job as one change; see refresh.h. */
#include "queryd/api/refresh.h"

#include "queryd/compute/compute.h"
#include "queryd/document/body.h"
#include "queryd/document/change.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define JOBS_PATH "/api/v1/analytics/etl/jobs/"
/* Of a tenant that has not refreshed the projection yet; a guess on the safe side, not a
 * measurement. The queue before the job is never known. */
#define DEFAULT_ROWS_PER_SECOND "2000"
#define VERSION_MAX             1000000

/* Lives in the request's arena. */
struct refresh {
	struct call call;
	const char *params[5]; /* of request_refresh */
	const char *tables[1];
	struct pgstmt plan;
};

static const struct body_member members[] = {
	{"version", BODY_INTEGER, false, 1, VERSION_MAX, NULL},
};

static const struct change_refusal refusals[] = {
	{"schema", NULL, PROBLEM_PROJECTION_SCHEMA_MISMATCH, NULL, NULL},
	{.name = NULL},
};

/* One row: (rows bigint). */
static void on_plan(void *arg, const struct pgresult *r, const struct err *e)
{
	struct refresh *f = arg;

	if (e != NULL) {
		httpd_reply_problem(f->call.http, query_problem(e),
				    "The warehouse did not answer.");
		return;
	}
	f->params[2] = f->call.principal->all_properties
			       ? arena_strdup(httpd_arena(f->call.http),
					      pgresult_text(r, QUERY_RESULT, 0, 0))
			       : NULL;
	f->params[4] = DEFAULT_ROWS_PER_SECOND;
	change_start(&f->call, &(struct change){.operation = "projections.refresh",
						.status = 202,
						.location = JOBS_PATH,
						.effect = {&SQL_queryd_request_refresh, f->params},
						.refusals = refusals});
}

/* The tables that one consumer builds, as the literal of an array; names need no quoting. */
static const char *tables_beside(const struct call *c, const struct projection *p)
{
	const struct registry *g = c->st->registry;
	const char *list = "";

	for (size_t i = 0; i < registry_projection_count(g); i++) {
		const struct projection *other = registry_projection_at(g, i);

		if (strcmp(other->consumer, p->consumer) == 0)
			list = arena_printf(httpd_arena(c->http), "%s%s%s", list,
					    list[0] != '\0' ? "," : "", other->table);
	}
	return arena_printf(httpd_arena(c->http), "{%s}", list);
}

void refresh_request(const struct call *c)
{
	struct arena *a = httpd_arena(c->http);
	const struct projection *p = registry_projection(c->st->registry,
							 httpd_param(c->http, "key"));
	struct refresh *f;
	struct body b = {.root = NULL};
	const char *key;
	const struct json *version = NULL;
	int64_t n;

	if (p == NULL) {
		httpd_reply_problem(c->http, PROBLEM_PROJECTION_NOT_FOUND,
				    "There is no projection of that name.");
		return;
	}
	if (!change_key(c, &key))
		return;
	if (httpd_body(c->http).len > 0) {
		body_read(c, members, ARRAY_SIZE(members), &b);
		if (body_refused(c, &b, PROBLEM_VALIDATION_FAILED))
			return;
		version = json_get(b.root, "version");
	}
	f = arena_alloc(a, sizeof(*f));
	f->call = caller_keep(c);
	f->params[0] = change_new_id(c, "job");
	f->params[1] = arena_strdup(a, p->key);
	f->params[3] = json_i64(version, "version", 1, VERSION_MAX, &n, NULL) == 0
			       ? arena_printf(a, "%lld", (long long)n)
			       : NULL;
	f->tables[0] = tables_beside(c, p);
	f->plan = (struct pgstmt){&SQL_queryd_plan_refresh, f->tables};
	(void)tenant_query(c->tenant, c->principal->scope, &f->plan, 1, on_plan, f);
}
