/* Widgets; see widgets.h. */
#include "queryd/document/widgets.h"

#include "queryd/compute/compute.h"
#include "queryd/document/body.h"
#include "queryd/document/change.h"
#include "queryd/document/dashboards.h"
#include "queryd/document/widget_kind.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define PATH    "/api/v1/analytics/dashboards/"
#define COLUMNS 48 /* of the grid that widgets lie on */
#define LINES   1000

static const struct body_member members[] = {
	{"kind", BODY_CHOICE, true, 0, 0, widget_kind_names},
	{"title", BODY_TEXT, true, 1, 200, NULL},
	{"query", BODY_OBJECT, true, 0, 0, NULL},
	{"display", BODY_OBJECT, false, 0, 0, NULL},
	{"layout", BODY_OBJECT, true, 0, 0, NULL},
};

static const struct body_member places[] = {
	{"x", BODY_INTEGER, true, 0, COLUMNS - 1, NULL},
	{"y", BODY_INTEGER, true, 0, LINES - 1, NULL},
	{"w", BODY_INTEGER, true, 1, COLUMNS, NULL},
	{"h", BODY_INTEGER, true, 1, LINES, NULL},
};

static const struct change_refusal refusals[] = {
	{"missing", &no_dashboard, PROBLEM_COUNT, NULL, NULL},
	{"widget_missing", &no_widget, PROBLEM_COUNT, NULL, NULL},
	{"stale", NULL, PROBLEM_PRECONDITION_FAILED, NULL,
	 "The widget has a newer revision than If-Match names."},
	{"overlap", NULL, PROBLEM_QUERY_REJECTED, "layout", NULL},
	{"full", NULL, PROBLEM_QUERY_REJECTED, "layout", "a dashboard holds at most 50 widgets"},
	{.name = NULL},
};

/* ---- what is sent */

static bool check_place(const struct call *c, struct body *b)
{
	const struct json *place = json_get(b->root, "layout");
	int64_t x, w;

	body_check(c, place, "layout", places, ARRAY_SIZE(places), &b->faults);
	if (b->faults.n == 0 && json_i64(json_get(place, "x"), "x", 0, COLUMNS, &x, NULL) == 0 &&
	    json_i64(json_get(place, "w"), "w", 0, COLUMNS, &w, NULL) == 0 && x + w > COLUMNS)
		faults_add(&b->faults, httpd_arena(c->http), "layout",
			   "x + w must be at most %d, the columns of a dashboard", COLUMNS);
	return !body_refused(c, b, PROBLEM_VALIDATION_FAILED);
}

/* Against the metrics as they are now, and the kind. */
static bool check_query(const struct call *c, struct body *b)
{
	struct arena *a = httpd_arena(c->http);
	const struct widget_kind *kind = widget_kind_find(
		json_string_or_null(json_get(b->root, "kind")));
	struct compute_outcome problem;
	struct request request;

	if (compute_read(c, json_get(b->root, "query"), a, &request, &problem) == 0) {
		widget_kind_check(kind, &request, a, &b->faults);
		return !body_refused(c, b, PROBLEM_QUERY_REJECTED);
	}
	if (problem.code == PROBLEM_PROPERTY_SCOPE_VIOLATION) {
		httpd_reply_problem(c->http, problem.code, problem.detail);
		return false;
	}
	for (size_t i = 0; i < problem.nviolations; i++)
		faults_add(&b->faults, a, arena_printf(a, "query.%s", problem.violations[i].field),
			   "%s", problem.violations[i].message);
	if (problem.nviolations == 0)
		faults_add(&b->faults, a, "query.metrics", "%s", problem.detail);
	return !body_refused(c, b, PROBLEM_QUERY_REJECTED);
}

/* The body as it came, or NULL: answered. */
static const char *read_document(const struct call *c)
{
	struct slice text = httpd_body(c->http);
	struct body b;

	body_read(c, members, ARRAY_SIZE(members), &b);
	if (body_refused(c, &b, PROBLEM_VALIDATION_FAILED) || !check_place(c, &b) ||
	    !check_query(c, &b))
		return NULL;
	return arena_strndup(httpd_arena(c->http), text.ptr, text.len);
}

/* {wid} of the path, or NULL: answered 404. */
static const char *id_of(const struct call *c)
{
	const char *id = httpd_param(c->http, "wid");

	if (caller_is_id(id, WIDGET_PREFIX))
		return id;
	documents_absent(c, &no_widget);
	return NULL;
}

/* {id} of the path, NULL: the path names the widget alone. false: answered 404. */
static bool dashboard_of(const struct call *c, const char **ret)
{
	*ret = NULL;
	if (httpd_param(c->http, "id") == NULL)
		return true;
	*ret = dashboards_id(c);
	return *ret != NULL;
}

/* ---- changes */

struct params {
	const char *lock[2], *effect[4];
};

static struct params *params_of(const struct call *c, const char *widget, const char *dashboard,
				const char *third, const char *fourth)
{
	struct params *p = arena_alloc(httpd_arena(c->http), sizeof(*p));

	*p = (struct params){{widget, dashboard}, {widget, dashboard, third, fourth}};
	return p;
}

static void start(const struct call *c, struct change *how, const struct params *p,
		  const struct sql_stmt *effect)
{
	how->lock = (struct pgstmt){&SQL_queryd_lock_widget, p->lock};
	how->effect = (struct pgstmt){effect, p->effect};
	how->revision = &SQL_queryd_keep_dashboard_revision;
	how->subject = DASHBOARD_UPDATED;
	how->refusals = refusals;
	change_start(c, how);
}

void widgets_create(const struct call *c)
{
	const char *dashboard = dashboards_id(c), *document, *key;

	if (dashboard == NULL || !change_key(c, &key))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	start(c,
	      &(struct change){
		      .operation = "widgets.create",
		      .status = 201,
		      .location = arena_printf(httpd_arena(c->http), PATH "%s/widgets/", dashboard),
		      .action = "widget created"},
	      params_of(c, change_new_id(c, WIDGET_PREFIX), dashboard, document, NULL),
	      &SQL_queryd_create_widget);
}

void widgets_replace(const struct call *c)
{
	const char *dashboard, *widget, *document, *revision;

	if (!dashboard_of(c, &dashboard))
		return;
	widget = id_of(c);
	if (widget == NULL || !caller_expects(c, true, &revision))
		return;
	document = read_document(c);
	if (document == NULL)
		return;
	start(c, &(struct change){.status = 200, .action = "widget updated"},
	      params_of(c, widget, dashboard, document, revision), &SQL_queryd_replace_widget);
}

void widgets_delete(const struct call *c)
{
	const char *dashboard, *widget, *revision;

	if (!dashboard_of(c, &dashboard))
		return;
	widget = id_of(c);
	if (widget == NULL || !caller_expects(c, false, &revision))
		return;
	start(c, &(struct change){.status = 204, .action = "widget deleted"},
	      params_of(c, widget, dashboard, revision, NULL), &SQL_queryd_delete_widget);
}
