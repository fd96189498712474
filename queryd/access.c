/* Authentication, tenant and permission; see access.h. */
#include "queryd/access.h"

#include <errno.h>

#include "common/auth/jwks.h"
#include "common/daemon/log.h"
#include "queryd/embed.h"

/* A request that waits until its tenant is known. */
struct waiting {
	struct queryd *st;
	struct httpd_request *http;
};

void *access_principal(void *arg, const struct json *claims, struct err *e)
{
	(void)arg;
	return principal_new(claims, e);
}

void access_drop(void *arg, void *principal)
{
	(void)arg;
	principal_free(principal);
}

void access_add_routes(struct queryd *st, const struct access_route *routes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		httpd_add_routes(st->http, &routes[i].route, 1, st);
}

/* The row that holds the matched route: its first member. */
static const struct access_route *row_of(const struct httpd_request *http)
{
	return (const struct access_route *)(const void *)httpd_matched(http);
}

static void drop_principal(void *principal)
{
	principal_free(principal);
}

/* The principal of the bearer token: 0, -EACCES, -EAGAIN. */
static int identify(struct queryd *st, struct httpd_request *http, void **ret, struct err *e)
{
	const struct queryd_config *conf = daemon_conf(st->daemon);
	const char *authorization = httpd_header(http, "Authorization");
	struct principal *p;

	if ((row_of(http)->permission & PERMISSION_EMBEDDED) == 0 || !embed_is(authorization))
		return jwks_authenticate(st->jwks, authorization, ret, e);
	p = embed_verify(conf->embed_key_file, authorization, e);
	if (p == NULL)
		return -EACCES;
	arena_defer(httpd_arena(http), drop_principal, p);
	*ret = p;
	return 0;
}

/* NULL: refused and answered. */
static const struct principal *authenticate(struct queryd *st, struct httpd_request *http)
{
	struct err e = ERR_INIT;
	const char *tenant = httpd_header(http, "X-Tenant-Id");
	void *found = NULL;
	const struct principal *p;
	int r = identify(st, http, &found, &e);

	if (r == -EAGAIN) {
		httpd_reply_problem(http, PROBLEM_UNAVAILABLE,
				    "The keys of tokens are not known yet.");
		return NULL;
	}
	if (r < 0) {
		log_debug("token refused", LOG_S("reason", e.msg),
			  LOG_S("correlation_id", httpd_correlation_id(http)),
			  LOG_TRACE(httpd_trace_id(http)));
		httpd_reply_problem(http, PROBLEM_AUTH_INVALID, "A valid bearer token is needed.");
		return NULL;
	}
	p = found;
	if (tenant != NULL && strcmp(tenant, p->tenant_id) != 0) {
		httpd_reply_problem(http, PROBLEM_TENANT_MISMATCH,
				    "X-Tenant-Id must be the tenant of the token.");
		return NULL;
	}
	if ((p->permissions & row_of(http)->permission) == 0) {
		httpd_reply_problem(http, PROBLEM_PERMISSION_DENIED,
				    "None of the token's roles permits this.");
		return NULL;
	}
	return p;
}

static bool known_query(const struct access_route *row, struct httpd_request *http)
{
	const char *name, *value;

	for (size_t i = 0; httpd_query_at(http, i, &name, &value); i++) {
		const char *const *known = row->query;

		while (known != NULL && *known != NULL && strcmp(*known, name) != 0)
			known++;
		if (known == NULL || *known == NULL) {
			httpd_reply_violations(
				http,
				&(struct problem_violation){name, "there is no such parameter"}, 1);
			return false;
		}
	}
	return true;
}

static void on_tenant_loaded(void *arg, const struct err *e)
{
	struct waiting *k = arg;

	if (e != NULL)
		httpd_reply_problem(k->http, PROBLEM_UNAVAILABLE,
				    "The tenant's data cannot be reached right now.");
	else
		access_serve(k->http, k->st);
}

static void set_remaining(struct httpd_request *http, int64_t left)
{
	char remaining[24];

	(void)snprintf(remaining, sizeof(remaining), "%lld", (long long)(left > 0 ? left : 0));
	httpd_set_header(http, ACCESS_REMAINING, remaining);
}

static void serve(const struct call *c)
{
	int64_t left = tenant_admit(c->tenant);

	set_remaining(c->http, left);
	if (tenant_deleted(c->tenant))
		httpd_reply_problem(c->http, PROBLEM_TENANT_NOT_FOUND, "The tenant was deleted.");
	else if (left < 0)
		httpd_reply_problem(c->http, PROBLEM_RATE_LIMITED,
				    "The tenant sends more requests than it may in one second.");
	else
		row_of(c->http)->handler(c);
}

void access_serve(struct httpd_request *http, void *arg)
{
	struct call c = {.st = arg, .http = http};

	if (!c.st->ready) {
		httpd_reply_problem(http, PROBLEM_UNAVAILABLE, "The service is starting.");
		return;
	}
	c.principal = authenticate(c.st, http);
	if (c.principal == NULL || !known_query(row_of(http), http))
		return;
	c.tenant = tenants_find(c.st->tenants, c.principal->tenant_id);
	if (c.tenant == NULL) {
		struct waiting *k = arena_alloc(httpd_arena(http), sizeof(*k));

		*k = (struct waiting){c.st, http};
		tenants_load(c.st->tenants, c.principal->tenant_id, on_tenant_loaded, k);
		return;
	}
	serve(&c);
}
