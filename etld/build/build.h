/*
 * Backfill: the next version of a projection is built beside the live one, compared, and switched
 * to (versions.h); or, with `from` or `to` in its parameters, the keys that the events of those
 * days have touched are refreshed where they are. With `hold` it is not switched to. With `reread`
 * the typed events that all is built from are made again from raw (warehouse migration 0050), in
 * portions between those of the build; what that changes is in the live version at once.
 */
#ifndef ETLD_BUILD_H
#define ETLD_BUILD_H

#include "etld/job/errand.h"

extern const struct errand_kind errand_backfill;

#endif
