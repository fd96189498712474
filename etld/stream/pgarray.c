/* Postgres array literals; see pgarray.h. */
#include "etld/stream/pgarray.h"

size_t pgarray_count(const char *literal)
{
	bool quoted = false;
	size_t n;

	if (literal == NULL || literal[0] != '{' || literal[1] == '}')
		return 0;
	n = 1;
	for (const char *p = literal + 1; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == ',' && !quoted)
			n++;
	}
	return n;
}

const char *pgarray_join(struct arena *a, const char *x, const char *y)
{
	size_t nx = pgarray_count(x), ny = pgarray_count(y);

	if (ny == 0)
		return nx == 0 ? PGARRAY_EMPTY : x;
	if (nx == 0)
		return y;
	return arena_printf(a, "%.*s,%s", (int)(strlen(x) - 1), x, y + 1);
}
