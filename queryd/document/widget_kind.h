/*
 * The kinds of widgets: what each can show, checked when a widget is saved, and how it wants its
 * result. One table; a sixth kind is a row and a function.
 */
#ifndef QUERYD_DOCUMENT_WIDGET_KIND_H
#define QUERYD_DOCUMENT_WIDGET_KIND_H

#include "queryd/compute/request.h"

struct widget_kind;

extern const char *const widget_kind_names[]; /* ended by NULL */

const struct widget_kind *widget_kind_find(const char *name); /* NULL: none */
/* Adds a violation for each thing in which the query does not fit the kind. */
void widget_kind_check(const struct widget_kind *k, const struct request *r, struct arena *a,
		       struct faults *f);
/* Writes the rows of a result, {columns, rows, …}, as the value that the kind shows. */
void widget_kind_write(const struct widget_kind *k, const struct json *result,
		       struct json_writer *w);

#endif
