/* The kinds of errands; see errand.h. */
#include "etld/errand.h"

#include "etld/life.h"
#include "etld/refresh.h"

static const struct errand_kind *const kinds[] = {
	&errand_refresh,
	&errand_purge,
	&errand_erasure,
	&errand_region,
};

const struct errand_kind *errand_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	}
	return NULL;
}

const char *errand_kinds(void)
{
	static char list[256];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT(len + strlen(kinds[i]->name) + 3 < sizeof(list));
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%c%s", i == 0 ? '{' : ',',
					kinds[i]->name);
	}
	(void)snprintf(list + len, sizeof(list) - len, "}");
	return list;
}
