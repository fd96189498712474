/* Tokens of services and of Pub/Sub; see callers.h. */
#include "ingestd/door/callers.h"

#include <errno.h>

#include "common/base/xalloc.h"

#define TOKENS_CACHED 1024

struct caller {
	char *name;
	struct caller_tenants tenants;
};

bool caller_may_send_for(const struct caller_tenants *t, struct slice tenant_id)
{
	for (size_t i = 0; i < t->n; i++) {
		if (slice_eq_str(tenant_id, t->ids[i]))
			return true;
	}
	return !t->limited;
}

static void caller_free(void *arg, void *principal)
{
	struct caller *c = principal;

	(void)arg;
	for (size_t i = 0; i < c->tenants.n; i++)
		free(c->tenants.ids[i]);
	free(c->tenants.ids);
	free(c->name);
	free(c);
}

static void *service_of(void *arg, const struct json *claims, struct err *e)
{
	const struct json *tenants = json_get(claims, "tenants");
	struct caller *c;
	const char *name;

	(void)arg;
	if (json_string(json_get(claims, "sub"), "sub", &name, e) < 0)
		return NULL;
	if (tenants != NULL && json_kind(tenants) != JSON_ARRAY) {
		(void)err_set(e, -EACCES, "tenants must be an array");
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(name);
	c->tenants.limited = tenants != NULL;
	c->tenants.ids = xcalloc(json_len(tenants), sizeof(*c->tenants.ids));
	for (size_t i = 0; i < json_len(tenants); i++) {
		const char *id;

		if (json_string(json_at(tenants, i), "tenants[]", &id, e) < 0) {
			caller_free(NULL, c);
			return NULL;
		}
		c->tenants.ids[c->tenants.n++] = xstrdup(id);
	}
	return c;
}

int callers_service(struct callers *c, const char *authorization, const struct caller_tenants **ret,
		    struct err *e)
{
	void *principal;
	int r = jwks_authenticate(c->services, authorization, &principal, e);

	if (r == 0)
		*ret = &((const struct caller *)principal)->tenants;
	return r;
}

int callers_push(struct callers *c, const char *authorization, const char *serverless,
		 struct err *e)
{
	const char *account;
	int r = oidc_authenticate(c->pushers, authorization, serverless, &account, e);

	return r == -EPERM ? -EACCES : r; /* of no interest to who tries */
}

/* ---- life */

static int open_services(struct callers *c, struct event_base *base,
			 const struct ingestd_config *conf, struct err *e)
{
	const char *issuers[] = {conf->token_issuer, NULL};

	return jwks_new(base,
			&(struct jwks_options){.source = conf->token_jwks,
					       .issuers = issuers[0][0] != '\0' ? issuers : NULL,
					       .audience = conf->token_audience,
					       .cache_max = TOKENS_CACHED,
					       .principal = service_of,
					       .drop = caller_free},
			&c->services, e);
}

int callers_open(struct callers *c, struct event_base *base, const struct ingestd_config *conf,
		 struct err *e)
{
	int r;

	if (conf->token_jwks[0] == '\0')
		return err_set(e, -EINVAL, "token_jwks is not set: no caller could be let in");
	r = open_services(c, base, conf, e);
	if (r < 0)
		return r;
	return oidc_new(base,
			&(struct oidc_options){.source = conf->push_jwks[0] != '\0'
								 ? conf->push_jwks
								 : conf->token_jwks,
					       .issuer = conf->push_issuer,
					       .audience = conf->push_audience,
					       .accounts = conf->push_emails,
					       .platform = strcmp(conf->oidc, "platform") == 0},
			&c->pushers, e);
}

void callers_close(struct callers *c)
{
	jwks_free(c->services);
	oidc_free(c->pushers);
}
