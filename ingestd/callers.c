/* Tokens of services and of Pub/Sub; see callers.h. */
#include "ingestd/callers.h"

#include <errno.h>

#include "common/clock.h"
#include "common/xalloc.h"

#define TOKENS_CACHED 1024
#define GOOGLE        "https://accounts.google.com"
#define GOOGLE_BARE   "accounts.google.com" /* both spellings are documented for `iss` */

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

/* Is it an account that may push? ret_email is the claims'. */
static int check_account(const struct callers *c, const struct json *claims, const char **ret_email,
			 struct err *e)
{
	bool verified;

	if (json_string(json_get(claims, "email"), "email", ret_email, e) < 0 ||
	    json_bool(json_get(claims, "email_verified"), "email_verified", &verified, e) < 0)
		return -EACCES;
	for (char **allowed = c->push_emails; verified && *allowed != NULL; allowed++) {
		if (strcmp(*allowed, *ret_email) == 0)
			return 0;
	}
	return err_set(e, -EACCES, "the account may not push");
}

static void *pusher_of(void *arg, const struct json *claims, struct err *e)
{
	struct caller *c;
	const char *email;

	if (check_account(arg, claims, &email, e) < 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->name = xstrdup(email);
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

/* What is left to check when the platform has checked the signature. */
static int check_marked(const struct callers *c, const char *authorization, struct err *e)
{
	struct jwt_expect expect = {.issuers = c->push_issuers[0] != NULL ? c->push_issuers : NULL,
				    .audience = c->push_audience,
				    .now_s = clock_wall_us() / 1000000,
				    .leeway_s = JWT_LEEWAY_S};
	struct json *claims = NULL;
	struct slice token;
	const char *email;
	int64_t end_s;
	int r;

	if (!jwt_bearer(authorization, &token))
		return err_set(e, -EACCES, "no bearer token");
	r = jwt_read_marked(token, &claims, e);
	if (r == 0)
		r = jwt_check_claims(claims, &expect, &end_s, e);
	if (r == 0)
		r = check_account(c, claims, &email, e);
	json_free(claims);
	return r;
}

int callers_push(struct callers *c, const char *authorization, const char *serverless,
		 struct err *e)
{
	void *principal;

	if (c->pushers == NULL)
		return check_marked(c, serverless != NULL ? serverless : authorization, e);
	return jwks_authenticate(c->pushers, authorization, &principal, e);
}

/* ---- life */

static char **split_list(const char *list)
{
	char **items = xcalloc(strlen(list) / 2 + 2, sizeof(*items));
	size_t n = 0;

	while (*list != '\0') {
		size_t len = strcspn(list, ", ");

		if (len != 0)
			items[n++] = xstrndup(list, len);
		list += len + (list[len] != '\0');
	}
	return items;
}

static int open_keys(struct event_base *base, const char *source, const char *const *issuers,
		     const char *audience,
		     void *(*principal)(void *, const struct json *, struct err *), void *arg,
		     struct jwks **ret, struct err *e)
{
	return jwks_new(base,
			&(struct jwks_options){.source = source,
					       .issuers = issuers[0] != NULL ? issuers : NULL,
					       .audience = audience,
					       .cache_max = TOKENS_CACHED,
					       .principal = principal,
					       .drop = caller_free,
					       .arg = arg},
			ret, e);
}

static int open_pushers(struct callers *c, struct event_base *base,
			const struct ingestd_config *conf, struct err *e)
{
	const char *source = conf->push_jwks[0] != '\0' ? conf->push_jwks : conf->token_jwks;

	if (strcmp(conf->oidc, "platform") != 0)
		return open_keys(base, source, c->push_issuers, conf->push_audience, pusher_of, c,
				 &c->pushers, e);
	if (getenv("K_SERVICE") == NULL)
		return err_set(e, -EINVAL,
			       "oidc = platform is for Cloud Run (K_SERVICE is not set): anywhere "
			       "else nobody has verified the tokens");
	return 0;
}

int callers_open(struct callers *c, struct event_base *base, const struct ingestd_config *conf,
		 struct err *e)
{
	int r;

	if (conf->token_issuer[0] != '\0')
		c->service_issuers[0] = conf->token_issuer;
	if (conf->push_issuer[0] != '\0')
		c->push_issuers[0] = conf->push_issuer;
	if (strcmp(conf->push_issuer, GOOGLE) == 0)
		c->push_issuers[1] = GOOGLE_BARE;
	c->push_audience = conf->push_audience;
	c->push_emails = split_list(conf->push_emails);
	if (conf->token_jwks[0] == '\0')
		return err_set(e, -EINVAL, "token_jwks is not set: no caller could be let in");
	r = open_keys(base, conf->token_jwks, c->service_issuers, conf->token_audience, service_of,
		      c, &c->services, e);
	return r == 0 ? open_pushers(c, base, conf, e) : r;
}

void callers_close(struct callers *c)
{
	jwks_free(c->services);
	jwks_free(c->pushers);
	for (char **p = c->push_emails; p != NULL && *p != NULL; p++)
		free(*p);
	free(c->push_emails);
}
