/* Checks of a tenant's own; see checks.h. */
#include "queryd/document/checks.h"

#include "queryd/document/body.h"
#include "queryd/document/change.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define PREFIX    "dqc"
#define PATH      "/api/v1/analytics/data-quality/checks/"
#define LIMIT_MAX INT64_C(1000000000000)

static const char *const severities[] = {"info", "warning", "critical", NULL};

static const struct body_member members[] = {
	{"table", BODY_TEXT, true, 1, 63, NULL},
	{"kind", BODY_TEXT, true, 1, 63, NULL},
	{"column", BODY_TEXT, false, 1, 63, NULL},
	{"limit", BODY_NUMBER, true, 0, LIMIT_MAX, NULL},
	{"severity", BODY_CHOICE, true, 0, 0, severities},
	{"enabled", BODY_BOOL, false, 0, 0, NULL},
	{"mutedUntil", BODY_INSTANT, false, 0, 0, NULL},
};

static const struct change_refusal refusals[] = {
	{"missing", &no_check, PROBLEM_COUNT, NULL, NULL},
	{"stale", NULL, PROBLEM_PRECONDITION_FAILED, NULL,
	 "The check has a newer revision than If-Match names."},
	{"unknown", NULL, PROBLEM_QUERY_REJECTED, "kind",
	 "the platform has no check of this table, kind and column"},
	{"double", NULL, PROBLEM_QUERY_REJECTED, "kind",
	 "the tenant has a check of this table, kind and column already"},
	{.name = NULL},
};

static const char *id_of(const struct call *c)
{
	const char *id = httpd_param(c->http, "id");

	if (caller_is_id(id, PREFIX))
		return id;
	documents_absent(c, &no_check);
	return NULL;
}

/* The body as it came, or NULL: answered. */
static const char *read_document(const struct call *c)
{
	struct slice text = httpd_body(c->http);
	struct body b;

	body_read(c, members, ARRAY_SIZE(members), &b);
	if (body_refused(c, &b, PROBLEM_VALIDATION_FAILED))
		return NULL;
	return arena_strndup(httpd_arena(c->http), text.ptr, text.len);
}

void checks_create(const struct call *c)
{
	const char *document, *key;

	if (!change_key(c, &key))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	change_start(c, &(struct change){.operation = "checks.create",
					 .status = 201,
					 .location = PATH,
					 .effect = {&SQL_queryd_create_check,
						    change_params(c, change_new_id(c, PREFIX),
								  document, NULL)},
					 .refusals = refusals});
}

void checks_replace(const struct call *c)
{
	const char *id = id_of(c), *document, *revision;

	if (id == NULL || !caller_expects(c, true, &revision))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	change_start(c, &(struct change){.status = 200,
					 .effect = {&SQL_queryd_replace_check,
						    change_params(c, id, document, revision)},
					 .refusals = refusals});
}

void checks_delete(const struct call *c)
{
	const char *id = id_of(c), *revision;

	if (id == NULL || !caller_expects(c, false, &revision))
		return;
	change_start(c, &(struct change){.status = 204,
					 .effect = {&SQL_queryd_delete_check,
						    change_params(c, id, revision, NULL)},
					 .refusals = refusals});
}

void checks_list(const struct call *c)
{
	documents_list(c,
		       &(struct document_list){"checks", &SQL_queryd_list_own_checks, NULL, NULL});
}

void checks_show(const struct call *c)
{
	const char *id = id_of(c);

	if (id != NULL)
		documents_show(c, &SQL_queryd_read_check, change_params(c, id, NULL, NULL),
			       &no_check);
}
