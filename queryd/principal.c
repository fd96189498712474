/* From claims to a principal; see principal.h. */
#include "queryd/principal.h"

#include <errno.h>

#include "common/base/ulid.h"
#include "common/base/xalloc.h"
#include "queryd/property_id.h"

#define TENANT_PREFIX "tnt_"

static const struct {
	const char *role;
	unsigned permissions;
	bool all_properties; /* without a list: all of the tenant */
} roles[] = {
	{"staff", PERMISSION_VIEWER, false},
	{"manager", PERMISSION_VIEWER | PERMISSION_AUTHOR, false},
	{"tenant.admin",
	 PERMISSION_VIEWER | PERMISSION_AUTHOR | PERMISSION_ADMIN | PERMISSION_LOOKER_SHARE, true},
	{"tenant.owner",
	 PERMISSION_VIEWER | PERMISSION_AUTHOR | PERMISSION_ADMIN | PERMISSION_LOOKER_SHARE |
		 PERMISSION_BUDGET_ADMIN,
	 true},
};

/* The spellings of one claim, in order; the first that is there counts. */
static const struct json *claim(const struct json *claims, const char *const *names)
{
	for (; *names != NULL; names++) {
		const struct json *v = json_get(claims, *names);

		if (v != NULL && json_kind(v) != JSON_NULL)
			return v;
	}
	return NULL;
}

static const char *const user_claims[] = {"sub", "userId", NULL};
static const char *const tenant_claims[] = {"tenantId", "tid", "tenant_id", NULL};
static const char *const property_claims[] = {"propertyAccess", "property_ids", "propertyScope",
					      NULL};

static bool is_tenant_id(const char *id)
{
	struct slice s = slice_of(id);

	if (!slice_starts(s, TENANT_PREFIX))
		return false;
	s.ptr += sizeof(TENANT_PREFIX) - 1;
	s.len -= sizeof(TENANT_PREFIX) - 1;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] >= 'a' &&
		    s.ptr[i] <= 'z') /* a role's name: exactly the canonical form */
			return false;
	}
	return ulid_valid(s);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_roles(struct principal *p, const struct json *list, bool *ret_all, struct err *e)
{
	struct strbuf known = STRBUF_INIT;

	if (list == NULL || json_kind(list) != JSON_ARRAY)
		return err_set(e, -EACCES, "roles must be an array");
	strbuf_append_char(&known, '{');
	for (size_t r = 0; r < ARRAY_SIZE(roles); r++) {
		if (!json_has(list, roles[r].role))
			continue;
		p->permissions |= roles[r].permissions;
		*ret_all |= roles[r].all_properties;
		strbuf_appendf(&known, "%s%s", known.len > 1 ? "," : "", roles[r].role);
	}
	strbuf_append_char(&known, '}');
	p->roles = strbuf_take(&known);
	return 0;
}

static int read_properties(struct principal *p, const struct json *list, struct err *e)
{
	size_t n;

	if (json_kind(list) != JSON_ARRAY || json_len(list) > PRINCIPAL_PROPERTIES_MAX)
		return err_set(e, -EACCES, "the property list must be an array of at most %d ids",
			       PRINCIPAL_PROPERTIES_MAX);
	n = json_len(list);
	p->properties = xcalloc(n, sizeof(*p->properties));
	for (size_t i = 0; i < n; i++) {
		const char *given = json_string_or_null(json_at(list, i));
		char id[PROPERTY_ID_MAX + 1];

		if (given == NULL || property_id_canonical(given, id) < 0)
			return err_set(e, -EACCES,
				       "the property list holds something that is no id");
		p->properties[p->nproperties++] = xstrdup(id);
	}
	qsort(p->properties, p->nproperties, sizeof(*p->properties), compare);
	for (size_t i = n = 0; i < p->nproperties; i++) {
		if (n > 0 && strcmp(p->properties[n - 1], p->properties[i]) == 0)
			free(p->properties[i]);
		else
			p->properties[n++] = p->properties[i];
	}
	p->nproperties = n;
	return 0;
}

static char *scope_text(const struct principal *p)
{
	struct strbuf b = STRBUF_INIT;

	if (p->all_properties)
		strbuf_append_str(&b, "all");
	for (size_t i = 0; i < p->nproperties; i++) {
		if (i > 0)
			strbuf_append_char(&b, ',');
		strbuf_append_str(&b, p->properties[i]);
	}
	return strbuf_take(&b);
}

/* A service acts for the tenant that its token lists. */
static const struct json *tenant_of_service(const struct json *claims)
{
	const struct json *tenants = json_get(claims, "tenants");

	return json_get(claims, "roles") == NULL && json_kind(tenants) == JSON_ARRAY &&
			       json_len(tenants) == 1
		       ? json_at(tenants, 0)
		       : NULL;
}

struct principal *principal_new(const struct json *claims, struct err *e)
{
	const struct json *served = tenant_of_service(claims);
	const struct json *list = claim(claims, property_claims);
	struct principal *p = xcalloc(1, sizeof(*p));
	const char *tenant, *user;
	bool all = false;

	if (json_string(served != NULL ? served : claim(claims, tenant_claims), "tenantId", &tenant,
			e) < 0 ||
	    json_string(claim(claims, user_claims), "sub", &user, e) < 0)
		goto refused;
	if (served != NULL) {
		p->permissions = PERMISSION_SERVICE;
		p->roles = xstrdup("{}");
		all = true;
	} else if (read_roles(p, json_get(claims, "roles"), &all, e) < 0) {
		goto refused;
	}
	if (!is_tenant_id(tenant)) {
		(void)err_set(e, -EACCES, "tenantId is not a canonical tenant id");
		goto refused;
	}
	p->tenant_id = xstrdup(tenant);
	p->user_id = xstrdup(user);
	p->all_properties = list == NULL && all;
	if (list != NULL && read_properties(p, list, e) < 0)
		goto refused;
	p->scope = scope_text(p);
	return p;

refused:
	principal_free(p);
	return NULL;
}

struct principal *principal_embedded(const struct json *claims, struct err *e)
{
	struct principal *p = principal_new(claims, e);
	const char *dashboard;

	if (p == NULL)
		return NULL;
	if (json_string(json_get(claims, "dashboardId"), "dashboardId", &dashboard, e) < 0) {
		principal_free(p);
		return NULL;
	}
	p->permissions = PERMISSION_EMBEDDED;
	p->embedded = xstrdup(dashboard);
	if (json_is(json_get(claims, "properties"), "all")) {
		p->all_properties = true;
		free(p->scope);
		p->scope = scope_text(p);
	}
	return p;
}

void principal_free(struct principal *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->nproperties; i++)
		free(p->properties[i]);
	free(p->properties);
	free(p->tenant_id);
	free(p->user_id);
	free(p->roles);
	free(p->embedded);
	free(p->scope);
	free(p);
}

bool principal_known_role(const char *role)
{
	for (size_t r = 0; r < ARRAY_SIZE(roles); r++) {
		if (strcmp(roles[r].role, role) == 0)
			return true;
	}
	return false;
}

bool principal_may_see(const struct principal *p, const char *property_id)
{
	if (p->all_properties || p->nproperties == 0) /* none: nothing to search in */
		return p->all_properties;
	return bsearch(&property_id, p->properties, p->nproperties, sizeof(*p->properties),
		       compare) != NULL;
}
