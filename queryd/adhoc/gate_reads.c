/* Goes through the FROM and WHERE of each SELECT; see gate_reads.h. */
#include "queryd/adhoc/gate_reads.h"

#include "common/base/num.h"
#include "queryd/adhoc/gate_days.h"
#include "queryd/adhoc/gate_names.h"
#include "queryd/adhoc/gate_outside.h"

/* What the cursor of a statement is asked for (adhoc.c), and one row more. */
#define ROWS_ASKED 10001.0

struct finder {
	const struct gate_params *params;
	int32_t today;
	struct reads *out;
	/* of each read: what its SELECT calls it, and which SELECT and relation that is */
	struct slice alias[READS_MAX];
	int owner[READS_MAX];
	enum gate_relation relation[READS_MAX];
	int nselects;
	bool full;
};

/* A SELECT and its place. */
struct place {
	int select, scope;
	size_t first; /* read of it or of what is inside it */
};

static void find_select(struct finder *f, const struct gate_value *select, int scope);

static int new_scope(struct finder *f, int over)
{
	int scope = reads_scope(f->out, over);

	f->full |= scope < 0;
	return scope < 0 ? 0 : scope;
}

/* ---- conditions */

static bool is_of(const struct finder *f, const struct place *p, size_t read, struct slice table)
{
	return f->owner[read] == p->select && (table.len == 0 || slice_eq(f->alias[read], table));
}

static bool own_table(const struct finder *f, const struct place *p, struct slice table)
{
	for (size_t i = p->first; i < f->out->n; i++) {
		if (is_of(f, p, i, table))
			return true;
	}
	return false;
}

static void narrow(struct finder *f, const struct place *p, const struct gate_value *column_node,
		   int32_t from, int32_t to)
{
	struct slice table, column;

	if (!gate_column_of(column_node, &table, &column))
		return;
	for (size_t i = p->first; i < f->out->n; i++) {
		struct read *r = &f->out->v[i];

		if (!is_of(f, p, i, table) || !gate_relation_day(f->relation[i], column))
			continue;
		r->from = from > r->from ? from : r->from;
		r->to = to < r->to ? to : r->to;
	}
}

/* column = value of a key: a constant, or a column of outside. */
static void give_key(struct finder *f, const struct place *p, const struct gate_value *column_node,
		     const struct gate_value *value)
{
	struct slice table, column, of, other;

	if (!gate_column_of(column_node, &table, &column))
		return;
	if (gate_column_of(value, &of, &other) && (of.len == 0 || own_table(f, p, of)))
		return; /* a join */
	for (size_t i = p->first; i < f->out->n; i++) {
		if (is_of(f, p, i, table) && gate_relation_key(f->relation[i], column))
			f->out->v[i].keyed = true;
	}
}

static const struct {
	const char *op, *reversed;
	bool from, to; /* which ends it sets */
	int add;       /* to the day */
} comparisons[] = {
	{"=", "=", true, true, 0},  {"<", ">", false, true, -1},  {"<=", ">=", false, true, 0},
	{">", "<", true, false, 1}, {">=", "<=", true, false, 0},
};

static void apply_comparison(struct finder *f, const struct place *p, struct slice op,
			     const struct gate_value *left, const struct gate_value *right)
{
	int32_t day;
	bool reversed = gate_day_of(left, f->params, f->today, &day);

	if (slice_eq_str(op, "=")) {
		give_key(f, p, left, right);
		give_key(f, p, right, left);
	}
	if (!reversed && !gate_day_of(right, f->params, f->today, &day))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(comparisons); i++) {
		if (!slice_eq_str(op, reversed ? comparisons[i].reversed : comparisons[i].op))
			continue;
		narrow(f, p, reversed ? right : left,
		       comparisons[i].from ? day + comparisons[i].add : EXTENT_FIRST_DAY,
		       comparisons[i].to ? day + comparisons[i].add : EXTENT_LAST_DAY);
	}
}

/* BETWEEN and IN: a list on the right, of which the least and the greatest count. */
static void apply_list(struct finder *f, const struct place *p, const struct gate_value *left,
		       const struct gate_value *right)
{
	const struct gate_value *items = right->kind == GATE_LIST
						 ? right
						 : gate_value_get(gate_value_get(right, "List"),
								  "items");
	int32_t from = EXTENT_LAST_DAY, to = EXTENT_FIRST_DAY, day;

	if (gate_value_count(items) == 0)
		return;
	for (const struct gate_value *v = gate_value_first(items); v != gate_value_end(items);
	     v = gate_value_next(v)) {
		if (!gate_day_of(v, f->params, f->today, &day))
			return;
		from = day < from ? day : from;
		to = day > to ? day : to;
	}
	narrow(f, p, left, from, to);
}

