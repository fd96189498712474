/* The allow-list over libpg_query's tree; the only file with pg_query.h. See gate.h. */
#include "queryd/adhoc/gate.h"

#include <errno.h>
#include <pg_query.h>
#include <stdarg.h>

#include "common/utf8.h"

#define TREE_MAX ((size_t)4 << 20) /* of JSON; GATE_SQL_MAX of the worst text make 1 MiB */
#define CTES_MAX 32
/*
 * Planning pulls subqueries up: an expression over a column is copied to wherever that column is
 * used, and nothing interrupts this. So the references of nested SELECTs are multiplied, and what
 * they could grow to is bounded; three levels of a hundred references stay inside.
 */
#define GROWTH_MAX  2000000U
#define STAR_WEIGHT 32 /* columns that a * may stand for */

enum kind { KIND_VALUE, KIND_CHILD, KIND_INLINE };

struct walk;

struct member {
	const char *name; /* NULL: the next node type begins */
	enum kind kind;
	const char *type; /* of an INLINE */
};

struct node_type {
	const char *name;
	bool (*check)(struct walk *w, const struct json *members);
};

struct cte {
	const char *name;
	uint64_t growth;
};

struct walk {
	const struct gate_text *text;
	struct slice given; /* as the client wrote it */
	struct gate_statement *out;
	struct gate_refusal *why;
	struct cte ctes[CTES_MAX];
	size_t nctes;
	/* of the SELECT being walked: references of its own, and the most that one inside it grows
	 * to */
	uint64_t references, inner;
};

