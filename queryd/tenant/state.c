/* Reading a tenant's state; see state.h. */
#include "queryd/tenant/state.h"

#include "common/base/base.h"

enum { COLUMN_NOW, COLUMN_OLDEST, COLUMN_TABLE, COLUMN_VERSION };

int64_t state_version(const struct pgresult *r, size_t result, const char *table)
{
	for (size_t i = 0; i < pgresult_rows(r, result); i++) {
		const char *name = pgresult_text(r, result, i, COLUMN_TABLE);

		if (name != NULL && strcmp(name, table) == 0)
			return pgresult_i64(r, result, i, COLUMN_VERSION);
	}
	return 0;
}

int64_t state_now_us(const struct pgresult *r, size_t result)
{
	return pgresult_i64(r, result, 0, COLUMN_NOW);
}

int64_t state_oldest_us(const struct pgresult *r, size_t result)
{
	if (pgresult_text(r, result, 0, COLUMN_OLDEST) == NULL)
		return 0;
	return pgresult_i64(r, result, 0, COLUMN_OLDEST);
}
