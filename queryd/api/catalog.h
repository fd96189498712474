/*
 * GET metrics and GET projections: what there is, and how fresh it is. A projection is built of all
 * properties: who may see only some of them gets null for how far it is and what its last run did,
 * since that would say when, and how much, happens elsewhere.
 */
#ifndef QUERYD_API_CATALOG_H
#define QUERYD_API_CATALOG_H

#include "queryd/access.h"

/* Pages of lists: `limit` of a query string, 1 … PAGE_MAX. */
#define PAGE_MAX     100
#define PAGE_DEFAULT 50

/* -EINVAL: answered 400. */
int catalog_limit(const struct call *c, int64_t *ret) MUST_CHECK;

void catalog_list_metrics(const struct call *c);
void catalog_list_projections(const struct call *c);

#endif