static bool refuse(struct walk *w, const struct json *members, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* The character of the client's text, from 1, that an offset of the bound text lies in. */
static int position_of(const struct walk *w, int64_t offset)
{
	size_t at = gate_params_origin(w->text, offset > 0 ? (size_t)offset : 0);
	int characters = 1;

	for (size_t i = 0; i < at && i < w->given.len; i++)
		characters += ((unsigned char)w->given.ptr[i] & 0xc0) != 0x80;
	return characters;
}

static bool refuse(struct walk *w, const struct json *members, const char *fmt, ...)
{
	int64_t location;
	va_list ap;

	if (json_i64(json_get(members, "location"), "", 0, INT32_MAX, &location, NULL) == 0)
		w->why->position = position_of(w, location);
	va_start(ap, fmt);
	(void)vsnprintf(w->why->detail, sizeof(w->why->detail), fmt, ap);
	va_end(ap);
	return false;
}

/* ---- names */

static const char *const functions[] = {
#define FUNCTION(name) #name,
#include "queryd/adhoc/gate_names.def"
};
static const char *const operators[] = {
#define OPERATOR(text) text,
#include "queryd/adhoc/gate_names.def"
};
static const char *const types[] = {
#define TYPE(name) #name,
#include "queryd/adhoc/gate_names.def"
};
static const char *const refused_columns[] = {
#define COLUMN_REFUSED(name) #name,
#include "queryd/adhoc/gate_names.def"
};
static const char *const relations[GATE_RELATION_COUNT] = {
#define RELATION(name) #name,
#include "queryd/adhoc/gate_names.def"
};

static const struct {
	enum gate_relation view, reads;
} derived[] = {
#define DERIVED(view, relation) {GATE_##view, GATE_##relation},
#include "queryd/adhoc/gate_names.def"
};

static bool listed(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

/* The text of the i-th {"String": {"sval": …}}; "" when it is something else. */
static const char *name_at(const struct json *list, size_t i)
{
	const char *s = json_string_or_null(json_get(json_get(json_at(list, i), "String"), "sval"));

	return s != NULL ? s : "";
}

/* A name without schema, or with pg_catalog, which is where syntax like EXTRACT leads. */
static const char *plain_name(const struct json *list)
{
	if (json_len(list) == 1)
		return name_at(list, 0);
	if (json_len(list) == 2 && strcmp(name_at(list, 0), "pg_catalog") == 0)
		return name_at(list, 1);
	return "";
}

const char *gate_relation_name(enum gate_relation r)
{
	return relations[r];
}

/* ---- checks of gate_nodes.def */

static bool check_select(struct walk *w, const struct json *members)
{
	(void)w;
	(void)members; /* walk_select() looks at it as a whole */
	return true;
}

static bool check_with(struct walk *w, const struct json *members)
{
	return json_get(members, "recursive") == NULL ||
	       refuse(w, members, "WITH RECURSIVE is not allowed.");
}

static bool check_cte(struct walk *w, const struct json *members)
{
	const char *name = json_string_or_null(json_get(members, "ctename"));

	if (name == NULL || strncmp(name, "pg_", 3) == 0)
		return refuse(w, members, "A WITH query may not be named pg_….");
	if (json_is(json_get(members, "ctematerialized"), "CTEMaterializeNever"))
		return refuse(w, members, "NOT MATERIALIZED is not allowed.");
	if (w->nctes == CTES_MAX)
		return refuse(w, members, "At most %d WITH queries are allowed.", CTES_MAX);
	return true;
}

static const struct cte *find_cte(const struct walk *w, const char *name)
{
	for (size_t i = w->nctes; i-- > 0;) {
		if (strcmp(w->ctes[i].name, name) == 0)
			return &w->ctes[i];
	}
	return NULL;
}

static void add_relation(struct gate_statement *s, size_t relation)
{
	s->relations |= 1U << relation;
	for (size_t i = 0; i < ARRAY_SIZE(derived); i++) {
		if (derived[i].view == relation)
			s->relations |= 1U << derived[i].reads;
	}
}

static bool check_relation(struct walk *w, const struct json *members)
{
	const char *schema = json_string_or_null(json_get(members, "schemaname"));
	const char *name = json_string_or_null(json_get(members, "relname"));
	const struct cte *cte;

	if (name == NULL)
		name = "";
	cte = schema == NULL ? find_cte(w, name) : NULL;
	if (cte != NULL) {
		w->inner = cte->growth > w->inner ? cte->growth : w->inner;
		return true;
	}
	for (size_t i = 0; i < GATE_RELATION_COUNT; i++) {
		if (strcmp(relations[i], name) == 0 && json_get(members, "catalogname") == NULL &&
		    (schema == NULL || strcmp(schema, "tenant_views") == 0)) {
			add_relation(w->out, i);
			return true;
		}
	}
	return refuse(w, members,
		      "There is no such table here; those of GET /projections can be read.");
}

static bool check_column(struct walk *w, const struct json *members)
{
	const struct json *fields = json_get(members, "fields");
	size_t n = json_len(fields);
	bool star = n > 0 && json_get(json_at(fields, n - 1), "A_Star") != NULL;

	w->references += star ? STAR_WEIGHT : 1;
	if (n > 2)
		return refuse(w, members, "A column is named by at most a table and its name.");
	if (!star && listed(refused_columns, ARRAY_SIZE(refused_columns), name_at(fields, n - 1)))
		return refuse(w, members, "System columns are not allowed.");
	return true;
}

static bool check_operator_name(struct walk *w, const struct json *members, const char *member)
{
	const struct json *name = json_get(members, member);

	if (name == NULL)
		return true;
	if (json_len(name) != 1)
		return refuse(w, members, "An operator may not name its schema.");
	if (!listed(operators, ARRAY_SIZE(operators), name_at(name, 0)))
		return refuse(w, members, "The operator %.20s is not allowed.", name_at(name, 0));
	return true;
}

static bool check_operator(struct walk *w, const struct json *members)
{
	return check_operator_name(w, members, "name");
}

static bool check_sublink(struct walk *w, const struct json *members)
{
	return check_operator_name(w, members, "operName");
}

static bool check_function(struct walk *w, const struct json *members)
{
	const char *name = plain_name(json_get(members, "funcname"));

	if (!listed(functions, ARRAY_SIZE(functions), name))
		return refuse(w, members, "The function %.60s is not allowed.",
			      name[0] != '\0' ? name : "of that schema");
	if (strcmp(name, "age") == 0 && json_len(json_get(members, "args")) == 1)
		w->out->reads_the_clock = true;
	return true;
}

static bool check_clock(struct walk *w, const struct json *members)
{
	static const char *const clocks[] = {
		"SVFOP_CURRENT_DATE",   "SVFOP_CURRENT_TIME",      "SVFOP_CURRENT_TIME_N",
		"SVFOP_LOCALTIME",      "SVFOP_CURRENT_TIMESTAMP", "SVFOP_CURRENT_TIMESTAMP_N",
		"SVFOP_LOCALTIMESTAMP", "SVFOP_LOCALTIMESTAMP_N",  "SVFOP_LOCALTIME_N",
	};
	const char *op = json_string_or_null(json_get(members, "op"));

	if (op == NULL || !listed(clocks, ARRAY_SIZE(clocks), op))
		return refuse(w, members,
			      "Users, roles and catalogs of the session are not shown.");
	w->out->reads_the_clock = true;
	return true;
}

static bool check_type(struct walk *w, const struct json *members)
{
	const char *name = plain_name(json_get(members, "names"));

	if (!listed(types, ARRAY_SIZE(types), name))
		return refuse(w, members, "The type %.60s is not allowed.",
			      name[0] != '\0' ? name : "of that schema");
	return true;
}

/* ---- the walk */

static const struct node_type node_types[] = {
#define NODE(type, check) {#type, check},
#define VALUE(type, member)
#define CHILD(type, member)
#define INLINE(type, member, of)
#include "queryd/adhoc/gate_nodes.def"
};
#define NODE_TYPES ARRAY_SIZE(node_types)

static const struct member members_of[] = {
#define NODE(type, check)        {NULL, KIND_VALUE, NULL},
#define VALUE(type, member)      {#member, KIND_VALUE, NULL},
#define CHILD(type, member)      {#member, KIND_CHILD, NULL},
#define INLINE(type, member, of) {#member, KIND_INLINE, #of},
#include "queryd/adhoc/gate_nodes.def"
};

/* members_of[] from the one after a type's NULL; filled once. */
static const struct member *first_member[NODE_TYPES];

static void index_members(void)
{
	size_t type = 0;

	if (first_member[0] != NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(members_of); i++) {
		if (members_of[i].name == NULL)
			first_member[type++] = &members_of[i] + 1;
	}
}

static const struct member *find_member(size_t type, const char *name)
{
	const struct member *end = members_of + ARRAY_SIZE(members_of);

	for (const struct member *m = first_member[type]; m < end && m->name != NULL; m++) {
		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

static bool walk_node(struct walk *w, const char *name, const struct json *members);

/* {"Type": {…}}, an array of them, or {} where the parser has no node. */
static bool walk_child(struct walk *w, const struct json *child)
{
	if (json_kind(child) == JSON_ARRAY) {
		for (size_t i = 0; i < json_len(child); i++) {
			if (!walk_child(w, json_at(child, i)))
				return false;
		}
		return true;
	}
	if (json_kind(child) != JSON_OBJECT)
		return refuse(w, NULL, "This syntax is not allowed.");
	return json_len(child) == 0 || walk_node(w, json_key_at(child, 0), json_at(child, 0));
}

static bool walk_members(struct walk *w, size_t type, const struct json *members)
{
	for (size_t i = 0; i < json_len(members); i++) {
		const char *name = json_key_at(members, i);
		const struct member *m = find_member(type, name);
		const struct json *v = json_at(members, i);

		if (m == NULL)
			return refuse(w, members, "This form of %s is not allowed (%s).",
				      node_types[type].name, name);
		if (m->kind == KIND_CHILD && !walk_child(w, v))
			return false;
		if (m->kind == KIND_INLINE && !walk_node(w, m->type, v))
			return false;
	}
	return true;
}

/* WITH comes first: what follows refers to it. Then what the whole could grow to. */
static bool walk_select(struct walk *w, size_t type, const struct json *members)
{
	const struct json *with = json_get(members, "withClause");
	uint64_t references = w->references, inner = w->inner, growth;
	size_t ctes = w->nctes;
	bool ok;

	w->references = w->inner = 0;
	ok = (with == NULL || walk_node(w, "WithClause", with)) && walk_members(w, type, members);
	growth = (w->references > 0 ? w->references : 1) * (w->inner > 0 ? w->inner : 1);
	if (ok && growth > GROWTH_MAX)
		ok = refuse(w, members,
			    "Too many columns are derived from derived columns; nest fewer "
			    "queries or name fewer columns.");
	w->nctes = ctes; /* out of scope */
	w->references = references;
	w->inner = growth > inner ? growth : inner;
	return ok;
}

static bool walk_cte(struct walk *w, size_t type, const struct json *members)
{
	uint64_t inner = w->inner;

	w->inner = 0;
	if (!walk_members(w, type, members))
		return false;
	/* checked before: there is room, and it has a name */
	w->ctes[w->nctes++] = (struct cte){json_string_or_null(json_get(members, "ctename")),
					   w->inner};
	w->inner = inner;
	return true;
}

/* 'now' and its like are constants that read the clock. */
static void look_at_constant(struct walk *w, const struct json *members)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	const char *s = json_string_or_null(json_get(json_get(members, "sval"), "sval"));

	for (size_t i = 0; s != NULL && i < ARRAY_SIZE(words); i++) {
		if (strcasestr(s, words[i]) != NULL)
			w->out->reads_the_clock = true;
	}
}

static bool walk_node(struct walk *w, const char *name, const struct json *members)
{
	size_t type = 0;

	while (type < NODE_TYPES && strcmp(node_types[type].name, name) != 0)
		type++;
	if (type == NODE_TYPES)
		return refuse(w, members, "%.60s is not allowed.", name);
	if (node_types[type].check != NULL && !node_types[type].check(w, members))
		return false;
	if (node_types[type].check == check_select)
		return walk_select(w, type, members);
	if (node_types[type].check == check_cte)
		return walk_cte(w, type, members);
	if (strcmp(name, "A_Const") == 0)
		look_at_constant(w, members);
	return walk_members(w, type, members);
}

/* ---- the whole */

static bool walk_tree(struct walk *w, const struct json *tree)
{
	const struct json *stmts = json_get(tree, "stmts");
	const struct json *stmt = json_get(json_at(stmts, 0), "stmt");

	if (json_len(stmts) != 1)
		return refuse(w, NULL,
			      json_len(stmts) == 0 ? "There is no statement."
						   : "One statement only is allowed.");
	if (json_get(stmt, "SelectStmt") == NULL)
		return refuse(w, NULL, "Only SELECT is allowed.");
	index_members();
	return walk_child(w, stmt);
}

static bool check_tree(struct walk *w, const char *json)
{
	struct json *tree;
	bool ok;

	if (json_parse_nested(slice_of(json), TREE_MAX, JSON_NESTED_MAX, &tree, NULL) < 0)
		return refuse(w, NULL, "The statement is nested too deeply.");
	ok = walk_tree(w, tree);
	json_free(tree);
	return ok;
}

/* The parser counts characters where it reports errors, and bytes in its tree. */
static int64_t offset_of(const char *text, int characters)
{
	const char *p = text;

	while (*p != '\0' && (characters > 0 || ((unsigned char)*p & 0xc0) == 0x80)) {
		characters -= ((unsigned char)p[1] & 0xc0) != 0x80;
		p++;
	}
	return p - text;
}

static bool parse(struct walk *w)
{
	PgQueryParseResult r = pg_query_parse(w->text->sql.ptr);
	bool ok;

	if (r.error != NULL) {
		if (r.error->cursorpos > 0)
			w->why->position = position_of(
				w, offset_of(w->text->sql.ptr, r.error->cursorpos - 1));
		ok = refuse(w, NULL, "Not valid SQL: %.200s.", r.error->message);
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
	struct walk w = {.text = &text, .given = sql, .out = &statement, .why = why};
	const char *what;
	bool ok = false;

	*why = (struct gate_refusal){.position = 0};
	if (sql.len > GATE_SQL_MAX)
		(void)refuse(&w, NULL, "The statement may have %zu bytes at most.", GATE_SQL_MAX);
	else if (!utf8_valid(sql) || (sql.len > 0 && memchr(sql.ptr, '\0', sql.len) != NULL))
		(void)refuse(&w, NULL, "The statement is not UTF-8 text.");
	else if (gate_params_bind(sql, params, a, &text, &why->position, &what) < 0)
		(void)refuse(&w, NULL, "%s", what);
	else
		ok = parse(&w);
	if (ok) {
		statement.sql = arena_strndup(a, text.sql.ptr, text.sql.len);
		*ret = statement;
	}
	strbuf_clear(&text.sql);
	return ok ? 0 : -EINVAL;
}
