/* A tenant's SQL through the parser and the walk; the only file with pg_query.h. See gate.h. */
#include "queryd/adhoc/gate.h"

#include <errno.h>
#include <pg_query.h>

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include "queryd/adhoc/gate_reads.h"
#include "queryd/adhoc/gate_walk.h"

#define TREE_MAX ((size_t)4 << 20) /* of JSON; GATE_SQL_MAX of the worst text make 1 MiB */

static bool find_reads(struct gate_walk *w, const struct gate_value *tree)
{
	const int64_t day_us = (int64_t)86400 * 1000 * 1000;
	const struct gate_value *stmt = gate_value_first(gate_value_get(tree, "stmts"));

	stmt = gate_value_get(gate_value_get(stmt, "stmt"), "SelectStmt");
	return gate_reads_find(stmt, w->params, (int32_t)(clock_wall_us() / day_us),
			       &w->out->reads) ||
	       gate_refuse(w, NULL, "Tables and subqueries may be at most %d of each.", READS_MAX);
}

static bool check_tree(struct gate_walk *w, char *json)
{
	struct gate_tree tree = {.n = 0};
	size_t len = strlen(json);
	bool ok;

	if (len > TREE_MAX || gate_tree_read(json, len, &tree) < 0)
		ok = gate_refuse(w, NULL, "The statement is nested too deeply.");
	else
		ok = gate_walk_tree(w, tree.values) && find_reads(w, tree.values);
	gate_tree_clear(&tree);
	return ok;
}

/* The parser counts characters where it reports errors, and bytes in its tree. */
static size_t offset_of(const char *text, int characters)
{
	const char *p = text;

	while (*p != '\0' && (characters > 0 || ((unsigned char)*p & 0xc0) == 0x80)) {
		characters -= ((unsigned char)p[1] & 0xc0) != 0x80;
		p++;
	}
	return (size_t)(p - text);
}

static bool parse(struct gate_walk *w)
{
	PgQueryParseResult r = pg_query_parse(w->text->sql.ptr);
	bool ok;

	if (r.error != NULL) {
		if (r.error->cursorpos > 0)
			w->why->position = gate_position(
				w, offset_of(w->text->sql.ptr, r.error->cursorpos - 1));
		ok = gate_refuse(w, NULL, "Not valid SQL: %.200s.", r.error->message);
	} else {
		ok = check_tree(w, r.parse_tree);
	}
	pg_query_free_parse_result(r);
	return ok;
}

int gate_check(struct slice sql, const struct gate_params *params, struct arena *a,
	       struct gate_statement *ret, struct gate_refusal *why)
{
	struct gate_text text = {.sql = STRBUF_INIT};
	struct gate_statement statement = {.relations = 0};
	struct gate_walk w = {
		.text = &text, .given = sql, .params = params, .out = &statement, .why = why};
	const char *what;
	bool ok = false;

	*why = (struct gate_refusal){.position = 0};
	if (sql.len > GATE_SQL_MAX)
		(void)gate_refuse(&w, NULL, "The statement may have %zu bytes at most.",
				  GATE_SQL_MAX);
	else if (!utf8_valid(sql) || (sql.len > 0 && memchr(sql.ptr, '\0', sql.len) != NULL))
		(void)gate_refuse(&w, NULL, "The statement is not UTF-8 text.");
	else if (gate_bind(sql, params, a, &text, &why->position, &what) < 0)
		(void)gate_refuse(&w, NULL, "%s", what);
	else
		ok = parse(&w);
	if (ok) {
		statement.sql = arena_strndup(a, text.sql.ptr, text.sql.len);
		*ret = statement;
	}
	strbuf_clear(&text.sql);
	return ok ? 0 : -EINVAL;
}
