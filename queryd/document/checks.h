/*
 * Checks of a tenant's own over HTTP. Each takes the place of the platform's check of the same
 * table, kind and column, for this tenant: another threshold or severity, muted, or switched off.
 * Without it the platform's holds again.
 */
#ifndef QUERYD_DOCUMENT_CHECKS_H
#define QUERYD_DOCUMENT_CHECKS_H

#include "queryd/access.h"

void checks_create(const struct call *c);  /* POST data-quality/checks */
void checks_list(const struct call *c);    /* GET data-quality/checks */
void checks_show(const struct call *c);    /* GET data-quality/checks/{id} */
void checks_replace(const struct call *c); /* PUT data-quality/checks/{id} */
void checks_delete(const struct call *c);  /* DELETE data-quality/checks/{id} */

#endif
