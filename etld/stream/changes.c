/* Sums of rebuilds; see changes.h. */
#include "etld/stream/changes.h"

#include "etld/stream/pgarray.h"

/* Columns of a rebuild's rows: table_name, upserted, deleted, then the arrays. */
#define FIRST_ARRAY 3

void changes_init(struct table_change changes[CONSUMER_TABLES_MAX + 1], const struct consumer *c)
{
	for (size_t i = 0; i <= CONSUMER_TABLES_MAX; i++) {
		changes[i] = (struct table_change){.name = c->tables[i]};
		for (size_t a = 0; a < CHANGE_ARRAYS; a++)
			changes[i].arrays[a] = PGARRAY_EMPTY;
	}
}

static struct table_change *change_of(struct table_change *changes, const char *table)
{
	for (; changes->name != NULL; changes++) {
		if (strcmp(changes->name, table) == 0)
			return changes;
	}
	ASSERT(!"a rebuild wrote a table that its consumer does not list");
	return NULL;
}

void changes_add(struct table_change *changes, struct arena *arena, const struct pgresult *r,
		 size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++) {
		for (size_t row = 0; row < pgresult_rows(r, i); row++) {
			struct table_change *c = change_of(changes, pgresult_text(r, i, row, 0));

			c->upserted += pgresult_i64(r, i, row, 1);
			c->deleted += pgresult_i64(r, i, row, 2);
			for (size_t a = 0; a < CHANGE_ARRAYS; a++) {
				const char *more = pgresult_text(r, i, row, FIRST_ARRAY + a);

				if (more != NULL)
					c->arrays[a] = pgarray_join(arena, c->arrays[a],
								    arena_strdup(arena, more));
			}
		}
	}
}

int64_t changes_count(const struct pgresult *r, size_t first, size_t n)
{
	int64_t count = 0;

	for (size_t i = first; i < first + n; i++) {
		for (size_t row = 0; row < pgresult_rows(r, i); row++)
			count += pgresult_i64(r, i, row, 1) + pgresult_i64(r, i, row, 2);
	}
	return count;
}
