/*
 * The walk over a statement's tree. gate_nodes.def says which nodes and members there may be; what
 * a name or a form means beside that is looked at by the checks.
 */
#ifndef QUERYD_ADHOC_GATE_WALK_H
#define QUERYD_ADHOC_GATE_WALK_H

#include "queryd/adhoc/gate.h"
#include "queryd/adhoc/gate_bind.h"
#include "queryd/adhoc/gate_tree.h"

#define GATE_CTES_MAX 32

struct gate_cte {
	struct slice name;
	uint64_t growth;
};

struct gate_walk {
	const struct gate_text *text;
	struct slice given; /* as the client wrote it */
	const struct gate_params *params;
	struct gate_statement *out;
	struct gate_refusal *why;
	struct gate_cte ctes[GATE_CTES_MAX];
	size_t nctes;
	/* of the SELECT being walked: references of its own, and the most that one inside it grows
	 * to */
	uint64_t references, inner;
};

/* `members`: the node that is at fault, whose location is told; NULL: the whole. Returns false. */
bool gate_refuse(struct gate_walk *w, const struct gate_value *members, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* The character of the client's text, from 1, that an offset of the bound text lies in. */
int gate_position(const struct gate_walk *w, size_t offset);

/* The parser's whole answer. */
bool gate_walk_tree(struct gate_walk *w, const struct gate_value *tree) MUST_CHECK;

/* Whether a node may be, its members aside; what it reads is added to w->out. */
typedef bool (*gate_check_fn)(struct gate_walk *w, const struct gate_value *members);

bool gate_check_select(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_with(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_cte(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_relation(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_column(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_constant(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_operator(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_sublink(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_function(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_clock(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;
bool gate_check_type(struct gate_walk *w, const struct gate_value *members) MUST_CHECK;

#endif
