/*
 * gate: any text is read without harm; what passes is one statement that passes again as it was
 * bound (the parameters aside), and a place that is named lies inside the text.
 */
#include "queryd/adhoc/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct gate_params params = {
	.v = {{"n", "int8", "1"}, {"t", "text", "x"}, {"list", "text[]", "{}"}}, .n = 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct slice sql = {(const char *)data, size};
	struct gate_statement s;
	struct gate_refusal why;

	if (gate_check(sql, &params, a, &s, &why) == 0) {
		ASSERT(strlen(s.sql) <= 8 * size + 8);
		ASSERT(s.relations < 1U << GATE_RELATION_COUNT);
	} else {
		ASSERT(why.detail[0] != '\0');
		ASSERT(why.position >= 0 && (size_t)why.position <= size + 1);
	}
	arena_free(a);
	return 0;
}
