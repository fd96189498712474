/*
 * Sharing; see share.h. What is kept, also under the idempotency key, is the token's claims: the
 * token is signed from them each time, so the database never holds one.
 */
#include "queryd/document/share.h"

#include "common/base/clock.h"
#include "common/base/timestamp.h"
#include "queryd/document/body.h"
#include "queryd/document/change.h"
#include "queryd/document/dashboards.h"
#include "queryd/embed.h"
#include "sql_gen.h"

#define TTL_MIN_S   60
#define TTL_MAX_S   3600
#define ISSUER      "analytics-service"
#define EMBED_USER  "embed:"
#define ROLE_SUFFIX "_l" /* of the tenant's login for Looker */

static const struct body_member members[] = {
	{"audience", BODY_TEXT, true, 1, 200, NULL},
	{"ttlSeconds", BODY_INTEGER, true, TTL_MIN_S, TTL_MAX_S, NULL},
};

static const struct change_refusal refusals[] = {
	{"missing", &no_dashboard, PROBLEM_COUNT, NULL, NULL},
	{.name = NULL},
};

static void member(struct json_writer *w, const char *key, const char *value)
{
	jw_key(w, key);
	jw_str(w, value);
}

/* What the token says; in the request's arena. */
static const char *claims_of(const struct call *c, const char *share, const char *dashboard,
			     const char *audience, int64_t expires_s)
{
	const struct principal *p = c->principal;
	struct arena *a = httpd_arena(c->http);
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	const char *text;

	jw_init(&w, &out);
	jw_object(&w);
	member(&w, "iss", ISSUER);
	member(&w, "aud", audience);
	member(&w, "sub", arena_printf(a, EMBED_USER "%s", share));
	member(&w, "jti", share);
	member(&w, "tenantId", p->tenant_id);
	member(&w, "dashboardId", dashboard);
	jw_key(&w, "roles");
	jw_array(&w);
	jw_end(&w);
	if (p->all_properties) {
		member(&w, "properties", "all");
	} else {
		jw_key(&w, "propertyAccess");
		jw_array(&w);
		for (size_t i = 0; i < p->nproperties; i++)
			jw_str(&w, p->properties[i]);
		jw_end(&w);
	}
	jw_key(&w, "iat");
	jw_i64(&w, clock_wall_ms() / 1000);
	jw_key(&w, "exp");
	jw_i64(&w, expires_s);
	jw_end(&w);
	text = arena_strdup(a, strbuf_cstr(&out));
	strbuf_clear(&out);
	return text;
}

static void write_connection(struct json_writer *w, const struct call *c, const char *dashboard)
{
	struct arena *a = httpd_arena(c->http);

	jw_key(w, "connection");
	jw_object(w);
	member(w, "authorization", "Bearer");
	member(w, "dashboardData",
	       arena_printf(a, "/api/v1/analytics/dashboards/%s/data", dashboard));
	member(w, "widgetData", "/api/v1/analytics/widgets/{id}/data");
	jw_key(w, "looker");
	jw_object(w);
	member(w, "role", arena_printf(a, "%s" ROLE_SUFFIX, c->principal->tenant_id));
	member(w, "schema", "tenant_views");
	jw_end(w);
	jw_end(w);
}

/* document: the claims, as the database gives them back, the same each time. */
static void on_shared(const struct call *c, int status, struct slice document)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct arena *a = httpd_arena(c->http);
	struct strbuf out = STRBUF_INIT;
	struct json *claims = NULL;
	struct json_writer w;
	char expires[TIMESTAMP_TEXT_MAX];
	int64_t expires_s = 0;

	if (json_parse(document, REQUEST_BODY_MAX, &claims, NULL) < 0 ||
	    json_i64(json_get(claims, "exp"), "exp", 0, INT64_C(1) << 40, &expires_s, NULL) < 0) {
		json_free(claims);
		httpd_reply_problem(c->http, PROBLEM_INTERNAL, "The share cannot be read.");
		return;
	}
	timestamp_format(expires_s * 1000000, expires);
	jw_init(&w, &out);
	jw_object(&w);
	member(&w, "id", json_string_or_null(json_get(claims, "jti")));
	member(&w, "dashboardId", json_string_or_null(json_get(claims, "dashboardId")));
	member(&w, "audience", json_string_or_null(json_get(claims, "aud")));
	member(&w, "expiresAt", expires);
	member(&w, "token", embed_sign(conf->embed_key_file, document, a));
	write_connection(&w, c, json_string_or_null(json_get(claims, "dashboardId")));
	jw_end(&w);
	json_free(claims);
	httpd_reply_json(c->http, status, &out);
	strbuf_clear(&out);
}

/* Of the event's payload. */
static const char *told(const struct call *c, const char *audience, const char *expires)
{
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;
	const char *text;

	jw_init(&w, &out);
	jw_object(&w);
	member(&w, "audience", audience);
	member(&w, "expiresAt", expires);
	jw_end(&w);
	text = arena_strdup(httpd_arena(c->http), strbuf_cstr(&out));
	strbuf_clear(&out);
	return text;
}

void share_dashboard(const struct call *c)
{
	const struct queryd_config *conf = daemon_conf(c->st->daemon);
	struct arena *a = httpd_arena(c->http);
	const char **params = arena_alloc(a, 5 * sizeof(*params));
	const char *dashboard = dashboards_id(c), *key;
	char expires[TIMESTAMP_TEXT_MAX];
	int64_t ttl_s, expires_s;
	struct body b;

	if (dashboard == NULL || !change_key(c, &key))
		return;
	body_read(c, members, ARRAY_SIZE(members), &b);
	if (body_refused(c, &b, PROBLEM_VALIDATION_FAILED))
		return;
	if (conf->embed_key_file[0] == '\0') {
		httpd_reply_problem(c->http, PROBLEM_UNAVAILABLE,
				    "Sharing is not set up: embed_key_file is empty.");
		return;
	}
	if (json_i64(json_get(b.root, "ttlSeconds"), "ttlSeconds", 0, TTL_MAX_S, &ttl_s, NULL) < 0)
		ASSERT(!"checked before");
	expires_s = clock_wall_ms() / 1000 + ttl_s;
	timestamp_format(expires_s * 1000000, expires);
	params[0] = change_new_id(c, "shr");
	params[1] = dashboard;
	params[2] = json_string_or_null(json_get(b.root, "audience"));
	params[3] = claims_of(c, params[0], dashboard, params[2], expires_s);
	params[4] = arena_strdup(a, expires);
	change_start(c, &(struct change){.operation = "dashboards.share",
					 .status = 200,
					 .effect = {&SQL_queryd_share_dashboard, params},
					 .subject = DASHBOARD_SHARED,
					 .more = told(c, params[2], expires),
					 .refusals = refusals,
					 .reply = on_shared});
}