/* Conditions that all must hold. */
static void apply_condition(struct finder *f, const struct place *p, const struct gate_value *node)
{
	const struct gate_value *all = gate_value_get(node, "BoolExpr");
	const struct gate_value *expr = gate_value_get(node, "A_Expr");
	const struct gate_value *args = gate_value_get(all, "args"), *left, *right, *name;
	struct slice kind;

	if (all != NULL &&
	    slice_eq_str(gate_value_text(gate_value_get(all, "boolop")), "AND_EXPR")) {
		for (const struct gate_value *v = gate_value_first(args); v != gate_value_end(args);
		     v = gate_value_next(v))
			apply_condition(f, p, v);
	}
	left = gate_value_get(expr, "lexpr");
	right = gate_value_get(expr, "rexpr");
	name = gate_value_get(expr, "name");
	if (left == NULL || right == NULL || gate_value_count(name) != 1)
		return;
	kind = gate_value_text(gate_value_get(expr, "kind"));
	if (slice_eq_str(kind, "AEXPR_OP"))
		apply_comparison(f, p, gate_string_of(gate_value_first(name)), left, right);
	else if (slice_eq_str(kind, "AEXPR_BETWEEN") ||
		 (slice_eq_str(kind, "AEXPR_IN") &&
		  slice_eq_str(gate_string_of(gate_value_first(name)), "=")))
		apply_list(f, p, left, right);
}

/* ---- FROM */

static void add_relation(struct finder *f, const struct place *p, const struct gate_value *range)
{
	struct slice name = gate_value_text(gate_value_get(range, "relname"));
	struct slice alias = gate_value_text(
		gate_value_get(gate_value_get(range, "alias"), "aliasname"));
	uint32_t bits = gate_relation_find(name);

	for (int r = 0; r < GATE_RELATION_COUNT; r++) {
		struct read *add;

		if ((bits >> r & 1) == 0)
			continue;
		add = reads_add(f->out, gate_relation_name((enum gate_relation)r), p->scope);
		f->full |= add == NULL;
		if (add == NULL)
			return;
		f->alias[f->out->n - 1] = alias.len > 0 ? alias : name;
		f->owner[f->out->n - 1] = p->select;
		f->relation[f->out->n - 1] = (enum gate_relation)r;
	}
}

static void find_from(struct finder *f, const struct place *p, const struct gate_value *item)
{
	const struct gate_value *range = gate_value_get(item, "RangeVar");
	const struct gate_value *sub = gate_value_get(item, "RangeSubselect");
	const struct gate_value *join = gate_value_get(item, "JoinExpr"), *quals;

	if (range != NULL)
		add_relation(f, p, range);
	if (sub != NULL) {
		bool anew = gate_value_get(sub, "lateral") != NULL && gate_needs_outside(sub);

		find_select(f, gate_value_get(gate_value_get(sub, "subquery"), "SelectStmt"),
			    anew ? new_scope(f, p->scope) : p->scope);
	}
	if (join == NULL)
		return;
	find_from(f, p, gate_value_get(join, "larg"));
	find_from(f, p, gate_value_get(join, "rarg"));
	quals = gate_value_get(join, "quals");
	if (quals != NULL &&
	    slice_eq_str(gate_value_text(gate_value_get(join, "jointype")), "JOIN_INNER"))
		apply_condition(f, p, quals);
}

static void find_list(struct finder *f, const struct place *p, const struct gate_value *list)
{
	if (gate_value_count(list) == 0)
		return;
	for (const struct gate_value *v = gate_value_first(list); v != gate_value_end(list);
	     v = gate_value_next(v))
		find_from(f, p, v);
}

/* ---- subqueries of expressions, and of WITH */

static void find_with(struct finder *f, const struct gate_value *with)
{
	const struct gate_value *ctes = gate_value_get(with, "ctes");

	if (gate_value_count(ctes) == 0)
		return;
	for (const struct gate_value *v = gate_value_first(ctes); v != gate_value_end(ctes);
	     v = gate_value_next(v)) {
		const struct gate_value *query = gate_value_get(
			gate_value_get(v, "CommonTableExpr"), "ctequery");

		find_select(f, gate_value_get(query, "SelectStmt"), new_scope(f, READS_ONCE));
	}
}

