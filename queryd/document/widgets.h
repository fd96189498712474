/*
 * Widgets over HTTP: a query and a place on a dashboard. A widget is checked when it is saved, its
 * query against the metrics and its kind, its place against the other widgets; it is part of its
 * dashboard and never seen without it.
 */
#ifndef QUERYD_DOCUMENT_WIDGETS_H
#define QUERYD_DOCUMENT_WIDGETS_H

#include "queryd/access.h"

#define WIDGET_PREFIX "wid"

void widgets_create(const struct call *c);  /* POST dashboards/{id}/widgets */
void widgets_replace(const struct call *c); /* PUT dashboards/{id}/widgets/{wid} */
void widgets_delete(const struct call *c);  /* DELETE dashboards/{id}/widgets/{wid} */

#endif
