/* The kinds of errands; see errand.h. */
#include "etld/job/errand.h"

#include "etld/build/build.h"
#include "etld/job/question.h"
#include "etld/job/refresh.h"
#include "etld/life/life.h"

static const struct errand_kind *const kinds[] = {
	&errand_refresh, &errand_backfill, &errand_purge,   &errand_erasure,
	&errand_region,  &errand_forecast, &errand_horizon,
};

const struct errand_kind *errand_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
}

const char *errand_kinds(enum errand_lane lane)
{
	static char lists[ERRAND_LANES][256];
	char *list = lists[lane];
	size_t size = sizeof(lists[0]), len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (lane != ERRANDS_ALL && kinds[i]->lasting != (lane == ERRANDS_LASTING))
			continue;
		ASSERT(len + strlen(kinds[i]->name) + 3 < size);
		len += (size_t)snprintf(list + len, size - len, "%c%s", len == 0 ? '{' : ',',
					kinds[i]->name);
	}
	(void)snprintf(list + len, size - len, "}");
	return list;
}
