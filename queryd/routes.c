/* The table of endpoints; see routes.h. The colon verbs also answer as a last segment. */
#include "queryd/routes.h"

#include <errno.h>
#include <stdio.h>

#include "queryd/api/catalog.h"
#include "queryd/api/explain.h"
#include "queryd/api/openapi.h"
#include "queryd/api/publish.h"
#include "queryd/api/records.h"
#include "queryd/api/refresh.h"
#include "queryd/api/structured.h"
#include "queryd/cost/budget.h"
#include "queryd/document/checks.h"
#include "queryd/document/dashboards.h"
#include "queryd/document/saved.h"
#include "queryd/document/share.h"
#include "queryd/document/snapshot.h"
#include "queryd/document/widget_data.h"
#include "queryd/document/widgets.h"
#include "queryd/sync/pull.h"
#include "queryd/sync/scheduler_door.h"

#define API "/api/v1/analytics"
#define GET(path)                                   \
	{                                           \
		"GET", API path, access_serve, 0, 0 \
	}
#define POST(path, body_max)                                \
	{                                                   \
		"POST", API path, access_serve, body_max, 0 \
	}
#define PUT(path)                                              \
	{                                                      \
		"PUT", API path, access_serve, DOCUMENT_MAX, 0 \
	}
#define DELETE(path)                                   \
	{                                              \
		"DELETE", API path, access_serve, 0, 0 \
	}
/* What users make is small: a page of a hundred, or a dashboard of fifty widgets, still is. */
#define DOCUMENT_MAX ((size_t)32 * 1024)

static const char *const page[] = {"limit", "cursor", NULL};
static const char *const changes[] = {"since", "limit", NULL};
static const char *const quality[] = {"limit", "cursor", "table", "state", NULL};
static const char *const choice[] = {"from", "to", "property", NULL};
static const char *const window[] = {"from", "to", "version", NULL};

static const struct access_route routes[] = {
	{GET("/metrics"), PERMISSION_VIEWER, catalog_list_metrics, page},
	{POST("/metrics", REQUEST_BODY_MAX), PERMISSION_ADMIN, publish_metric, NULL},
	{POST("/metrics/{key}:archive", REQUEST_BODY_MAX), PERMISSION_ADMIN, publish_archive, NULL},
	{POST("/metrics/{key}/archive", REQUEST_BODY_MAX), PERMISSION_ADMIN, publish_archive, NULL},
	{POST("/metrics/{key}:compute", REQUEST_BODY_MAX), PERMISSION_VIEWER, structured_compute,
	 NULL},
	{POST("/metrics/{key}/compute", REQUEST_BODY_MAX), PERMISSION_VIEWER, structured_compute,
	 NULL},
	{POST("/queries:run", REQUEST_BODY_MAX), PERMISSION_AUTHOR, structured_run, NULL},
	{POST("/queries/run", REQUEST_BODY_MAX), PERMISSION_AUTHOR, structured_run, NULL},
	{GET("/metrics/{key}/explain"), PERMISSION_VIEWER, explain_serve, window},
	{GET("/projections"), PERMISSION_VIEWER, catalog_list_projections, page},
	{POST("/projections/{key}:refresh", REQUEST_BODY_MAX), PERMISSION_ADMIN, refresh_request,
	 NULL},
	{POST("/projections/{key}/refresh", REQUEST_BODY_MAX), PERMISSION_ADMIN, refresh_request,
	 NULL},
	{GET("/data-quality"), PERMISSION_VIEWER, records_list_quality, quality},
	{GET("/data-quality/checks"), PERMISSION_ADMIN, checks_list, page},
	{POST("/data-quality/checks", DOCUMENT_MAX), PERMISSION_ADMIN, checks_create, NULL},
	{GET("/data-quality/checks/{id}"), PERMISSION_ADMIN, checks_show, NULL},
	{PUT("/data-quality/checks/{id}"), PERMISSION_ADMIN, checks_replace, NULL},
	{DELETE("/data-quality/checks/{id}"), PERMISSION_ADMIN, checks_delete, NULL},
	{GET("/etl/jobs/{id}"), PERMISSION_ADMIN, records_show_job, NULL},
	{POST("/dashboards", DOCUMENT_MAX), PERMISSION_AUTHOR, dashboards_create, NULL},
	{GET("/dashboards"), PERMISSION_VIEWER, dashboards_list, page},
	{GET("/dashboards/{id}"), PERMISSION_VIEWER, dashboards_show, NULL},
	{PUT("/dashboards/{id}"), PERMISSION_AUTHOR, dashboards_replace, NULL},
	{DELETE("/dashboards/{id}"), PERMISSION_AUTHOR, dashboards_delete, NULL},
	{GET("/dashboards/{id}/history"), PERMISSION_VIEWER, dashboards_history, page},
	{GET("/dashboards/{id}/history/{revision}"), PERMISSION_VIEWER, dashboards_show_revision,
	 NULL},
	{POST("/dashboards/{id}:share", DOCUMENT_MAX), PERMISSION_LOOKER_SHARE, share_dashboard,
	 NULL},
	{POST("/dashboards/{id}/share", DOCUMENT_MAX), PERMISSION_LOOKER_SHARE, share_dashboard,
	 NULL},
	{GET("/dashboards/{id}/data"), PERMISSION_VIEWER | PERMISSION_EMBEDDED, widget_data_all,
	 choice},
	{POST("/dashboards/{id}/widgets", DOCUMENT_MAX), PERMISSION_AUTHOR, widgets_create, NULL},
	{PUT("/dashboards/{id}/widgets/{wid}"), PERMISSION_AUTHOR, widgets_replace, NULL},
	{DELETE("/dashboards/{id}/widgets/{wid}"), PERMISSION_AUTHOR, widgets_delete, NULL},
	{PUT("/widgets/{wid}"), PERMISSION_AUTHOR, widgets_replace, NULL},
	{DELETE("/widgets/{wid}"), PERMISSION_AUTHOR, widgets_delete, NULL},
	{GET("/widgets/{id}/data"), PERMISSION_VIEWER | PERMISSION_EMBEDDED, widget_data_one,
	 choice},
	{POST("/queries", DOCUMENT_MAX), PERMISSION_AUTHOR, saved_create, NULL},
	{GET("/queries"), PERMISSION_AUTHOR, saved_list, page},
	{GET("/queries/{id}"), PERMISSION_AUTHOR, saved_show, NULL},
	{PUT("/queries/{id}"), PERMISSION_AUTHOR, saved_replace, NULL},
	{DELETE("/queries/{id}"), PERMISSION_AUTHOR, saved_delete, NULL},
	{GET("/queries/{id}/history"), PERMISSION_AUTHOR, saved_history, page},
	{GET("/snapshots/{id}"), PERMISSION_AUTHOR, snapshot_show, NULL},
	{GET("/budget"), PERMISSION_BUDGET_ADMIN, budget_serve, NULL},
	{{"GET", "/internal/sync/pull", access_serve, 0, 0},
	 PERMISSION_SERVICE,
	 pull_serve,
	 changes},
};

