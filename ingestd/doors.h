/*
 * The HTTP doors: POST /v1/events (service token; one event, an array, NDJSON or CloudEvents) and
 * POST /pubsub/push (Pub/Sub's OIDC token; wrapped). They authenticate, take a body apart, hand
 * each event to the intake and answer when the last outcome is known, that is after the commit.
 */
#ifndef INGESTD_DOORS_H
#define INGESTD_DOORS_H

#include "common/httpd.h"
#include "common/jwks.h"
#include "ingestd/config.h"
#include "ingestd/intake.h"

struct doors {
	struct jwks *service_tokens, *push_tokens;
	struct intake *intake;
	const char *service_issuers[2], *push_issuers[2]; /* each ended by NULL */
	char **push_emails;                               /* ended by NULL */
	struct metric_family *refused;
};

int doors_open(struct doors *d, struct event_base *base, const struct ingestd_config *conf,
	       struct intake *intake, struct err *e) MUST_CHECK;
void doors_close(struct doors *d);
/* The routes; their handlers take the struct doors as argument. */
void doors_add_routes(struct doors *d, struct httpd *h);

#endif
