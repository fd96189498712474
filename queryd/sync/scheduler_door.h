/*
 * POST /internal/scheduler/etl: Cloud Scheduler and Workflows ask for refreshes.
 *
 * Who: the OIDC token of an account in scheduler_emails, made for scheduler_audience
 * (common/auth/oidc.h). An account that is not listed gets 403; the scheduler's own headers prove
 * nothing.
 *
 * What: {"projections"?, "tenantId"?, "reason"?}. A job refreshes whatever one consumer builds, so
 * projections that are built together are one job. Without any, what is due: each consumer for
 * which landed events wait; the answer's list is empty when none do.
 *
 * Again: Cloud Scheduler sends at least once. Its job and the time it was due
 * (X-CloudScheduler-JobName, -ScheduleTime), or else an Idempotency-Key of any caller, name the
 * request: the same again answers the same jobs, whatever became of them, and another body under
 * that name is 409. A request with neither makes new jobs each time.
 */
#ifndef QUERYD_SYNC_SCHEDULER_DOOR_H
#define QUERYD_SYNC_SCHEDULER_DOOR_H

#include "queryd/queryd.h"

struct httpd_request;
struct oidc;

/* Opens what verifies its callers; ret NULL: no audience is set, and the door is shut (401). */
int scheduler_door_open(struct queryd *st, struct oidc **ret, struct err *e) MUST_CHECK;
void scheduler_door_serve(struct httpd_request *http, void *arg); /* arg: struct queryd */

#endif
