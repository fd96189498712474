/* The walk by gate_nodes.def; see gate_walk.h. */
#include "queryd/adhoc/gate_walk.h"

#include <stdarg.h>

#include "common/base/num.h"

/*
 * Planning pulls subqueries up: an expression over a column is copied to wherever that column is
 * used, and nothing interrupts this. So the references of nested SELECTs are multiplied, and what
 * they could grow to is bounded; three levels of a hundred references stay inside.
 */
#define GROWTH_MAX  2000000U
#define MEMBERS_MAX 32 /* of a node; a bit each */

/* ---- refusals */

int gate_position(const struct gate_walk *w, size_t offset)
{
	size_t at = gate_bind_origin(w->text, offset);
	int characters = 1;

	for (size_t i = 0; i < at && i < w->given.len; i++)
		characters += ((unsigned char)w->given.ptr[i] & 0xc0) != 0x80;
	return characters;
}

bool gate_refuse(struct gate_walk *w, const struct gate_value *members, const char *fmt, ...)
{
	const struct gate_value *location = gate_value_get(members, "location");
	int64_t offset;
	va_list ap;

	if (location != NULL && num_i64(location->text, 0, INT32_MAX, &offset) == 0)
		w->why->position = gate_position(w, (size_t)offset);
	va_start(ap, fmt);
	(void)vsnprintf(w->why->detail, sizeof(w->why->detail), fmt, ap);
	va_end(ap);
	return false;
}

/* ---- the tables */

enum member_kind { MEMBER_VALUE, MEMBER_CHILD, MEMBER_INLINE };

struct member {
	struct slice name; /* without a pointer: the next node type begins */
	enum member_kind kind;
	struct slice type; /* of an INLINE */
};

struct node_type {
	struct slice name;
	gate_check_fn check;
};

static const struct node_type node_types[] = {
#define NODE(type, check) {SLICE_INIT(#type), check},
#define VALUE(type, member)
#define CHILD(type, member)
#define INLINE(type, member, of)
#include "queryd/adhoc/gate_nodes.def"
};
#define NODE_TYPES ARRAY_SIZE(node_types)

static const struct member members_of[] = {
#define NODE(type, check)        {{NULL, 0}, MEMBER_VALUE, {NULL, 0}},
#define VALUE(type, member)      {SLICE_INIT(#member), MEMBER_VALUE, {NULL, 0}},
#define CHILD(type, member)      {SLICE_INIT(#member), MEMBER_CHILD, {NULL, 0}},
#define INLINE(type, member, of) {SLICE_INIT(#member), MEMBER_INLINE, SLICE_INIT(#of)},
#include "queryd/adhoc/gate_nodes.def"
	{{NULL, 0}, MEMBER_VALUE, {NULL, 0}},
};

/* members_of[] from the one after a type's NULL; filled once. */
static const struct member *first_member[NODE_TYPES];

static void index_members(void)
{
	size_t type = 0;

	if (first_member[0] != NULL)
		return;
	for (size_t i = 0; i + 1 < ARRAY_SIZE(members_of); i++) {
		if (members_of[i].name.ptr == NULL)
			first_member[type++] = &members_of[i] + 1;
		else
			ASSERT(&members_of[i] - first_member[type - 1] < MEMBERS_MAX);
	}
}

/* The table has members in the parser's order: the one wanted is mostly the one behind `last`. */
static const struct member *find_member(size_t type, const struct member *last, struct slice name)
{
	const struct member *first = first_member[type], *m = last != NULL ? last + 1 : first;

	for (; m->name.ptr != NULL; m++) {
		if (gate_same_name(m->name, name))
			return m;
	}
	for (m = first; last != NULL && m <= last; m++) {
		if (gate_same_name(m->name, name))
			return m;
	}
	return NULL;
}

/* ---- the walk */

static bool walk_node(struct gate_walk *w, struct slice name, const struct gate_value *members);

