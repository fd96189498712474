/* Days that a statement names: literals, parameters, the current date, and sums of these. */
#ifndef QUERYD_ADHOC_GATE_DAYS_H
#define QUERYD_ADHOC_GATE_DAYS_H

#include "queryd/adhoc/gate_params.h"
#include "queryd/adhoc/gate_tree.h"

/* The day of an expression (of an instant: the one it lies in); false: not one that is known here.
 * `today` is that of CURRENT_DATE. */
bool gate_day_of(const struct gate_value *node, const struct gate_params *params, int32_t today,
		 int32_t *ret) MUST_CHECK;

#endif
