/*
 * Who may hand in events: services by their tokens, each for all tenants or for those that its
 * token lists, and Pub/Sub's push by the token of an allowed account.
 */
#ifndef INGESTD_CALLERS_H
#define INGESTD_CALLERS_H

#include "common/auth/jwks.h"
#include "common/auth/oidc.h"
#include "ingestd/config.h"

/* The tenants a caller may send for; not limited = all. */
struct caller_tenants {
	bool limited;
	char **ids;
	size_t n;
};

bool caller_may_send_for(const struct caller_tenants *t, struct slice tenant_id);

struct callers {
	struct jwks *services;
	struct oidc *pushers;
};

/* c is zeroed, and closed by callers_close also when this fails. */
int callers_open(struct callers *c, struct event_base *base, const struct ingestd_config *conf,
		 struct err *e) MUST_CHECK;
void callers_close(struct callers *c);

/* The tenants of a service's token; borrowed until the loop's next turn. -EACCES: refused (401),
 * -EAGAIN: no keys yet (503); the reason is for the log. */
int callers_service(struct callers *c, const char *authorization, const struct caller_tenants **ret,
		    struct err *e) MUST_CHECK;
/* May this be a push? The same errors. `serverless` is X-Serverless-Authorization (or NULL), which
 * the platform looks at instead of Authorization when it is there. */
int callers_push(struct callers *c, const char *authorization, const char *serverless,
		 struct err *e) MUST_CHECK;

#endif
