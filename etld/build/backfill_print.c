/* The differences between two versions, for people and for programs; see backfill.h. */
#include "etld/build/backfill.h"

#include "common/base/json.h"
#include "common/base/strbuf.h"

/* Columns of list_differences.sql. */
enum { TABLE_NAME, FIRST_NUMBER, SUMS = 10, SUMS_DIFFERING };

static const struct column {
	const char *name, *title;
	int width;
} numbers[] = {
	{"fromVersion", "from", 5},        {"toVersion", "to", 5},
	{"tenants", "tenants", 8},         {"tenantsDiffering", "differ", 7},
	{"rowsBefore", "rows before", 12}, {"rowsAfter", "after", 12},
	{"removed", "removed", 9},         {"added", "added", 9},
	{"changed", "changed", 9},
};

_Static_assert(FIRST_NUMBER + ARRAY_SIZE(numbers) == SUMS, "the columns of list_differences.sql");

static void print_json(struct strbuf *out, const struct pgresult *r, const char *projection,
		       const char *state)
{
	struct json_writer w;

	jw_init(&w, out);
	jw_object(&w);
	jw_key(&w, "projection");
	jw_str(&w, projection);
	jw_key(&w, "state");
	jw_str(&w, state);
	jw_key(&w, "tables");
	jw_array(&w);
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		jw_object(&w);
		jw_key(&w, "table");
		jw_str(&w, pgresult_text(r, 0, row, TABLE_NAME));
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			jw_key(&w, numbers[i].name);
			jw_raw(&w, pgresult_slice(r, 0, row, FIRST_NUMBER + i));
		}
		jw_key(&w, "sums");
		jw_raw(&w, pgresult_slice(r, 0, row, SUMS));
		jw_end(&w);
	}
	jw_end(&w);
	jw_end(&w);
	strbuf_append_char(out, '\n');
}

static void print_table(struct strbuf *out, const struct pgresult *r)
{
	strbuf_appendf(out, "%-24s", "table");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		strbuf_appendf(out, " %*s", numbers[i].width, numbers[i].title);
	strbuf_append_char(out, '\n');
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		const char *sums = pgresult_text(r, 0, row, SUMS_DIFFERING);

		strbuf_appendf(out, "%-24s", pgresult_text(r, 0, row, TABLE_NAME));
		for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
			const char *number = pgresult_text(r, 0, row, FIRST_NUMBER + i);

			strbuf_appendf(out, " %*s", numbers[i].width,
				       number != NULL ? number : "-");
		}
		strbuf_append_char(out, '\n');
		if (sums != NULL)
			strbuf_appendf(out, "  sums that differ: %s\n", sums);
	}
}

void backfill_print(const struct pgresult *differences, const char *projection, const char *state,
		    bool json)
{
	struct strbuf out = {.max = STRBUF_DEFAULT_MAX};

	if (json)
		print_json(&out, differences, projection, state);
	else
		print_table(&out, differences);
	(void)fwrite(out.ptr, 1, out.len, stdout);
	(void)fflush(stdout);
	strbuf_clear(&out);
}
