/* Dashboards; see dashboards.h. */
#include "queryd/document/dashboards.h"

#include "common/base/num.h"
#include "queryd/document/body.h"
#include "queryd/document/change.h"
#include "queryd/property_id.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define PATH "/api/v1/analytics/dashboards/"

static const char *const scopes[] = {"tenant", "property", "role", "user", NULL};

static const struct body_member members[] = {
	{"name", BODY_TEXT, true, 1, 200, NULL},
	{"description", BODY_TEXT, false, 0, 2000, NULL},
	{"scope", BODY_CHOICE, true, 0, 0, scopes},
	{"propertyId", BODY_TEXT, false, 1, PROPERTY_ID_MAX, NULL},
	{"roles", BODY_STRINGS, false, 1, 4, NULL},
	{"layout", BODY_OBJECT, false, 0, 0, NULL},
};

static const struct change_refusal refusals[] = {
	{"missing", &no_dashboard, PROBLEM_COUNT, NULL, NULL},
	{"stale", NULL, PROBLEM_PRECONDITION_FAILED, NULL,
	 "The dashboard has a newer revision than If-Match names."},
	{.name = NULL},
};

const char *dashboards_id(const struct call *c)
{
	const char *id = httpd_param(c->http, "id");

	if (caller_is_id(id, DASHBOARD_PREFIX))
		return id;
	documents_absent(c, &no_dashboard);
	return NULL;
}

/* ---- what is sent */

/* A member that one scope needs and the others must not have. */
static void belongs(const struct call *c, struct body *b, const char *name, const char *scope)
{
	const struct json *v = json_get(b->root, name);
	bool given = v != NULL && json_kind(v) != JSON_NULL;
	bool wanted = json_is(json_get(b->root, "scope"), scope);

	if (given != wanted)
		faults_add(&b->faults, httpd_arena(c->http), name, "%s with scope %s",
			   wanted ? "is required" : "is only taken", scope);
}

static void check_roles(const struct call *c, struct body *b)
{
	const struct json *roles = json_get(b->root, "roles");

	for (size_t i = 0; roles != NULL && i < json_len(roles); i++) {
		const char *name = json_string_or_null(json_at(roles, i));

		if (name == NULL || !principal_known_role(name))
			faults_add(&b->faults, httpd_arena(c->http),
				   arena_printf(httpd_arena(c->http), "roles[%zu]", i),
				   "must be staff, manager, tenant.admin or tenant.owner");
	}
}

/* The document with the canonical id of its property, or NULL: answered. */
static const char *read_document(const struct call *c)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	char property[PROPERTY_ID_MAX + 1] = "";
	const char *given, *text;
	struct body b;

	body_read(c, members, ARRAY_SIZE(members), &b);
	given = json_string_or_null(json_get(b.root, "propertyId"));
	if (b.faults.n == 0) {
		belongs(c, &b, "propertyId", "property");
		belongs(c, &b, "roles", "role");
		check_roles(c, &b);
		if (given != NULL && property_id_canonical(given, property) < 0)
			faults_add(&b.faults, httpd_arena(c->http), "propertyId",
				   "must be the id of a property");
	}
	if (body_refused(c, &b, PROBLEM_VALIDATION_FAILED))
		return NULL;
	if (given != NULL && !principal_may_see(c->principal, property)) {
		httpd_reply_problem(c->http, PROBLEM_PROPERTY_SCOPE_VIOLATION,
				    "The token does not reach the property of the dashboard.");
		return NULL;
	}
	jw_init(&w, &out);
	jw_object(&w);
	for (size_t i = 0; i < json_len(b.root); i++) {
		struct strbuf value = STRBUF_INIT;

		json_write(json_at(b.root, i), &value);
		jw_key(&w, json_key_at(b.root, i));
		if (given != NULL && strcmp(json_key_at(b.root, i), "propertyId") == 0)
			jw_str(&w, property);
		else
			jw_raw(&w, strbuf_slice(&value));
		strbuf_clear(&value);
	}
	jw_end(&w);
	text = arena_strdup(httpd_arena(c->http), strbuf_cstr(&out));
	strbuf_clear(&out);
	return text;
}

/* ---- changes */

void dashboards_create(const struct call *c)
{
	const char *document, *key;

	if (!change_key(c, &key))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	change_start(
		c, &(struct change){.operation = "dashboards.create",
				    .status = 201,
				    .location = PATH,
				    .effect = {&SQL_queryd_create_dashboard,
					       change_params(c, change_new_id(c, DASHBOARD_PREFIX),
							     document, NULL)},
				    .revision = &SQL_queryd_keep_dashboard_revision,
				    .action = "created",
				    .subject = DASHBOARD_CREATED,
				    .refusals = refusals});
}

void dashboards_replace(const struct call *c)
{
	const char *id = dashboards_id(c), *document, *revision;

	if (id == NULL || !caller_expects(c, true, &revision))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	change_start(c, &(struct change){.status = 200,
					 .effect = {&SQL_queryd_replace_dashboard,
						    change_params(c, id, document, revision)},
					 .revision = &SQL_queryd_keep_dashboard_revision,
					 .action = "updated",
					 .subject = DASHBOARD_UPDATED,
					 .refusals = refusals});
}

void dashboards_delete(const struct call *c)
{
	const char *id = dashboards_id(c), *revision;

	if (id == NULL || !caller_expects(c, false, &revision))
		return;
	change_start(c, &(struct change){.status = 204,
					 .effect = {&SQL_queryd_delete_dashboard,
						    change_params(c, id, revision, NULL)},
					 .revision = &SQL_queryd_keep_dashboard_revision,
					 .action = "deleted",
					 .subject = DASHBOARD_UPDATED,
					 .more = "{\"deleted\":true}",
					 .refusals = refusals});
}

/* ---- reading */

void dashboards_list(const struct call *c)
{
	documents_list(
		c, &(struct document_list){"dashboards", &SQL_queryd_list_dashboards, NULL, NULL});
}

void dashboards_show(const struct call *c)
{
	const char *id = dashboards_id(c);

	if (id != NULL)
		documents_show(c, &SQL_queryd_read_dashboard, change_params(c, id, NULL, NULL),
			       &no_dashboard);
}

void dashboards_history(const struct call *c)
{
	const char *id = dashboards_id(c);

	if (id != NULL)
		documents_list(c, &(struct document_list){"dashboards.history",
							  &SQL_queryd_list_dashboard_revisions, id,
							  &no_dashboard});
}

void dashboards_show_revision(const struct call *c)
{
	const char *id = dashboards_id(c), *revision;
	int64_t number;

	if (id == NULL) /* answered, and the request is gone */
		return;
	revision = httpd_param(c->http, "revision");
	if (num_i64(slice_of(revision), 1, INT32_MAX, &number) < 0)
		documents_absent(c, &no_revision);
	else
		documents_show(c, &SQL_queryd_read_dashboard_revision,
			       change_params(c, id, revision, NULL), &no_revision);
}
