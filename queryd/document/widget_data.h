/*
 * What widgets show: of one, or of all on a dashboard in one call. On a dashboard each widget has
 * its own ETag, status and error; one that fails never fails the others. A widget is read through
 * the dashboard it is on: who does not see that does not see it. Embed tokens open these two.
 */
#ifndef QUERYD_DOCUMENT_WIDGET_DATA_H
#define QUERYD_DOCUMENT_WIDGET_DATA_H

#include "queryd/access.h"
#include "queryd/compute/answer.h"

void widget_data_one(const struct call *c); /* GET widgets/{id}/data */
void widget_data_all(const struct call *c); /* GET dashboards/{id}/data */

#endif
