/* Evaluates what people write for a day; see gate_days.h. */
#include "queryd/adhoc/gate_days.h"

#include "common/base/num.h"
#include "common/base/timestamp.h"

#define SHIFT_MAX 400000 /* days or months: a thousand years */
#define DATE_LEN  10

struct context {
	const struct gate_params *params;
	int32_t today;
};

static bool text_day(struct slice text, int32_t *ret)
{
	if (text.len > DATE_LEN && (text.ptr[DATE_LEN] == ' ' || text.ptr[DATE_LEN] == 'T'))
		text.len = DATE_LEN;
	return timestamp_parse_date(text, ret) == 0;
}

/* The text of a literal; empty: it is none. */
static struct slice literal(const struct gate_value *node)
{
	const struct gate_value *constant = gate_value_get(node, "A_Const");

	return gate_value_text(gate_value_get(gate_value_get(constant, "sval"), "sval"));
}

static int32_t add_months(int32_t day, int64_t months)
{
	struct civil_date d = timestamp_civil(day);
	int64_t month = (int64_t)d.year * 12 + d.month - 1 + months;

	/* the first of the month, and on: the 31st may not be there */
	return timestamp_days((struct civil_date){(int)(month / 12), (int)(month % 12) + 1, 1}) +
	       (d.day - 1);
}

/* '30 days', '-1 month': by so much. */
static bool shift_by_interval(struct slice text, int sign, int32_t *day)
{
	static const struct {
		const char *unit;
		int days, months;
	} units[] = {
		{" day", 1, 0},   {" days", 1, 0},    {" week", 7, 0},  {" weeks", 7, 0},
		{" month", 0, 1}, {" months", 0, 1},  {" year", 0, 12}, {" years", 0, 12},
		{" mon", 0, 1},   {" quarter", 0, 3},
	};
	size_t digits = 0;
	int64_t n;

	while (digits < text.len && text.ptr[digits] != ' ')
		digits++;
	if (num_i64((struct slice){text.ptr, digits}, -SHIFT_MAX, SHIFT_MAX, &n) < 0)
		return false;
	n *= sign;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!slice_eq_str((struct slice){text.ptr + digits, text.len - digits},
				  units[i].unit))
			continue;
		if (units[i].months != 0 && (n > SHIFT_MAX / 30 || n < -SHIFT_MAX / 30))
			return false;
		*day = units[i].months != 0 ? add_months(*day, n * units[i].months)
					    : *day + (int32_t)n * units[i].days;
		return true;
	}
	return false;
}

static bool day_of(const struct context *c, const struct gate_value *node, unsigned depth,
		   int32_t *ret);

/* day + 7, day - interval '1 month' */
static bool sum_of(const struct context *c, const struct gate_value *sum, unsigned depth,
		   int32_t *ret)
{
	const struct gate_value *name = gate_value_get(sum, "name");
	const struct gate_value *right = gate_value_get(sum, "rexpr"), *n;
	struct slice op;
	int64_t days = 0;
	int sign;

	if (gate_value_count(name) != 1 || !day_of(c, gate_value_get(sum, "lexpr"), depth + 1, ret))
		return false;
	op = gate_value_text(
		gate_value_get(gate_value_get(gate_value_first(name), "String"), "sval"));
	if (!slice_eq_str(op, "+") && !slice_eq_str(op, "-"))
		return false;
	sign = op.ptr[0] == '+' ? 1 : -1;
	n = gate_value_get(gate_value_get(gate_value_get(right, "A_Const"), "ival"), "ival");
	if (n != NULL) {
		if (num_i64(n->text, 0, SHIFT_MAX, &days) < 0)
			return false;
		*ret += sign * (int32_t)days;
		return true;
	}
	return shift_by_interval(literal(gate_value_get(gate_value_get(right, "TypeCast"), "arg")),
				 sign, ret);
}

/* date_trunc('month', day) */
static bool floor_of(const struct context *c, const struct gate_value *call, unsigned depth,
		     int32_t *ret)
{
	const struct gate_value *args = gate_value_get(call, "args");
	struct civil_date d;
	struct slice unit;

	if (gate_value_count(args) != 2 ||
	    !day_of(c, gate_value_next(gate_value_first(args)), depth + 1, ret))
		return false;
	unit = literal(gate_value_first(args));
	d = timestamp_civil(*ret);
	if (slice_eq_str(unit, "year"))
		d.month = 1;
	else if (slice_eq_str(unit, "quarter"))
		d.month -= (d.month - 1) % 3;
	else if (slice_eq_str(unit, "week"))
		*ret -= timestamp_weekday(*ret) - 1;
	if (slice_eq_str(unit, "year") || slice_eq_str(unit, "quarter") ||
	    slice_eq_str(unit, "month")) {
		d.day = 1;
		*ret = timestamp_days(d);
	}
	return slice_starts(unit, "year") || slice_starts(unit, "quarter") ||
	       slice_starts(unit, "month") || slice_starts(unit, "week") ||
	       slice_starts(unit, "day");
}

static bool param_day(const struct context *c, const struct gate_value *param, int32_t *ret)
{
	const struct gate_value *number = gate_value_get(param, "number");
	int64_t n;

	return number != NULL && num_i64(number->text, 1, GATE_PARAMS_MAX, &n) == 0 &&
	       (size_t)n <= c->params->n && c->params->v[n - 1].value != NULL &&
	       text_day(slice_of(c->params->v[n - 1].value), ret);
}

static bool day_of(const struct context *c, const struct gate_value *node, unsigned depth,
		   int32_t *ret)
{
	const struct gate_value *v;
	struct slice text = literal(node);

	if (depth > 16)
		return false;
	if (text.len > 0)
		return text_day(text, ret);
	if ((v = gate_value_get(node, "TypeCast")) != NULL)
		return day_of(c, gate_value_get(v, "arg"), depth + 1, ret);
	if ((v = gate_value_get(node, "ParamRef")) != NULL)
		return param_day(c, v, ret);
	if ((v = gate_value_get(node, "A_Expr")) != NULL)
		return sum_of(c, v, depth, ret);
	if ((v = gate_value_get(node, "FuncCall")) != NULL)
		return floor_of(c, v, depth, ret);
	if (gate_value_get(node, "SQLValueFunction") != NULL) {
		*ret = c->today;
		return true;
	}
	return false;
}

bool gate_day_of(const struct gate_value *node, const struct gate_params *params, int32_t today,
		 int32_t *ret)
{
	const struct context c = {params, today};

	return day_of(&c, node, 0, ret);
}
