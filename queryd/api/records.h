/*
 * What the control database keeps about a tenant's data: results of quality checks, jobs. Row level
 * security shows each transaction one tenant's rows; another tenant's job is 404 like none.
 *
 * Checks and jobs are over all properties. Who may see only some of them gets the state of a check,
 * which every result tells too (`quality`), and of a job, but null for what was counted or dated:
 * it would say how much happens elsewhere, and when.
 */
#ifndef QUERYD_API_RECORDS_H
#define QUERYD_API_RECORDS_H

#include "queryd/access.h"

void records_list_quality(const struct call *c); /* GET data-quality?table&state */
void records_show_job(const struct call *c);     /* GET etl/jobs/{id} */

#endif
