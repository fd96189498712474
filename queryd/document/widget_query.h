/*
 * The query of a widget as a reader asks for it: the saved one, with other dates and for fewer
 * properties when he says so. `property` narrows: what the widget itself leaves out stays out.
 */
#ifndef QUERYD_DOCUMENT_WIDGET_QUERY_H
#define QUERYD_DOCUMENT_WIDGET_QUERY_H

#include "queryd/access.h"
#include "queryd/compute/request.h"

#define WIDGET_PROPERTIES_MAX 100

/* from, to and property… of a query string. */
struct widget_choice {
	const char *from, *to;                         /* NULL: the saved dates */
	const char *properties[WIDGET_PROPERTIES_MAX]; /* canonical */
	size_t n;
};

/* false: answered 400, or 403 for a property outside the caller's scope. The choice's texts live as
 * long as the request. */
bool widget_choice_read(const struct call *c, struct widget_choice *ret);
/* The query to run, for json_free(); NULL: the choice lies outside the saved query's properties. */
struct json *widget_query(const struct json *saved, const struct widget_choice *choice) MUST_CHECK;

#endif
