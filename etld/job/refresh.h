/*
 * Refresh: every key of a projection is touched, for one tenant or all. The scheduler rebuilds them
 * like any other touched keys, and the errand waits until none of them is left.
 */
#ifndef ETLD_REFRESH_H
#define ETLD_REFRESH_H

#include "etld/job/errand.h"

extern const struct errand_kind errand_refresh;

#endif
