/* The table of endpoints; see routes.h. The colon verbs also answer as a last segment. */
#include "queryd/routes.h"

#include "queryd/catalog.h"
#include "queryd/explain.h"
#include "queryd/publish.h"
#include "queryd/records.h"
#include "queryd/structured.h"

#define API "/api/v1/analytics"
#define GET(path)                                   \
	{                                           \
		"GET", API path, access_serve, 0, 0 \
	}
#define POST(path, body_max)                                \
	{                                                   \
		"POST", API path, access_serve, body_max, 0 \
	}

static const char *const page[] = {"limit", "cursor", NULL};
static const char *const quality[] = {"limit", "cursor", "table", "state", NULL};
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
	{GET("/projections"), PERMISSION_VIEWER, catalog_list_projections, NULL},
	{POST("/projections/{key}:refresh", REQUEST_BODY_MAX), PERMISSION_ADMIN,
	 records_request_refresh, NULL},
	{POST("/projections/{key}/refresh", REQUEST_BODY_MAX), PERMISSION_ADMIN,
	 records_request_refresh, NULL},
	{GET("/data-quality"), PERMISSION_VIEWER, records_list_quality, quality},
	{GET("/etl/jobs/{id}"), PERMISSION_ADMIN, records_show_job, NULL},
};

void routes_add(struct queryd *st)
{
	access_add_routes(st, routes, ARRAY_SIZE(routes));
}
