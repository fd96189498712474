/*
 * L1: which task of a Cloud Run Job this process is, as its environment says (CLOUD_RUN_TASK_INDEX
 * of CLOUD_RUN_TASK_COUNT, CLOUD_RUN_TASK_ATTEMPT): elsewhere the only one, at its first attempt.
 */
#ifndef COMMON_JOBTASK_H
#define COMMON_JOBTASK_H

#include "common/base/err.h"

struct jobtask {
	int index, count; /* 0 <= index < count */
	int attempt;      /* of this task, from 0 */
};

/* -EINVAL: there is no such task; `command` is named in the error. */
int jobtask_read(const char *command, struct jobtask *ret, struct err *e) MUST_CHECK;

#endif
