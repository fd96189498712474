/*
 * Structured queries over HTTP: one metric by its path, or several in a body. A client that goes
 * away, or a deadline that passes, cancels what was started.
 */
#ifndef QUERYD_API_STRUCTURED_H
#define QUERYD_API_STRUCTURED_H

#include "queryd/access.h"

void structured_compute(const struct call *c); /* POST metrics/{key}:compute */
void structured_run(const struct call *c);     /* POST queries:run */

#endif