/* {"Type": {…}}, an array of them, or {} where the parser has no node. */
static bool walk_child(struct gate_walk *w, const struct gate_value *child)
{
	const struct gate_value *v = gate_value_first(child), *end = gate_value_end(child);

	if (child->kind == GATE_LIST) {
		for (; v != end; v = gate_value_next(v)) {
			if (!walk_child(w, v))
				return false;
		}
		return true;
	}
	if (child->kind != GATE_OBJECT || (v != end && gate_value_next(v) != end))
		return gate_refuse(w, NULL, "This syntax is not allowed.");
	return v == end || walk_node(w, v->name, v);
}

/* A member that is not in the table refuses the node, and so does one that comes twice. */
static bool walk_members(struct gate_walk *w, size_t type, const struct gate_value *members)
{
	const struct member *m = NULL;
	uint32_t seen = 0;

	for (const struct gate_value *v = gate_value_first(members); v != gate_value_end(members);
	     v = gate_value_next(v)) {
		uint32_t bit;

		m = find_member(type, m, v->name);
		bit = m != NULL ? 1U << (m - first_member[type]) : 0;
		if (m == NULL || (seen & bit) != 0)
			return gate_refuse(w, members, "This form of %s is not allowed (%.*s).",
					   node_types[type].name.ptr, (int)v->name.len,
					   v->name.ptr);
		seen |= bit;
		if (m->kind == MEMBER_CHILD && !walk_child(w, v))
			return false;
		if (m->kind == MEMBER_INLINE && !walk_node(w, m->type, v))
			return false;
	}
	return true;
}

/* WITH comes first: what follows refers to it. Then what the whole could grow to. */
static bool walk_select(struct gate_walk *w, size_t type, const struct gate_value *members)
{
	const struct gate_value *with = gate_value_get(members, "withClause");
	uint64_t references = w->references, inner = w->inner, growth;
	size_t ctes = w->nctes;
	bool ok;

	w->references = w->inner = 0;
	ok = (with == NULL || walk_node(w, SLICE_LIT("WithClause"), with)) &&
	     walk_members(w, type, members);
	growth = (w->references > 0 ? w->references : 1) * (w->inner > 0 ? w->inner : 1);
	if (ok && growth > GROWTH_MAX)
		ok = gate_refuse(w, members,
				 "Too many columns are derived from derived columns; nest fewer "
				 "queries or name fewer columns.");
	w->nctes = ctes; /* out of scope */
	w->references = references;
	w->inner = growth > inner ? growth : inner;
	return ok;
}

static bool walk_cte(struct gate_walk *w, size_t type, const struct gate_value *members)
{
	uint64_t inner = w->inner;

	w->inner = 0;
	if (!walk_members(w, type, members))
		return false;
	/* checked before: there is room, and it has a name */
	w->ctes[w->nctes++] = (struct gate_cte){gate_value_text(gate_value_get(members, "ctename")),
						w->inner};
	w->inner = inner;
	return true;
}

static bool walk_node(struct gate_walk *w, struct slice name, const struct gate_value *members)
{
	size_t type = 0;

	while (type < NODE_TYPES && !gate_same_name(node_types[type].name, name))
		type++;
	if (type == NODE_TYPES || members->kind != GATE_OBJECT)
		return gate_refuse(w, members, "%.*s is not allowed.",
				   (int)(name.len < 60 ? name.len : 60), name.ptr);
	if (node_types[type].check != NULL && !node_types[type].check(w, members))
		return false;
	if (node_types[type].check == gate_check_select)
		return walk_select(w, type, members);
	if (node_types[type].check == gate_check_cte)
		return walk_cte(w, type, members);
	return walk_members(w, type, members);
}

bool gate_walk_tree(struct gate_walk *w, const struct gate_value *tree)
{
	const struct gate_value *stmts = gate_value_get(tree, "stmts"), *stmt;
	size_t n = gate_value_count(stmts);

	if (n != 1)
		return gate_refuse(w, NULL,
				   n == 0 ? "There is no statement."
					  : "One statement only is allowed.");
	stmt = gate_value_get(gate_value_first(stmts), "stmt");
	if (gate_value_get(stmt, "SelectStmt") == NULL)
		return gate_refuse(w, NULL, "Only SELECT is allowed.");
	index_members();
	return walk_child(w, stmt);
}
