/*
 * The gate in front of every endpoint: who calls, for which tenant, and may he. One table of routes
 * names the permission of each; a handler runs only when all of it holds.
 *
 *	no token, or a bad one			401 (an embed token anywhere but where it opens:
 *bad) X-Tenant-Id is another tenant		403 TENANT.MISMATCH the permission is missing
 *403 PERMISSION_DENIED the tenant was deleted			403 TENANT.NOT_FOUND more requests
 *than a tenant may send	429
 */
#ifndef QUERYD_ACCESS_H
#define QUERYD_ACCESS_H

#include "common/http/httpd.h"
#include "queryd/principal.h"
#include "queryd/queryd.h"

/* How many requests the tenant may still send in this second. Of a request that counts against
 * nobody it is the whole rate, which main.c sets. */
#define ACCESS_REMAINING "X-RateLimit-Remaining"

/* What a handler gets; the principal and the tenant are borrowed until the loop's next turn. */
struct call {
	struct queryd *st;
	struct httpd_request *http; /* NULL: nobody waits, a result is made ahead */
	const struct principal *principal;
	struct tenant *tenant;
};

struct access_route {
	struct httpd_route route; /* its handler is access_serve */
	unsigned permission;      /* any of these; with PERMISSION_EMBEDDED embed tokens open it */
	void (*handler)(const struct call *c);
	const char *const *query; /* names of the query parameters it takes, ended by NULL */
};

/* Adds the rows of the table, which is borrowed. */
void access_add_routes(struct queryd *st, const struct access_route *routes, size_t n);
void access_serve(struct httpd_request *r, void *arg); /* arg: struct queryd */

/* struct jwks_options' callbacks. */
void *access_principal(void *arg, const struct json *claims, struct err *e);
void access_drop(void *arg, void *principal);

#endif
