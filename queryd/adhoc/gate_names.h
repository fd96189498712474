/* The names of gate_names.def: which a tenant's SQL may use, and which views it can read. */
#ifndef QUERYD_ADHOC_GATE_NAMES_H
#define QUERYD_ADHOC_GATE_NAMES_H

#include "common/base/base.h"

enum gate_relation {
#define RELATION(name) GATE_##name,
#include "queryd/adhoc/gate_names.def"
#undef RELATION
	GATE_RELATION_COUNT,
};

enum gate_list { GATE_FUNCTIONS, GATE_OPERATORS, GATE_TYPES, GATE_REFUSED_COLUMNS, GATE_CLOCKS };

bool gate_listed(enum gate_list list, struct slice name);

const char *gate_relation_name(enum gate_relation r);
/* Bits of the view of that name and of those it is computed from; 0: there is none. */
uint32_t gate_relation_find(struct slice name);

/* Whether the view of that name has the column; ret_known: whether there is such a view. */
bool gate_view_has(struct slice name, struct slice column, bool *ret_known);

/* Whether an index of the relation leads to a value of that column: a day, a key. */
bool gate_relation_day(enum gate_relation r, struct slice column);
bool gate_relation_key(enum gate_relation r, struct slice column);

#endif
