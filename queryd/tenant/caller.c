/* Who asks, as a setting of the transaction; see caller.h. */
#include "queryd/tenant/caller.h"

#include "common/base/num.h"
#include "common/base/ulid.h"
#include "sql_gen.h"

#define LIMIT_MS                5000
#define SQLSTATE_TENANT_DELETED "TD001"

static char *copy(struct arena *a, const char *text)
{
	return text != NULL ? arena_strdup(a, text) : NULL;
}

struct call caller_keep(const struct call *c)
{
	const struct principal *p = c->principal;
	struct arena *a = httpd_arena(c->http);
	struct principal *mine = arena_alloc(a, sizeof(*mine));
	struct call kept = {.st = c->st, .http = c->http, .principal = mine};

	*mine = *p;
	mine->tenant_id = copy(a, p->tenant_id);
	mine->user_id = copy(a, p->user_id);
	mine->roles = copy(a, p->roles);
	mine->embedded = copy(a, p->embedded);
	mine->scope = copy(a, p->scope);
	mine->properties = arena_alloc(a, (p->nproperties + 1) * sizeof(*mine->properties));
	for (size_t i = 0; i < p->nproperties; i++)
		mine->properties[i] = copy(a, p->properties[i]);
	return kept;
}

void caller_query(const struct call *c, const struct pgstmt *stmts, size_t n, pgconn_fn fn,
		  void *arg)
{
	const struct principal *p = c->principal;
	struct arena *a = httpd_arena(c->http);
	const char **params = arena_alloc(a, 4 * sizeof(*params));
	struct pgstmt *all = arena_alloc(a, (n + 1) * sizeof(*all));
	const struct query_target target = {
		.pool = c->st->control, .tenant_id = p->tenant_id, .timeout_ms = LIMIT_MS};

	ASSERT(n <= CALLER_STMTS_MAX);
	params[0] = arena_strdup(a, p->user_id);
	params[1] = arena_strdup(a, p->roles);
	params[2] = p->all_properties ? NULL : arena_printf(a, "{%s}", p->scope);
	params[3] = p->embedded != NULL ? arena_strdup(a, p->embedded) : NULL;
	all[0] = (struct pgstmt){&SQL_queryd_set_caller, params};
	memcpy(all + 1, stmts, n * sizeof(*stmts));
	(void)query_start(&target, all, n + 1, fn, arg);
}

bool caller_ok(struct httpd_request *http, const struct err *e)
{
	if (e != NULL && strcmp(e->sqlstate, SQLSTATE_TENANT_DELETED) == 0)
		/* known to the database before it is to us */
		httpd_reply_problem(http, PROBLEM_TENANT_NOT_FOUND, "The tenant was deleted.");
	else if (e != NULL)
		httpd_reply_problem(http, query_problem(e), "The control database did not answer.");
	return e == NULL;
}

bool caller_expects(const struct call *c, bool required, const char **ret_revision)
{
	const char *tag = httpd_header(c->http, "If-Match");
	int64_t revision;
	size_t len;

	*ret_revision = NULL;
	if (tag == NULL && required) {
		httpd_reply_problem(c->http, PROBLEM_PRECONDITION_REQUIRED,
				    "If-Match must carry the ETag of what is replaced.");
		return false;
	}
	if (tag == NULL || strcmp(tag, "*") == 0)
		return true;
	len = strlen(tag);
	if (len < 4 || strncmp(tag, "\"v", 2) != 0 || tag[len - 1] != '"' ||
	    num_i64((struct slice){tag + 2, len - 3}, 1, INT32_MAX, &revision) < 0) {
		httpd_reply_problem(c->http, PROBLEM_PRECONDITION_FAILED,
				    "If-Match is not the ETag of the current revision.");
		return false;
	}
	*ret_revision = arena_printf(httpd_arena(c->http), "%lld", (long long)revision);
	return true;
}

bool caller_is_id(const char *id, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(id, prefix, n) == 0 && id[n] == '_' && ulid_valid(slice_of(id + n + 1));
}
