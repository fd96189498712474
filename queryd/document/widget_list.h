/*
 * Which widgets a caller sees of a dashboard, and what they ask: all that their data need of the
 * control database. It is remembered in this process for each caller, as a form of the cache, at
 * the version of the tenant's dashboards (analytics.dashboard_versions), and given again only while
 * Redis says, after the request has come, that this still is the version; else it is read. Whoever
 * changes a dashboard answers when Redis knows of it (change.h); what was missed, watch.h repairs.
 *
 * That something is not there, or not visible, or empty, is never remembered.
 */
#ifndef QUERYD_DOCUMENT_WIDGET_LIST_H
#define QUERYD_DOCUMENT_WIDGET_LIST_H

#include "queryd/access.h"

struct widget_lists;

struct widget_lists *widget_lists_new(void) MUST_CHECK;
void widget_lists_free(struct widget_lists *l);

struct widget_listed {
	const char *id, *kind, *title, *query, *revision;
};

struct widget_list {
	bool visible; /* the dashboard that was asked for */
	size_t n;
	const struct widget_listed *v; /* in order of their place */
};

/* The list lives as long as the request. */
typedef void (*widget_list_fn)(void *arg, const struct widget_list *list);
/* Of the dashboard, or (NULL) one widget wherever it is. fn is called once, never from inside the
 * call, unless the database fails: then the request is answered. Ids live as long as it does. */
void widget_list_read(const struct call *c, const char *dashboard, const char *widget,
		      widget_list_fn fn, void *arg);

#endif
