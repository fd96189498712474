/* Tokens of accounts; see oidc.h. */
#include "common/auth/oidc.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

#define TOKENS_CACHED 1024
#define GOOGLE        "https://accounts.google.com"
#define GOOGLE_BARE   "accounts.google.com" /* both spellings are documented for `iss` */

struct oidc {
	struct jwks *keys; /* NULL when the platform verifies */
	char *issuer, *audience;
	const char *issuers[3]; /* ended by NULL */
	char **accounts;        /* ended by NULL */
	char *marked;           /* the account of the last token that the platform verified */
};

/* The account that a verified token names, whoever it is. */
static char *account_of(const struct json *claims, struct err *e)
{
	const char *email;
	bool verified;

	if (json_string(json_get(claims, "email"), "email", &email, e) < 0 ||
	    json_bool(json_get(claims, "email_verified"), "email_verified", &verified, e) < 0)
		return NULL;
	if (!verified) {
		(void)err_set(e, -EACCES, "the account's address is not verified");
		return NULL;
	}
	return xstrdup(email);
}

static void *principal_of(void *arg, const struct json *claims, struct err *e)
{
	(void)arg;
	return account_of(claims, e);
}

static void drop(void *arg, void *principal)
{
	(void)arg;
	free(principal);
}

/* What is left to check when the platform has checked the signature. */
static int check_marked(struct oidc *o, const char *authorization, const char **ret, struct err *e)
{
	struct jwt_expect expect = {.issuers = o->issuers[0] != NULL ? o->issuers : NULL,
				    .audience = o->audience,
				    .now_s = clock_wall_us() / 1000000,
				    .leeway_s = JWT_LEEWAY_S};
	struct json *claims = NULL;
	struct slice token;
	int64_t end_s;
	int r;

	if (!jwt_bearer(authorization, &token))
		return err_set(e, -EACCES, "no bearer token");
	r = jwt_read_marked(token, &claims, e);
	if (r == 0)
		r = jwt_check_claims(claims, &expect, &end_s, e);
	if (r == 0) {
		free(o->marked);
		*ret = o->marked = account_of(claims, e);
		r = o->marked != NULL ? 0 : -EACCES;
	}
	json_free(claims);
	return r;
}

int oidc_authenticate(struct oidc *o, const char *authorization, const char *serverless,
		      const char **ret_account, struct err *e)
{
	void *principal;
	int r;

	if (o->keys == NULL) {
		r = check_marked(o, serverless != NULL ? serverless : authorization, ret_account,
				 e);
	} else {
		r = jwks_authenticate(o->keys, authorization, &principal, e);
		if (r == 0)
			*ret_account = principal;
	}
	if (r < 0)
		return r;
	for (char **allowed = o->accounts; *allowed != NULL; allowed++) {
		if (strcmp(*allowed, *ret_account) == 0)
			return 0;
	}
	return err_set(e, -EPERM, "the account is not on the list");
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

static int open_keys(struct oidc *o, struct event_base *base, const char *source, struct err *e)
{
	return jwks_new(base,
			&(struct jwks_options){.source = source,
					       .issuers = o->issuers[0] != NULL ? o->issuers : NULL,
					       .audience = o->audience,
					       .cache_max = TOKENS_CACHED,
					       .principal = principal_of,
					       .drop = drop},
			&o->keys, e);
}

int oidc_new(struct event_base *base, const struct oidc_options *options, struct oidc **ret,
	     struct err *e)
{
	struct oidc *o;
	int r;

	if (options->platform && getenv("K_SERVICE") == NULL)
		return err_set(e, -EINVAL,
			       "oidc = platform is for Cloud Run (K_SERVICE is not set): anywhere "
			       "else nobody has verified the tokens");
	o = xcalloc(1, sizeof(*o));
	o->issuer = xstrdup(options->issuer);
	o->audience = xstrdup(options->audience);
	o->accounts = split_list(options->accounts);
	if (o->issuer[0] != '\0')
		o->issuers[0] = o->issuer;
	if (strcmp(o->issuer, GOOGLE) == 0)
		o->issuers[1] = GOOGLE_BARE;
	r = options->platform ? 0 : open_keys(o, base, options->source, e);
	if (r < 0) {
		oidc_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

void oidc_free(struct oidc *o)
{
	if (o == NULL)
		return;
	jwks_free(o->keys);
	for (char **p = o->accounts; *p != NULL; p++)
		free(*p);
	free(o->accounts);
	free(o->issuer);
	free(o->audience);
	free(o->marked);
	free(o);
}
