/*
 * The part of a result that is the same for every reader until the data change: what is cached. Its
 * age, quality and cost are added when answering (answer.h).
 */
#ifndef QUERYD_COMPUTE_RESULT_H
#define QUERYD_COMPUTE_RESULT_H

#include "queryd/compute/run.h"
#include "queryd/compute/table.h"

/* Appends one JSON object. report NULL: nothing was read (a dry run). */
void result_write(const struct run *run, const struct table *t, const struct run_report *report,
		  struct strbuf *out);

#endif
