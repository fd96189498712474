/*
 * What a statement that passed the gate reads, as far as its text says: the views in its FROM, each
 * narrowed by the conditions on its days and its key, and the subqueries that run for each row of
 * others. A condition that is not understood narrows nothing.
 */
#ifndef QUERYD_ADHOC_GATE_READS_H
#define QUERYD_ADHOC_GATE_READS_H

#include "queryd/adhoc/gate_params.h"
#include "queryd/adhoc/gate_tree.h"
#include "queryd/cost/reads.h"

/* `select`: the members of the outermost SelectStmt; `today` in UTC. false: more tables or
 * subqueries than are counted. */
bool gate_reads_find(const struct gate_value *select, const struct gate_params *params,
		     int32_t today, struct reads *ret) MUST_CHECK;

#endif
