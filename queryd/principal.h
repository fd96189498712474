/*
 * Who asks: tenant, user, what he may do and which properties he may see, read from verified
 * claims. The platform's services spell the same claim differently; each has one table of spellings
 * here. Unknown roles give nothing.
 */
#ifndef QUERYD_PRINCIPAL_H
#define QUERYD_PRINCIPAL_H

#include "common/base/json.h"

enum permission {
	PERMISSION_VIEWER = 1 << 0,
	PERMISSION_AUTHOR = 1 << 1,
	PERMISSION_ADMIN = 1 << 2,
	PERMISSION_LOOKER_SHARE = 1 << 3,
	PERMISSION_BUDGET_ADMIN = 1 << 4,
	PERMISSION_EMBEDDED = 1 << 5, /* of an embed token, which has no other */
	PERMISSION_SERVICE =
		1 << 6, /* of a service's token, which has no roles but `tenants`: one */
};

#define PRINCIPAL_PROPERTIES_MAX 1000

struct principal {
	char *tenant_id, *user_id;
	unsigned permissions;
	bool all_properties; /* else only these, sorted, without repeats */
	char **properties;
	size_t nproperties;
	char *roles;    /* those that are known, as an array literal of SQL: {manager,staff} */
	char *embedded; /* the one dashboard that an embed token opens; NULL: a user */
	/* what is signed and part of every cache key: "all", or the ids joined with commas */
	char *scope;
};

/* NULL with a reason when a claim is missing or malformed. */
struct principal *principal_new(const struct json *claims, struct err *e) MUST_CHECK;
/* The holder of an embed token, whose claims embed.c has verified: he reads one dashboard, within
 * the properties of the user who shared it. */
struct principal *principal_embedded(const struct json *claims, struct err *e) MUST_CHECK;
void principal_free(struct principal *p);
bool principal_known_role(const char *role);
bool principal_may_see(const struct principal *p, const char *property_id);

#endif
