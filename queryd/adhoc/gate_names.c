/* Lists made of gate_names.def; see gate_names.h. */
#include "queryd/adhoc/gate_names.h"

#include "queryd/adhoc/gate_tree.h"

static const struct slice functions[] = {
#define FUNCTION(name) SLICE_INIT(#name),
#include "queryd/adhoc/gate_names.def"
};
static const struct slice operators[] = {
#define OPERATOR(text) SLICE_INIT(text),
#include "queryd/adhoc/gate_names.def"
};
static const struct slice types[] = {
#define TYPE(name) SLICE_INIT(#name),
#include "queryd/adhoc/gate_names.def"
};
static const struct slice refused_columns[] = {
#define COLUMN_REFUSED(name) SLICE_INIT(#name),
#include "queryd/adhoc/gate_names.def"
};
static const struct slice clocks[] = {
#define CLOCK(name) SLICE_INIT("SVFOP_" #name),
#include "queryd/adhoc/gate_names.def"
};

static const struct {
	const struct slice *names;
	size_t n;
} lists[] = {
	[GATE_FUNCTIONS] = {functions, ARRAY_SIZE(functions)},
	[GATE_OPERATORS] = {operators, ARRAY_SIZE(operators)},
	[GATE_TYPES] = {types, ARRAY_SIZE(types)},
	[GATE_REFUSED_COLUMNS] = {refused_columns, ARRAY_SIZE(refused_columns)},
	[GATE_CLOCKS] = {clocks, ARRAY_SIZE(clocks)},
};

static const struct slice relations[GATE_RELATION_COUNT] = {
#define RELATION(name) SLICE_INIT(#name),
#include "queryd/adhoc/gate_names.def"
};

static const struct {
	enum gate_relation view, reads;
} derived[] = {
#define DERIVED(view, relation) {GATE_##view, GATE_##relation},
#include "queryd/adhoc/gate_names.def"
};

static const char *const columns[GATE_RELATION_COUNT] = {
#define COLUMNS(relation, names) [GATE_##relation] = (names),
#include "queryd/adhoc/gate_names.def"
};

struct indexed {
	enum gate_relation relation;
	struct slice column;
};

static const struct indexed days[] = {
#define DAY(relation, column) {GATE_##relation, SLICE_INIT(#column)},
#include "queryd/adhoc/gate_names.def"
};
static const struct indexed keys[] = {
#define KEY(relation, column) {GATE_##relation, SLICE_INIT(#column)},
#include "queryd/adhoc/gate_names.def"
};

_Static_assert(GATE_RELATION_COUNT <= 32, "a relation is a bit");

bool gate_listed(enum gate_list list, struct slice name)
{
	for (size_t i = 0; i < lists[list].n; i++) {
		if (gate_same_name(lists[list].names[i], name))
			return true;
	}
	return false;
}

const char *gate_relation_name(enum gate_relation r)
{
	return relations[r].ptr;
}

uint32_t gate_relation_find(struct slice name)
{
	uint32_t bits = 0;

	for (size_t r = 0; r < GATE_RELATION_COUNT; r++) {
		if (gate_same_name(relations[r], name))
			bits = 1U << r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(derived); i++) {
		if ((bits & 1U << derived[i].view) != 0)
			bits |= 1U << derived[i].reads;
	}
	return bits;
}

bool gate_view_has(struct slice name, struct slice column, bool *ret_known)
{
	const char *at = "";
	size_t len;

	*ret_known = false;
	for (size_t r = 0; r < GATE_RELATION_COUNT; r++) {
		if (!gate_same_name(relations[r], name))
			continue;
		*ret_known = true;
		at = columns[r];
	}
	for (; *at != '\0'; at += len + strspn(at + len, " ")) {
		len = strcspn(at, " ");
		if (gate_same_name((struct slice){at, len}, column))
			return true;
	}
	return false;
}

static bool indexes(const struct indexed *of, size_t n, enum gate_relation r, struct slice column)
{
	for (size_t i = 0; i < n; i++) {
		if (of[i].relation == r && gate_same_name(of[i].column, column))
			return true;
	}
	return false;
}

bool gate_relation_day(enum gate_relation r, struct slice column)
{
	return indexes(days, ARRAY_SIZE(days), r, column);
}

bool gate_relation_key(enum gate_relation r, struct slice column)
{
	return indexes(keys, ARRAY_SIZE(keys), r, column);
}
