/*
 * Metrics of a tenant's own: definitions over the known parts, published and retired by its admins.
 * A published (key, version) never changes; the keys of the platform are the platform's.
 */
#ifndef QUERYD_API_PUBLISH_H
#define QUERYD_API_PUBLISH_H

#include "queryd/access.h"

void publish_metric(const struct call *c);  /* POST metrics */
void publish_archive(const struct call *c); /* POST metrics/{key}:archive {version, archivedAt?} */

#endif
