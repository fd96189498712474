/*
 * L3: calls of Google's services (Pub/Sub's push, Cloud Scheduler, Workflows): an OIDC token of an
 * account that is on our list, made for our audience.
 *
 * With `platform` Cloud Run's ingress verifies the tokens and hides their signature; then only the
 * claims are looked at, and only such a hidden signature is taken. Without it is refused like any
 * other that does not hold: which of the two is never guessed from a token.
 */
#ifndef COMMON_OIDC_H
#define COMMON_OIDC_H

#include "common/auth/jwks.h"

struct oidc;

struct oidc_options {         /* texts are copied */
	const char *source;   /* key set, as struct jwks_options */
	const char *issuer;   /* Google's stands for both of its spellings; "": any */
	const char *audience; /* required */
	const char *accounts; /* e-mail addresses, separated by commas; "": nobody gets in */
	bool platform;
};

/* -EINVAL when the platform should verify and this is not Cloud Run. */
int oidc_new(struct event_base *base, const struct oidc_options *o, struct oidc **ret,
	     struct err *e) MUST_CHECK;
void oidc_free(struct oidc *o); /* NULL is fine */

/* Who calls? The account; borrowed until the loop's next turn. `serverless` is
 * X-Serverless-Authorization (or NULL), which the platform looks at instead of Authorization when
 * it is there. -EACCES: refused (401), -EPERM: a good token of an account that is not on the list,
 * -EAGAIN: no keys yet (503); the reason is for the log. */
int oidc_authenticate(struct oidc *o, const char *authorization, const char *serverless,
		      const char **ret_account, struct err *e) MUST_CHECK;

#endif
