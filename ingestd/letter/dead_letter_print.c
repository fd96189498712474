/* Printing dead letters; see dead_letter_print.h. */
#include "ingestd/letter/dead_letter_print.h"

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/utf8.h"

/* Columns of list_dead_letters.sql, then those that only read_dead_letter.sql has. width: in the
 * table; 0: not there. */
static const struct column {
	const char *name;
	int width;
	bool number;
} columns[] = {
	{"id", 31, false},        {"reason", 18, false},       {"severity", 0, false},
	{"subject", 44, false},   {"tenantId", 31, false},     {"producer", 0, false},
	{"eventId", 0, false},    {"source", 0, false},        {"place", 40, false},
	{"times", 7, true},       {"bytes", 9, true},          {"firstSeen", 0, false},
	{"lastSeen", 25, false},  {"triedAt", 0, false},       {"state", 13, false},
	{"replayedAt", 0, false}, {"replayOutcome", 0, false}, {"acknowledgedAt", 0, false},
	{"attributes", 0, false}, {"message", 0, false},
};
#define LISTED      15
#define BODY_COLUMN ARRAY_SIZE(columns) /* read_dead_letter.sql has it last */

/* Text of events may hold anything, so none of it reaches a terminal as it is. */
static void append_safe(struct slice s, struct strbuf *out)
{
	struct strbuf quoted = STRBUF_INIT;

	strbuf_append_json(&quoted, s);
	strbuf_append(out, quoted.ptr + 1, quoted.len - 2);
	strbuf_clear(&quoted);
}

static void append_cell(struct slice s, int width, struct strbuf *out)
{
	size_t start = out->len;

	append_safe(s, out);
	if (out->len > start + (size_t)width) /* the whole is in --json */
		out->len = start + (size_t)width;
	while (out->len <= start + (size_t)width)
		strbuf_append_char(out, ' ');
}

static void write_members(struct json_writer *w, const struct pgresult *r, size_t row, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		jw_key(w, columns[i].name);
		if (pgresult_text(r, 0, row, i) == NULL)
			jw_null(w);
		else if (columns[i].number)
			jw_raw(w, pgresult_slice(r, 0, row, i));
		else
			jw_slice(w, pgresult_slice(r, 0, row, i));
	}
}

static void print_table(const struct pgresult *r, struct strbuf *out)
{
	for (size_t i = 0; i < LISTED; i++) {
		if (columns[i].width > 0)
			append_cell(slice_of(columns[i].name), columns[i].width, out);
	}
	strbuf_append_char(out, '\n');
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		for (size_t i = 0; i < LISTED; i++) {
			if (columns[i].width > 0)
				append_cell(pgresult_slice(r, 0, row, i), columns[i].width, out);
		}
		strbuf_append_char(out, '\n');
	}
}

void dead_letter_print_list(const struct pgresult *r, bool json, struct strbuf *out)
{
	struct json_writer w;

	if (!json) {
		print_table(r, out);
		return;
	}
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		jw_init(&w, out);
		jw_object(&w);
		write_members(&w, r, row, LISTED);
		jw_end(&w);
		strbuf_append_char(out, '\n');
	}
}

void dead_letter_bytes(struct slice base64, struct strbuf *out)
{
	size_t len = 0;

	strbuf_reserve(out, base64.len);
	if (hash_base64_decode(base64, (unsigned char *)out->ptr + out->len, &len) == 0)
		out->len += len;
}

void dead_letter_print_bytes(const struct pgresult *r, struct strbuf *out)
{
	dead_letter_bytes(pgresult_slice(r, 0, 0, BODY_COLUMN), out);
}

void dead_letter_print_one(const struct pgresult *r, bool json, struct strbuf *out)
{
	struct strbuf body = STRBUF_INIT;
	struct slice base64 = pgresult_slice(r, 0, 0, BODY_COLUMN);
	bool text;
	struct json_writer w;

	dead_letter_bytes(base64, &body);
	text = utf8_valid(strbuf_slice(&body));
	if (json) {
		jw_init(&w, out);
		jw_object(&w);
		write_members(&w, r, 0, ARRAY_SIZE(columns));
		jw_key(&w, text ? "body" : "bodyBase64");
		jw_slice(&w, text ? strbuf_slice(&body) : base64);
		jw_end(&w);
		strbuf_append_char(out, '\n');
	} else {
		for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
			strbuf_appendf(out, "%-15s ", columns[i].name);
			append_safe(pgresult_slice(r, 0, 0, i), out);
			strbuf_append_char(out, '\n');
		}
		strbuf_appendf(out, "%-15s ", text ? "body" : "bodyBase64");
		append_safe(text ? strbuf_slice(&body) : base64, out);
		strbuf_append_char(out, '\n');
	}
	strbuf_clear(&body);
}

void dead_letter_print_outcome(const char *id, const char *reason, const char *outcome,
			       const char *place, bool json, struct strbuf *out)
{
	const struct {
		const char *name, *value;
		int width;
	} cells[] = {{"id", id, 31},
		     {"reason", reason, 24},
		     {"outcome", outcome, 24},
		     {"place", place, 60}};
	struct json_writer w;

	jw_init(&w, out);
	if (json)
		jw_object(&w);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		if (!json) {
			append_cell(slice_of(cells[i].value), cells[i].width, out);
			continue;
		}
		jw_key(&w, cells[i].name);
		jw_str(&w, cells[i].value);
	}
	if (json)
		jw_end(&w);
	strbuf_append_char(out, '\n');
}
