/*
 * Asking for a projection of the tenant to be built again. Before it starts the answer says what it
 * will be: the rows, the tenants and about how long; all of that from what the tenant itself has,
 * so that it says nothing of others. A refresh rebuilds every table of the projection's consumer.
 *
 * `rows` is what the profiles of the tables count, so that asking costs the same for any tenant: a
 * sum over its days. It is null for whoever may not see all properties, and so is the time.
 */
#ifndef QUERYD_API_REFRESH_H
#define QUERYD_API_REFRESH_H

#include "queryd/access.h"

void refresh_request(const struct call *c); /* POST projections/{key}:refresh */

#endif
