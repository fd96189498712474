/*
 * The HTTP doors: POST /v1/events (service token; one event, an array, NDJSON, or CloudEvents
 * structured, batch and binary) and POST /pubsub/push (Pub/Sub's OIDC token; wrapped and not). They
 * authenticate, take a body apart, hand each event to the intake and answer when the last outcome
 * is known, that is after the commit.
 */
#ifndef INGESTD_DOORS_H
#define INGESTD_DOORS_H

#include "common/http/httpd.h"
#include "ingestd/door/callers.h"
#include "ingestd/door/intake.h"

struct doors {
	struct callers *callers;
	struct intake *intake;
	struct metric_family *refused;
};

void doors_open(struct doors *d, struct callers *callers, struct intake *intake);
/* The routes; their handlers take the struct doors as argument. */
void doors_add_routes(struct doors *d, struct httpd *h);

#endif
