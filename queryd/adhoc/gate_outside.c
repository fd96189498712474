/* Names inside and outside of a subquery; see gate_outside.h. */
#include "queryd/adhoc/gate_outside.h"

#include "queryd/adhoc/gate_names.h"

struct slice gate_string_of(const struct gate_value *v)
{
	return gate_value_text(gate_value_get(gate_value_get(v, "String"), "sval"));
}

bool gate_column_of(const struct gate_value *node, struct slice *table, struct slice *column)
{
	const struct gate_value *fields = gate_value_get(gate_value_get(node, "ColumnRef"),
							 "fields");
	size_t n = gate_value_count(fields);

	*table = (struct slice){"", 0};
	if (n == 0 || n > 2)
		return false;
	*column = gate_string_of(gate_value_first(fields));
	if (n == 2) {
		*table = *column;
		*column = gate_string_of(gate_value_next(gate_value_first(fields)));
	}
	return column->len > 0;
}

/* Whether a table inside has that name, or gives it to itself. */
static bool table_inside(const struct gate_value *in, struct slice table)
{
	for (const struct gate_value *v = in; v != gate_value_end(in); v++) {
		if ((slice_eq_str(v->name, "relname") || slice_eq_str(v->name, "aliasname")) &&
		    gate_same_name(v->text, table))
			return true;
	}
	return false;
}

static bool column_inside(const struct gate_value *in, struct slice column)
{
	bool known;

	for (const struct gate_value *v = in; v != gate_value_end(in); v++) {
		if (slice_eq_str(v->name, "relname") &&
		    (gate_view_has(v->text, column, &known) || !known))
			return true;
		/* what a subquery inside calls its columns */
		if (slice_eq_str(v->name, "colnames") ||
		    (slice_eq_str(v->name, "name") && gate_same_name(v->text, column)))
			return true;
	}
	return false;
}

bool gate_needs_outside(const struct gate_value *in)
{
	struct slice table, column;

	for (const struct gate_value *v = in; v != gate_value_end(in); v++) {
		if (v->kind != GATE_OBJECT || !gate_column_of(v, &table, &column))
			continue;
		if (table.len > 0 ? !table_inside(in, table) : !column_inside(in, column))
			return true;
	}
	return false;
}