/* Without a token. */
static const struct httpd_route open_routes[] = {
	{"GET", "/openapi.json", openapi_serve, 0, 0},
};

/* With a token of a Google account. */
static const struct httpd_route scheduler_routes[] = {
	{"POST", "/internal/scheduler/etl", scheduler_door_serve, DOCUMENT_MAX, 0},
};

void routes_add(struct queryd *st)
{
	access_add_routes(st, routes, ARRAY_SIZE(routes));
	httpd_add_routes(st->http, open_routes, ARRAY_SIZE(open_routes), st);
	httpd_add_routes(st->http, scheduler_routes, ARRAY_SIZE(scheduler_routes), st);
}

/* ---- queryd routes */

static const struct {
	unsigned permission;
	const char *name;
} permission_names[] = {
	{PERMISSION_VIEWER, "viewer"},
	{PERMISSION_AUTHOR, "author"},
	{PERMISSION_ADMIN, "admin"},
	{PERMISSION_LOOKER_SHARE, "looker_share"},
	{PERMISSION_BUDGET_ADMIN, "budget_admin"},
	{PERMISSION_EMBEDDED, "embedded"},
	{PERMISSION_SERVICE, "service"},
};

static void print_route(const struct access_route *row)
{
	const char *separator = "";

	(void)printf("%s %s ", row->route.method, row->route.path);
	for (size_t i = 0; i < ARRAY_SIZE(permission_names); i++) {
		if ((row->permission & permission_names[i].permission) == 0)
			continue;
		(void)printf("%s%s", separator, permission_names[i].name);
		separator = "|";
	}
	for (const char *const *q = row->query; q != NULL && *q != NULL; q++)
		(void)printf(" %s", *q);
	(void)printf("\n");
}

int routes_print(struct daemon *d, void *state, int argc, char **argv, struct err *e)
{
	(void)state;
	(void)argv;
	if (argc > 0)
		return err_set(e, -EINVAL, "routes takes no arguments");
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		print_route(&routes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(open_routes); i++)
		(void)printf("%s %s none\n", open_routes[i].method, open_routes[i].path);
	for (size_t i = 0; i < ARRAY_SIZE(scheduler_routes); i++)
		(void)printf("%s %s scheduler\n", scheduler_routes[i].method,
			     scheduler_routes[i].path);
	daemon_quit(d, DAEMON_OK);
	return 0;
}
