/* Rows as JSON; see adhoc_result.h. */
#include "queryd/adhoc/adhoc_result.h"

#include "common/base/num.h"

#define EXACT_MAX (INT64_C(1) << 53)

static const char *const type_names[] = {
	[PG_TYPE_BOOL] = "bool",     [PG_TYPE_INT] = "int64",
	[PG_TYPE_FLOAT] = "float64", [PG_TYPE_NUMERIC] = "numeric",
	[PG_TYPE_DATE] = "date",     [PG_TYPE_TIMESTAMP] = "datetime",
	[PG_TYPE_TEXT] = "string",   [PG_TYPE_TIMESTAMPTZ] = "timestamp",
};

const char *adhoc_result_twice(const struct pgresult *r, size_t i)
{
	for (size_t a = 0; a < pgresult_columns(r, i); a++) {
		for (size_t b = a + 1; b < pgresult_columns(r, i); b++) {
			if (strcmp(pgresult_column_name(r, i, a), pgresult_column_name(r, i, b)) ==
			    0)
				return pgresult_column_name(r, i, a);
		}
	}
	return NULL;
}

static void write_int(struct slice text, struct json_writer *w)
{
	int64_t v;

	if (num_i64(text, -EXACT_MAX, EXACT_MAX, &v) == 0)
		jw_i64(w, v);
	else
		jw_slice(w, text);
}

/* NaN and the infinities have no JSON number: they are strings. */
static void write_float(struct slice text, struct json_writer *w)
{
	double v;

	if (num_double(text, &v) == 0)
		jw_double(w, v);
	else
		jw_slice(w, text);
}

/* "2026-01-02 03:04:05.5+00", in the ISO style and UTC that every session has. */
static void write_time(struct slice text, struct json_writer *w)
{
	struct strbuf b = STRBUF_INIT;

	if (text.len < 19 || text.ptr[10] != ' ') { /* infinity, or before Christ */
		jw_slice(w, text);
		return;
	}
	strbuf_append(&b, text.ptr, 10);
	strbuf_append_char(&b, 'T');
	strbuf_append(&b, text.ptr + 11, text.len - 11);
	if (b.len > 3 && memcmp(b.ptr + b.len - 3, "+00", 3) == 0) {
		b.len -= 3;
		strbuf_append_char(&b, 'Z');
	}
	jw_slice(w, strbuf_slice(&b));
	strbuf_clear(&b);
}

static void write_value(enum pg_type type, struct slice text, struct json_writer *w)
{
	switch (type) {
	case PG_TYPE_BOOL:
		jw_bool(w, text.ptr[0] == 't');
		break;
	case PG_TYPE_INT:
		write_int(text, w);
		break;
	case PG_TYPE_FLOAT:
		write_float(text, w);
		break;
	case PG_TYPE_TIMESTAMP:
	case PG_TYPE_TIMESTAMPTZ:
		write_time(text, w);
		break;
	case PG_TYPE_NUMERIC:
	case PG_TYPE_DATE:
	case PG_TYPE_TEXT:
		jw_slice(w, text);
		break;
	}
}

static void write_row(const struct pgresult *r, size_t i, size_t row, struct json_writer *w)
{
	jw_object(w);
	for (size_t k = 0; k < pgresult_columns(r, i); k++) {
		jw_key(w, pgresult_column_name(r, i, k));
		if (pgresult_text(r, i, row, k) == NULL)
			jw_null(w);
		else
			write_value(pgresult_column_type(r, i, k), pgresult_slice(r, i, row, k), w);
	}
	jw_end(w);
}

void adhoc_result_write(const struct pgresult *r, size_t i, size_t max, struct json_writer *w)
{
	size_t rows = pgresult_rows(r, i);

	jw_key(w, "columns");
	jw_array(w);
	for (size_t k = 0; k < pgresult_columns(r, i); k++) {
		jw_object(w);
		jw_key(w, "name");
		jw_str(w, pgresult_column_name(r, i, k));
		jw_key(w, "type");
		jw_str(w, type_names[pgresult_column_type(r, i, k)]);
		jw_end(w);
	}
	jw_end(w);
	jw_key(w, "rows");
	jw_array(w);
	for (size_t row = 0; row < rows && row < max; row++)
		write_row(r, i, row, w);
	jw_end(w);
	jw_key(w, "truncated");
	jw_bool(w, rows > max);
}
