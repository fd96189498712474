/*
 * The tree of a statement as libpg_query's parser writes it: its JSON, read once into a row of
 * values in the order of the text, each followed by those inside it. That is all that the gate
 * needs, for a tenth of what a document of json.h costs: names and texts are pieces of the JSON,
 * unescaped where they stand.
 *
 * It reads what that parser writes and no other JSON: anything else ends in a refusal.
 */
#ifndef QUERYD_ADHOC_GATE_TREE_H
#define QUERYD_ADHOC_GATE_TREE_H

#include "common/base/base.h"

#define GATE_TREE_DEPTH 500 /* of values in values; who walks it recurses as deep */

enum gate_kind { GATE_WORD, GATE_TEXT, GATE_LIST, GATE_OBJECT };

struct gate_value {
	struct slice name; /* in its object; without a pointer in a list */
	struct slice text; /* of a WORD (a number, true, false) or a TEXT, without its quotes */
	enum gate_kind kind;
	uint32_t size; /* values, from this one to the last inside it */
};

struct gate_tree {
	struct gate_value *values; /* the first is the whole */
	size_t n, room;
};

/* Writes into the text, and borrows it. -EINVAL: nested too deeply, or not what the parser writes.
 * gate_tree_clear() follows either way. */
int gate_tree_read(char *json, size_t len, struct gate_tree *ret) MUST_CHECK;
void gate_tree_clear(struct gate_tree *t);

/* for (v = gate_value_first(list); v != gate_value_end(list); v = gate_value_next(v)) */
static inline const struct gate_value *gate_value_first(const struct gate_value *of)
{
	return of + 1;
}

static inline const struct gate_value *gate_value_next(const struct gate_value *v)
{
	return v + v->size;
}

static inline const struct gate_value *gate_value_end(const struct gate_value *of)
{
	return of + of->size;
}

/* slice_eq() for names: most of those compared differ in length or in the first byte. */
static inline bool gate_same_name(struct slice a, struct slice b)
{
	return a.len == b.len && a.len > 0 && a.ptr[0] == b.ptr[0] &&
	       memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* The member of that name, or NULL, also of NULL and of what is no object. */
const struct gate_value *gate_value_get(const struct gate_value *object, const char *name);
/* How many a list has; 0 of NULL and of what is no list. */
size_t gate_value_count(const struct gate_value *list);
/* Its text; empty of NULL and of what is no TEXT. */
struct slice gate_value_text(const struct gate_value *v);

#endif
