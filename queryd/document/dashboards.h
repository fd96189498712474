/*
 * Dashboards over HTTP. Who sees one is its scope's matter (tenant: all; property: who may see it;
 * role: who has one of its roles; user: its owner, who always does); who sees it and is an author
 * may change it. Every change, of its widgets too, is a revision.
 */
#ifndef QUERYD_DOCUMENT_DASHBOARDS_H
#define QUERYD_DOCUMENT_DASHBOARDS_H

#include "queryd/access.h"

#define DASHBOARD_PREFIX  "dsh"
#define DASHBOARD_CREATED "melmastoon.analytics.dashboard.created.v1"
#define DASHBOARD_UPDATED "melmastoon.analytics.dashboard.updated.v1"
#define DASHBOARD_SHARED  "melmastoon.analytics.dashboard.shared.v1"

void dashboards_create(const struct call *c);        /* POST dashboards */
void dashboards_list(const struct call *c);          /* GET dashboards */
void dashboards_show(const struct call *c);          /* GET dashboards/{id} */
void dashboards_replace(const struct call *c);       /* PUT dashboards/{id} */
void dashboards_delete(const struct call *c);        /* DELETE dashboards/{id} */
void dashboards_history(const struct call *c);       /* GET dashboards/{id}/history */
void dashboards_show_revision(const struct call *c); /* GET dashboards/{id}/history/{revision} */

/* {id} of the path, or NULL: answered 404. */
const char *dashboards_id(const struct call *c);

#endif
