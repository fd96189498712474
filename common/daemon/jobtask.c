/* The task of a Cloud Run Job; see jobtask.h. */
#include "common/daemon/jobtask.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/num.h"

/* A number of the environment, or `fallback`; what is no number is no task either. */
static int number(const char *name, int fallback)
{
	const char *text = getenv(name);
	int64_t v;

	if (text == NULL)
		return fallback;
	return num_i64(slice_of(text), 0, 100000, &v) == 0 ? (int)v : -1;
}

int jobtask_read(const char *command, struct jobtask *ret, struct err *e)
{
	struct jobtask t = {
		.index = number("CLOUD_RUN_TASK_INDEX", 0),
		.count = number("CLOUD_RUN_TASK_COUNT", 1),
		.attempt = number("CLOUD_RUN_TASK_ATTEMPT", 0),
	};

	if (t.count < 1 || t.index < 0 || t.index >= t.count || t.attempt < 0)
		return err_set(e, -EINVAL,
			       "%s: there is no task %d of %d at attempt %d "
			       "(CLOUD_RUN_TASK_INDEX, _COUNT, _ATTEMPT: whole numbers from 0)",
			       command, t.index, t.count, t.attempt);
	*ret = t;
	return 0;
}