/* EXISTS and IN become joins; one that stands for a value runs for each row if it needs it. */
static void find_sublink(struct finder *f, const struct place *p, const struct gate_value *link)
{
	const struct gate_value *select = gate_value_get(gate_value_get(link, "subselect"),
							 "SelectStmt");
	struct slice type = gate_value_text(gate_value_get(link, "subLinkType"));
	bool joined = slice_eq_str(type, "EXISTS_SUBLINK") || slice_eq_str(type, "ANY_SUBLINK");
	bool anew = !joined && select != NULL && gate_needs_outside(select);

	find_select(f, select, new_scope(f, anew ? p->scope : READS_ONCE));
}

static void find_sublinks(struct finder *f, const struct place *p, const struct gate_value *in)
{
	const struct gate_value *v = in;

	while (in != NULL && v != gate_value_end(in)) {
		if (slice_eq_str(v->name, "SubLink")) {
			find_sublink(f, p, v);
			v = gate_value_next(v);
		} else {
			v++;
		}
	}
}

/* ---- a SELECT */

/* Rows after which a SELECT of one view has enough; 0: it wants all. In the order of days they come
 * by an index only where there are many, so that fewer than a page of an answer are not counted on.
 */
static double enough(const struct finder *f, const struct place *p, const struct gate_value *select)
{
	static const char *const wholes[] = {"groupClause", "havingClause", "distinctClause",
					     "windowClause", "whereClause"};
	const struct gate_value *targets = gate_value_get(select, "targetList");
	const struct gate_value *sort = gate_value_get(select, "sortClause"), *first, *limit;
	struct slice table, column;
	int64_t n;

	if (f->out->n != p->first + 1 || f->owner[p->first] != p->select)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(wholes); i++) {
		if (gate_value_get(select, wholes[i]) != NULL)
			return 0;
	}
	for (const struct gate_value *v = targets; targets != NULL && v != gate_value_end(targets);
	     v++) {
		if (slice_eq_str(v->name, "FuncCall") || slice_eq_str(v->name, "SubLink"))
			return 0;
	}
	if (gate_value_count(sort) > 0) {
		first = gate_value_get(gate_value_get(gate_value_first(sort), "SortBy"), "node");
		if (!gate_column_of(first, &table, &column) ||
		    !gate_relation_day(f->relation[p->first], column))
			return 0;
	}
	limit = gate_value_get(gate_value_get(select, "limitCount"), "A_Const");
	limit = gate_value_get(gate_value_get(limit, "ival"), "ival");
	if (limit != NULL && gate_value_count(sort) == 0 &&
	    num_i64(limit->text, 0, INT32_MAX, &n) == 0 && (double)n < ROWS_ASKED)
		return (double)n + 1;
	return p->scope == 0 ? ROWS_ASKED : 0;
}

static void find_select(struct finder *f, const struct gate_value *select, int scope)
{
	static const char *const expressions[] = {"targetList",   "whereClause", "groupClause",
						  "havingClause", "sortClause",  "valuesLists"};
	struct place p = {f->nselects++, scope, f->out->n};
	const struct gate_value *where = gate_value_get(select, "whereClause");
	double most;

	if (select == NULL || f->full)
		return;
	find_with(f, gate_value_get(select, "withClause"));
	p.first = f->out->n;
	if (gate_value_get(select, "larg") != NULL) {
		find_select(f, gate_value_get(select, "larg"), scope);
		find_select(f, gate_value_get(select, "rarg"), scope);
	}
	find_list(f, &p, gate_value_get(select, "fromClause"));
	if (where != NULL)
		apply_condition(f, &p, where);
	most = enough(f, &p, select);
	if (most > 0)
		f->out->v[p.first].most = most;
	for (size_t i = 0; i < ARRAY_SIZE(expressions); i++)
		find_sublinks(f, &p, gate_value_get(select, expressions[i]));
}

bool gate_reads_find(const struct gate_value *select, const struct gate_params *params,
		     int32_t today, struct reads *ret)
{
	struct finder f = {.params = params, .today = today, .out = ret};

	ret->n = 0;
	ret->nscopes = 0;
	find_select(&f, select, new_scope(&f, READS_ONCE));
	return !f.full;
}
