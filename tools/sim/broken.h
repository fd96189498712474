/*
 * Turns a good line into one that no reader may accept: not JSON, not UTF-8, without tenant, time,
 * id or subject, from the future, too large, or what Postgres' jsonb refuses.
 */
#ifndef SIM_BROKEN_H
#define SIM_BROKEN_H

#include "common/base/strbuf.h"
#include "tools/sim/rng.h"

void broken_make(struct rng *rng, struct strbuf *line);

#endif
