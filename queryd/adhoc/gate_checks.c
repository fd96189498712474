/* What names and forms may be, beyond the members of a node; see gate_walk.h. */
#include "queryd/adhoc/gate_walk.h"

#define STAR_WEIGHT 32 /* columns that a * may stand for */

/* The text of {"String": {"sval": …}}; empty when it is something else. */
static struct slice name_of(const struct gate_value *v)
{
	return gate_value_text(gate_value_get(gate_value_get(v, "String"), "sval"));
}

static const struct gate_value *last_of(const struct gate_value *list)
{
	const struct gate_value *last = NULL;

	if (gate_value_count(list) == 0)
		return NULL;
	for (const struct gate_value *v = gate_value_first(list); v != gate_value_end(list);
	     v = gate_value_next(v))
		last = v;
	return last;
}

/* A name without schema, or with pg_catalog, which is where syntax like EXTRACT leads. */
static struct slice plain_name(const struct gate_value *list)
{
	size_t n = gate_value_count(list);

	if (n == 1 || (n == 2 && slice_eq_str(name_of(gate_value_first(list)), "pg_catalog")))
		return name_of(last_of(list));
	return (struct slice){"", 0};
}

/* A name for a sentence that says it is not allowed. */
static int shown(struct slice name, size_t most)
{
	return (int)(name.len < most ? name.len : most);
}

bool gate_check_select(struct gate_walk *w, const struct gate_value *members)
{
	(void)w;
	(void)members; /* walk_select() looks at it as a whole */
	return true;
}

bool gate_check_with(struct gate_walk *w, const struct gate_value *members)
{
	return gate_value_get(members, "recursive") == NULL ||
	       gate_refuse(w, members, "WITH RECURSIVE is not allowed.");
}

bool gate_check_cte(struct gate_walk *w, const struct gate_value *members)
{
	const struct gate_value *name = gate_value_get(members, "ctename");
	struct slice how = gate_value_text(gate_value_get(members, "ctematerialized"));

	if (name == NULL || slice_starts(gate_value_text(name), "pg_"))
		return gate_refuse(w, members, "A WITH query may not be named pg_….");
	if (slice_eq_str(how, "CTEMaterializeNever"))
		return gate_refuse(w, members, "NOT MATERIALIZED is not allowed.");
	if (w->nctes == GATE_CTES_MAX)
		return gate_refuse(w, members, "At most %d WITH queries are allowed.",
				   GATE_CTES_MAX);
	return true;
}

static const struct gate_cte *find_cte(const struct gate_walk *w, struct slice name)
{
	for (size_t i = w->nctes; i-- > 0;) {
		if (slice_eq(w->ctes[i].name, name))
			return &w->ctes[i];
	}
	return NULL;
}

bool gate_check_relation(struct gate_walk *w, const struct gate_value *members)
{
	const struct gate_value *schema = gate_value_get(members, "schemaname");
	struct slice name = gate_value_text(gate_value_get(members, "relname"));
	const struct gate_cte *cte = schema == NULL ? find_cte(w, name) : NULL;
	uint32_t relations;

	if (cte != NULL) {
		w->inner = cte->growth > w->inner ? cte->growth : w->inner;
		return true;
	}
	relations = gate_relation_find(name);
	w->out->relations |= relations;
	if (relations != 0 && gate_value_get(members, "catalogname") == NULL &&
	    (schema == NULL || slice_eq_str(gate_value_text(schema), "tenant_views")))
		return true;
	return gate_refuse(w, members,
			   "There is no such table here; those of GET /projections can be read.");
}

bool gate_check_column(struct gate_walk *w, const struct gate_value *members)
{
	const struct gate_value *fields = gate_value_get(members, "fields"),
				*last = last_of(fields);
	bool star = gate_value_get(last, "A_Star") != NULL;

	w->references += star ? STAR_WEIGHT : 1;
	if (gate_value_count(fields) > 2)
		return gate_refuse(w, members,
				   "A column is named by at most a table and its name.");
	if (!star && gate_listed(GATE_REFUSED_COLUMNS, name_of(last)))
		return gate_refuse(w, members, "System columns are not allowed.");
	return true;
}

static bool check_operator_name(struct gate_walk *w, const struct gate_value *members,
				const char *member)
{
	const struct gate_value *list = gate_value_get(members, member);
	struct slice name;

	if (list == NULL)
		return true;
	if (gate_value_count(list) != 1)
		return gate_refuse(w, members, "An operator may not name its schema.");
	name = name_of(gate_value_first(list));
	if (!gate_listed(GATE_OPERATORS, name))
		return gate_refuse(w, members, "The operator %.*s is not allowed.", shown(name, 20),
				   name.ptr);
	return true;
}

bool gate_check_operator(struct gate_walk *w, const struct gate_value *members)
{
	return check_operator_name(w, members, "name");
}

bool gate_check_sublink(struct gate_walk *w, const struct gate_value *members)
{
	return check_operator_name(w, members, "operName");
}

bool gate_check_function(struct gate_walk *w, const struct gate_value *members)
{
	struct slice name = plain_name(gate_value_get(members, "funcname"));

	if (!gate_listed(GATE_FUNCTIONS, name))
		return gate_refuse(w, members, "The function %.*s is not allowed.",
				   name.len > 0 ? shown(name, 60) : 14,
				   name.len > 0 ? name.ptr : "of that schema");
	if (slice_eq_str(name, "age") && gate_value_count(gate_value_get(members, "args")) == 1)
		w->out->reads_the_clock = true;
	return true;
}

bool gate_check_clock(struct gate_walk *w, const struct gate_value *members)
{
	if (!gate_listed(GATE_CLOCKS, gate_value_text(gate_value_get(members, "op"))))
		return gate_refuse(w, members,
				   "Users, roles and catalogs of the session are not shown.");
	w->out->reads_the_clock = true;
	return true;
}

bool gate_check_type(struct gate_walk *w, const struct gate_value *members)
{
	struct slice name = plain_name(gate_value_get(members, "names"));

	if (!gate_listed(GATE_TYPES, name))
		return gate_refuse(w, members, "The type %.*s is not allowed.",
				   name.len > 0 ? shown(name, 60) : 14,
				   name.len > 0 ? name.ptr : "of that schema");
	return true;
}

static bool holds(struct slice text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++) {
		if (strncasecmp(text.ptr + i, word, len) == 0)
			return true;
	}
	return false;
}

/* 'now' and its like are constants that read the clock. */
bool gate_check_constant(struct gate_walk *w, const struct gate_value *members)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	struct slice s = gate_value_text(gate_value_get(gate_value_get(members, "sval"), "sval"));

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (holds(s, words[i]))
			w->out->reads_the_clock = true;
	}
	return true;
}
