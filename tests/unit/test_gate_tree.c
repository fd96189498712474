/* gate_tree: the parser's JSON as a row of values, and whatever is not the parser's. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/strbuf.h"
#include "queryd/adhoc/gate_tree.h"

/* The text is copied to exactly its size, so that a sanitizer sees what is read behind it. */
static int read_copy(const char *json, struct gate_tree *t, char **ret)
{
	size_t len = strlen(json);

	*ret = malloc(len > 0 ? len : 1);
	ck_assert_ptr_nonnull(*ret);
	memcpy(*ret, json, len);
	return gate_tree_read(*ret, len, t);
}

START_TEST(test_values)
{
	struct gate_tree t;
	char *json;
	const struct gate_value *list, *v;

	ck_assert_int_eq(read_copy("{\"stmts\":[{\"a\":{}},{\"location\":-12,\"inh\":true}],"
				   "\"name\":\"x\"}",
				   &t, &json),
			 0);
	ck_assert_uint_eq(t.n, 8);
	ck_assert_uint_eq(t.values[0].size, t.n);
	list = gate_value_get(t.values, "stmts");
	ck_assert_uint_eq(gate_value_count(list), 2);
	v = gate_value_next(gate_value_first(list));
	ck_assert(slice_eq_str(gate_value_get(v, "location")->text, "-12"));
	ck_assert_int_eq(gate_value_get(v, "location")->kind, GATE_WORD);
	ck_assert_ptr_eq(gate_value_next(v), gate_value_end(list));
	ck_assert(slice_eq_str(gate_value_text(gate_value_get(t.values, "name")), "x"));
	ck_assert_uint_eq(gate_value_text(gate_value_get(v, "inh")).len, 0);
	ck_assert_ptr_null(gate_value_get(v, "name"));
	ck_assert_ptr_null(gate_value_get(list, "a"));
	ck_assert_ptr_null(gate_value_get(NULL, "a"));
	ck_assert_uint_eq(gate_value_count(NULL), 0);
	gate_tree_clear(&t);
	free(json);
}
END_TEST

static const struct {
	const char *json, *text; /* NULL: refused */
} texts[] = {
	{"\"\"", ""},
	{"\"a\\u003e\\u003cb\"", "a><b"},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
	{"\"\\u007f\\u001fä\"", "\x7f\x1fä"},
	{"\"\\u0000\"", NULL},
	{"\"\\u0080\"", NULL},
	{"\"\\u00ff\"", NULL},
	{"\"\\u013e\"", NULL},
	{"\"\\u003E\"", NULL},
	{"\"\\u003\"", NULL},
	{"\"\\x\"", NULL},
	{"\"\\", NULL},
	{"\"a", NULL},
	{"\"", NULL},
	{"", NULL},
	{"{", NULL},
	{"[", NULL},
	{"[1", NULL},
	{"[1,]", NULL},
	{"[1 ]", NULL},
	{"[1}", NULL},
	{"{\"a\"}", NULL},
	{"{\"a\":}", NULL},
	{"{\"a\":1,}", NULL},
	{"{a:1}", NULL},
	{"{1:1}", NULL},
	{"1.5", NULL},
	{"\"a\" ", NULL},
	{"\"a\"\"b\"", NULL},
};

START_TEST(test_texts)
{
	struct gate_tree t;
	char *json;
	int r = read_copy(texts[_i].json, &t, &json);

	ck_assert_msg((r == 0) == (texts[_i].text != NULL), "%s", texts[_i].json);
	if (r == 0)
		ck_assert(slice_eq_str(gate_value_text(t.values), texts[_i].text));
	gate_tree_clear(&t);
	free(json);
}
END_TEST

START_TEST(test_depth)
{
	for (size_t depth = GATE_TREE_DEPTH - 1; depth <= GATE_TREE_DEPTH; depth++) {
		struct strbuf b = STRBUF_INIT;
		struct gate_tree t;

		for (size_t i = 0; i < depth; i++)
			strbuf_append_char(&b, '[');
		strbuf_append_char(&b, '1');
		for (size_t i = 0; i < depth; i++)
			strbuf_append_char(&b, ']');
		ck_assert_int_eq(gate_tree_read(b.ptr, b.len, &t),
				 depth < GATE_TREE_DEPTH ? 0 : -EINVAL);
		gate_tree_clear(&t);
		strbuf_clear(&b);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate_tree");
	TCase *tc = tcase_create("gate_tree");

	tcase_add_test(tc, test_values);
	tcase_add_loop_test(tc, test_texts, 0, ARRAY_SIZE(texts));
	tcase_add_test(tc, test_depth);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
