/* scan: what is refused, why and where; what is indexed; arrays taken apart; unescaping. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "ingestd/reading/scan.h"

static struct scan_scratch scratch;
static struct scan_index found;

static void setup(void)
{
	scan_scratch_init(&scratch, 42);
}

/* Scans a copy that ends where its memory ends, so that a sanitizer sees a read past it. */
static int scan_copy(struct slice text, struct fault *fault)
{
	static const struct scan_limits limits = {.size_max = 1 << 20};
	char *copy = xmalloc(text.len + 1);
	char *tight = copy + 1;
	int r;

	if (text.len > 0)
		memcpy(tight, text.ptr, text.len);
	r = scan_document((struct slice){tight, text.len}, &limits, &scratch, NULL, fault);
	free(copy);
	return r;
}

static const struct {
	struct slice text;
	enum fault_code code;
	size_t offset;
} faults[] = {
	/* grammar */
	{SLICE_INIT(""), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("  "), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\xef\xbb\xbf{}"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("{"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("}"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("["), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("]"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("{]"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("[}"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("[1}"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("[1 2]"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("[1,]"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("[,1]"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("[1,,2]"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("{\"a\"}"), FAULT_INVALID_JSON, 4},
	{SLICE_INIT("{\"a\":}"), FAULT_INVALID_JSON, 5},
	{SLICE_INIT("{\"a\" 1}"), FAULT_INVALID_JSON, 5},
	{SLICE_INIT("{\"a\":1,}"), FAULT_INVALID_JSON, 7},
	{SLICE_INIT("{\"a\":1 \"b\":2}"), FAULT_INVALID_JSON, 7},
	{SLICE_INIT("{\"a\":1"), FAULT_INVALID_JSON, 6},
	{SLICE_INIT("{\"a\":"), FAULT_INVALID_JSON, 5},
	{SLICE_INIT("{\"a\""), FAULT_INVALID_JSON, 4},
	{SLICE_INIT("{\"a"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("{a:1}"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("{'a':1}"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("{1:1}"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("{} {}"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("{}x"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("1 2"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("/**/{}"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("{}//"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\v{}"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("{}\0"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\0{}"), FAULT_INVALID_JSON, 0},
	/* literals */
	{SLICE_INIT("nul"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("nulll"), FAULT_INVALID_JSON, 4},
	{SLICE_INIT("True"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("tru"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("fals"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("undefined"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("NaN"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("-Infinity"), FAULT_INVALID_JSON, 1},
	/* numbers */
	{SLICE_INIT("01"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("-"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("+1"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT(".5"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("1."), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("[1.]"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("1.e1"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("1e"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("1e+"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("1-1"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("0x10"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("1_000"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("[1,1e131072]"), FAULT_INVALID_JSON, 3}, /* beyond numeric */
	{SLICE_INIT("1e-16384"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("0e1073741823"), FAULT_INVALID_JSON, 0},
	{SLICE_INIT("1e99999999999999999999"), FAULT_INVALID_JSON, 0},
	/* strings */
	{SLICE_INIT("\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"a"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"a\\"), FAULT_INVALID_JSON, 3},
	{SLICE_INIT("\"a\\\""), FAULT_INVALID_JSON, 4},
	{SLICE_INIT("\"\t\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"a\nb\""), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"a\0b\""), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"\x1f\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\q\""), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"\\x41\""), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"\\\0\""), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"\\u\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\u12\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\u12g4\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\u+123\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\u123"), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"a\\u0000\""), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("{\"\\u0000\":1}"), FAULT_INVALID_JSON, 2},
	{SLICE_INIT("\"\\ud800\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\udc00\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\ud800\\ud800\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\ud800\\u0041\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\ud800\\n\""), FAULT_INVALID_JSON, 1},
	{SLICE_INIT("\"\\ud83d\\ude0\""), FAULT_INVALID_JSON, 1},
	/* encoding */
	{SLICE_INIT("\"\x80\""), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("\"abc\xff\""), FAULT_INVALID_UTF8, 4},
	{SLICE_INIT("\"\xc3\""), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("\"\xc3"), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("\"\xc0\x80\""), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("\"\xe0\x80\x80\""), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("\"\xed\xa0\x80\""), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("\"\xf4\x90\x80\x80\""), FAULT_INVALID_UTF8, 1},
	{SLICE_INIT("{\"k\xf0\x9f\":1}"), FAULT_INVALID_UTF8, 3},
	{SLICE_INIT("\"latin1 \xe9t\xe9\""), FAULT_INVALID_UTF8, 8},
	{SLICE_INIT("{\"a\":\xc3\xa9}"), FAULT_INVALID_JSON, 5}, /* outside a string */
	/* repeated keys */
	{SLICE_INIT("{\"a\":1,\"a\":2}"), FAULT_DUPLICATE_KEY, 8},
	{SLICE_INIT("{\"\":1,\"\":2}"), FAULT_DUPLICATE_KEY, 7},
	{SLICE_INIT("{\"a\":1,\"\\u0061\":2}"), FAULT_DUPLICATE_KEY, 8},
	{SLICE_INIT("{\"\\u0061b\":1,\"a\\u0062\":2}"), FAULT_DUPLICATE_KEY, 14},
	{SLICE_INIT("{\"\\/\":1,\"/\":2}"), FAULT_DUPLICATE_KEY, 9},
	{SLICE_INIT("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"), FAULT_DUPLICATE_KEY, 19},
	{SLICE_INIT("{\"abcdefgh\":1,\"abcdefg\\u0068\":2}"), FAULT_DUPLICATE_KEY, 15},
	{SLICE_INIT("{\"abcdefghi\":1,\"abcdefgh\\u0069\":2}"), FAULT_DUPLICATE_KEY, 16},
	{SLICE_INIT("{\"x\":{\"b\":1,\"b\":1}}"), FAULT_DUPLICATE_KEY, 13},
	{SLICE_INIT("[{\"b\":1},{\"b\":1,\"b\":1}]"), FAULT_DUPLICATE_KEY, 17},
	{SLICE_INIT("{\"a\":1,\"b\":{\"a\":1},\"a\":2}"), FAULT_DUPLICATE_KEY, 20},
	{SLICE_INIT("{\"a\":[{\"a\":{\"c\":1}}],\"a\":2}"), FAULT_DUPLICATE_KEY, 22},
};

START_TEST(test_fault)
{
	struct fault fault = {.code = FAULT_NONE};

	ck_assert_int_eq(scan_copy(faults[_i].text, &fault), -EINVAL);
	ck_assert_str_eq(fault_name(fault.code), fault_name(faults[_i].code));
	ck_assert_uint_eq(fault.offset, faults[_i].offset);
	ck_assert_ptr_nonnull(fault.what);
	ck_assert_ptr_null(fault.source);
	/* nothing is left behind */
	ck_assert_int_eq(scan_copy(SLICE_LIT("{\"a\":1,\"b\":{\"a\":1}}"), &fault), 0);
	ck_assert_int_eq(scan_copy(faults[_i].text, NULL), -EINVAL);
}
END_TEST

static const struct slice valid[] = {
	SLICE_INIT("{}"),
	SLICE_INIT(" [ ] "),
	SLICE_INIT("\t\r\n null \n"),
	SLICE_INIT("true"),
	SLICE_INIT("false"),
	SLICE_INIT("0"),
	SLICE_INIT("-0"),
	SLICE_INIT("-0.0e-0"),
	SLICE_INIT("1E+2"),
	SLICE_INIT("9007199254740993"),
	SLICE_INIT("1e131071"),
	SLICE_INIT("0.01e131073"),
	SLICE_INIT("1e-16383"),
	SLICE_INIT("0e999999"),
	SLICE_INIT("1e00000000000000000000000000000000000000001"),
	SLICE_INIT("\"\""),
	SLICE_INIT("\"\x7f\""),
	SLICE_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\uFFFF\""),
	SLICE_INIT("\"\\ud83d\\ude00 \\uDBFF\\uDFFF\""),
	SLICE_INIT("\"\xd9\x87\xd8\xaa\xd9\x84 \xef\xbf\xbf \xf4\x8f\xbf\xbf\""),
	SLICE_INIT("{\"a\":{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]}},\"b\":{\"a\":2},\"c\":{\"a\":2}}"),
	SLICE_INIT("{\"a\":1,\"A\":1,\"\":1,\"aa\":1}"),
	SLICE_INIT("[{\"b\":1},{\"b\":1}]"),
	SLICE_INIT("{ \"a\" : [ 1 , 2 ] , \"b\" : { } }"),
};

START_TEST(test_valid)
{
	struct fault fault = {.code = FAULT_NONE};
	int r = scan_copy(valid[_i], &fault);

	ck_assert_msg(r == 0, "byte %zu: %s", fault.offset, fault.what);
}
END_TEST

/* Every place within a word, before and after every word's end. */
START_TEST(test_string_positions)
{
	static const struct {
		const char *put;
		enum fault_code code;
	} special[] = {
		{"\x01", FAULT_INVALID_JSON},    {"\x80", FAULT_INVALID_UTF8},
		{"\xff", FAULT_INVALID_UTF8},    {"\\", FAULT_INVALID_JSON},
		{"\xd9\x87", FAULT_NONE},        {"\xf0\x9f\x98\x80", FAULT_NONE},
		{"\\u0000", FAULT_INVALID_JSON}, {"\\u00e9", FAULT_NONE},
		{"\"", FAULT_INVALID_JSON},
	};
	struct strbuf text = STRBUF_INIT;

	for (size_t s = 0; s < ARRAY_SIZE(special); s++) {
		for (size_t before = 0; before < 20; before++) {
			for (size_t after = 0; after < 20; after++) {
				struct fault fault = {.code = FAULT_NONE};

				strbuf_reset(&text);
				strbuf_append_char(&text, '"');
				for (size_t i = 0; i < before; i++)
					strbuf_append_char(&text, 'p');
				strbuf_append_str(&text, special[s].put);
				for (size_t i = 0; i < after; i++)
					strbuf_append_char(&text, 'p');
				strbuf_append_char(&text, '"');
				(void)scan_copy(strbuf_slice(&text), &fault);
				ck_assert_str_eq(fault_name(fault.code),
						 fault_name(special[s].code));
			}
		}
	}
	strbuf_clear(&text);
}
END_TEST

START_TEST(test_truncated)
{
	struct slice text = SLICE_LIT(
		"{\"eventId\":\"evt_\\u00e9\\ud83d\\ude00\xd9\x87\",\"n\":[1.5e2,"
		"true,null,{\"a\":\"b\"}],\"payload\":{\"x\":false}}");
	struct fault fault;

	ck_assert_int_eq(scan_copy(text, &fault), 0);
	for (size_t n = 0; n < text.len; n++)
		ck_assert_int_eq(scan_copy((struct slice){text.ptr, n}, &fault), -EINVAL);
}
END_TEST

static void nest(struct strbuf *text, const char *open, const char *close, int depth)
{
	strbuf_reset(text);
	for (int i = 0; i < depth; i++)
		strbuf_append_str(text, open);
	strbuf_append_char(text, '1');
	for (int i = 0; i < depth; i++)
		strbuf_append_str(text, close);
}

START_TEST(test_depth)
{
	struct strbuf text = STRBUF_INIT;
	struct fault fault;

	nest(&text, "[", "]", SCAN_DEPTH_MAX);
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), 0);
	nest(&text, "{\"a\":", "}", SCAN_DEPTH_MAX);
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), 0);
	nest(&text, "[", "]", SCAN_DEPTH_MAX + 1);
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_DEEP);
	ck_assert_uint_eq(fault.offset, SCAN_DEPTH_MAX);
	nest(&text, "{\"a\":", "}", 100000);
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_DEEP);
	strbuf_clear(&text);
}
END_TEST

START_TEST(test_size)
{
	struct scan_limits limits = {.size_max = 9};
	struct slice nothing = {NULL, 0}, element;
	struct fault fault;
	size_t offset = 0;

	ck_assert_int_eq(scan_document(nothing, &limits, &scratch, NULL, &fault), -EINVAL);
	ck_assert_int_eq(scan_array_next(nothing, &offset, &element, &fault), -EINVAL);
	ck_assert_int_eq(scan_document(SLICE_LIT("{\"a\": 12}"), &limits, &scratch, NULL, NULL), 0);
	ck_assert_int_eq(scan_document(SLICE_LIT("{\"a\": 12} "), &limits, &scratch, NULL, &fault),
			 -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_LARGE);
	ck_assert_uint_eq(fault.offset, 9);
}
END_TEST

/* {"0":0,"1":0,...} and then what `last` says */
static void many_keys(struct strbuf *text, int n, const char *last)
{
	strbuf_reset(text);
	strbuf_append_char(text, '{');
	for (int i = 0; i < n; i++)
		strbuf_appendf(text, "%s\"%d\":0", i > 0 ? "," : "", i);
	strbuf_append_str(text, last);
	strbuf_append_char(text, '}');
}

START_TEST(test_many_keys)
{
	struct strbuf text = STRBUF_INIT;
	struct fault fault;

	many_keys(&text, SCAN_KEYS_MAX, "");
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), 0);
	many_keys(&text, SCAN_KEYS_MAX + 1, "");
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_MANY_KEYS);
	for (int repeated = 0; repeated < 4000; repeated += 97) {
		char last[32];

		(void)snprintf(last, sizeof(last), ",\"%d\":0", repeated);
		many_keys(&text, 4000, last);
		ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), -EINVAL);
		ck_assert_int_eq(fault.code, FAULT_DUPLICATE_KEY);
		ck_assert_uint_eq(fault.offset, text.len - strlen(last) + 1);
	}
	/* closed objects make room again */
	strbuf_reset(&text);
	strbuf_append_char(&text, '[');
	for (int i = 0; i < 20000; i++)
		strbuf_append_str(&text, i > 0 ? ",{\"a\":1,\"b\":1}" : "{\"a\":1}");
	strbuf_append_char(&text, ']');
	ck_assert_int_eq(scan_copy(strbuf_slice(&text), &fault), 0);
	strbuf_clear(&text);
}
END_TEST

static const struct slice descend[] = {SLICE_INIT("metadata"), SLICE_INIT("producer")};
static const struct scan_limits indexed = {1 << 20, descend, ARRAY_SIZE(descend)};

static void check_member(size_t i, const char *key, int parent, enum scan_kind kind,
			 const char *value)
{
	const struct scan_member *m = &found.members[i];

	ck_assert_uint_lt(i, found.len);
	ck_assert(slice_eq_str(m->key, key));
	ck_assert_int_eq(m->parent, parent);
	ck_assert_int_eq((int)m->kind, (int)kind);
	ck_assert_msg(slice_eq_str(m->value, value), "%.*s", (int)m->value.len, m->value.ptr);
}

START_TEST(test_index)
{
	struct slice text = SLICE_LIT(
		" {\"a\" : \"x\\ny\" ,\"metadata\":{\"b\":{\"c\":1},\"d\":[]},\n"
		"\"other\":{\"e\":1},\"producer\":\"p\",\"n\":null,\"t\":true,"
		"\"m\\u0065\":-1.5e3} ");

	ck_assert_int_eq(scan_document(text, &indexed, &scratch, &found, NULL), 0);
	ck_assert_int_eq((int)found.kind, (int)SCAN_OBJECT);
	ck_assert_uint_eq(found.len, 9);
	check_member(0, "a", -1, SCAN_STRING, "\"x\\ny\"");
	ck_assert(found.members[0].value_escaped && !found.members[0].key_escaped);
	check_member(1, "metadata", -1, SCAN_OBJECT, "{\"b\":{\"c\":1},\"d\":[]}");
	check_member(2, "b", 1, SCAN_OBJECT, "{\"c\":1}");
	check_member(3, "d", 1, SCAN_ARRAY, "[]");
	check_member(4, "other", -1, SCAN_OBJECT, "{\"e\":1}");
	check_member(5, "producer", -1, SCAN_STRING, "\"p\"");
	ck_assert(!found.members[5].value_escaped);
	check_member(6, "n", -1, SCAN_NULL, "null");
	check_member(7, "t", -1, SCAN_BOOL, "true");
	check_member(8, "m\\u0065", -1, SCAN_NUMBER, "-1.5e3");
	ck_assert(found.members[8].key_escaped);
	ck_assert_ptr_eq(scan_find(&found, -1, "me"), &found.members[8]);
	ck_assert_ptr_eq(scan_find(&found, 1, "d"), &found.members[3]);
	ck_assert_ptr_null(scan_find(&found, -1, "d"));
	ck_assert_ptr_null(scan_find(&found, 1, "a"));
}
END_TEST

START_TEST(test_index_others)
{
	/* a key in its escaped spelling is looked into too */
	ck_assert_int_eq(scan_document(SLICE_LIT("{\"meta\\u0064ata\":{\"b\":1}}"), &indexed,
				       &scratch, &found, NULL),
			 0);
	ck_assert_uint_eq(found.len, 2);
	check_member(1, "b", 0, SCAN_NUMBER, "1");
	/* not below other objects, not in arrays */
	ck_assert_int_eq(scan_document(SLICE_LIT("{\"x\":{\"metadata\":{\"b\":1}}}"), &indexed,
				       &scratch, &found, NULL),
			 0);
	ck_assert_uint_eq(found.len, 1);
	ck_assert_int_eq(scan_document(SLICE_LIT("[{\"metadata\":{\"b\":1}}]"), &indexed, &scratch,
				       &found, NULL),
			 0);
	ck_assert_int_eq((int)found.kind, (int)SCAN_ARRAY);
	ck_assert_uint_eq(found.len, 0);
	ck_assert_int_eq(scan_document(SLICE_LIT("7"), &indexed, &scratch, &found, NULL), 0);
	ck_assert_int_eq((int)found.kind, (int)SCAN_NUMBER);
	ck_assert_uint_eq(found.len, 0);
}
END_TEST

START_TEST(test_index_full)
{
	struct strbuf text = STRBUF_INIT;
	struct fault fault;

	many_keys(&text, SCAN_MEMBERS_MAX, "");
	ck_assert_int_eq(scan_document(strbuf_slice(&text), &indexed, &scratch, &found, NULL), 0);
	ck_assert_uint_eq(found.len, SCAN_MEMBERS_MAX);
	many_keys(&text, SCAN_MEMBERS_MAX, ",\"x\":0");
	ck_assert_int_eq(scan_document(strbuf_slice(&text), &indexed, &scratch, &found, &fault),
			 -EINVAL);
	ck_assert_int_eq(fault.code, FAULT_TOO_MANY_KEYS);
	/* an object that nobody asked for may have more */
	strbuf_reset(&text);
	strbuf_append_str(&text, "{\"payload\":");
	for (int i = 0; i < 300; i++)
		strbuf_appendf(&text, "%s\"%d\":0", i > 0 ? "," : "{", i);
	strbuf_append_str(&text, "}}");
	ck_assert_int_eq(scan_document(strbuf_slice(&text), &indexed, &scratch, &found, NULL), 0);
	ck_assert_uint_eq(found.len, 1);
	strbuf_clear(&text);
}
END_TEST

static const struct {
	const char *text;
	int last;      /* of the calls: 0 or -EINVAL */
	size_t offset; /* of the fault */
	const char *elements[4];
} arrays[] = {
	{"[]", 0, 0, {NULL}},
	{" [ \n] ", 0, 0, {NULL}},
	{"[1]", 0, 0, {"1"}},
	{" [ {\"a\":[1,2]} , \"x,]\" ,\n[] ] ", 0, 0, {"{\"a\":[1,2]}", "\"x,]\"", "[]"}},
	/* what a single event may not contain is not the array's fault */
	{"[{\"a\":1,\"a\":2},\"\\u0000\",\"\\ud800\",1e999999]",
	 0,
	 0,
	 {"{\"a\":1,\"a\":2}", "\"\\u0000\"", "\"\\ud800\"", "1e999999"}},
	{"", -EINVAL, 0, {NULL}},
	{"{}", -EINVAL, 0, {NULL}},
	{"[", -EINVAL, 1, {NULL}},
	{"[1", -EINVAL, 2, {NULL}},
	{"[1,", -EINVAL, 3, {NULL}},
	{"[1,]", -EINVAL, 3, {"1"}},
	{"[,1]", -EINVAL, 1, {NULL}},
	{"[1 2]", -EINVAL, 3, {NULL}},
	{"[1}", -EINVAL, 2, {NULL}},
	{"[1,{\"a\":tru}]", -EINVAL, 8, {"1"}},
	{"[1,\"\xff\"]", -EINVAL, 4, {"1"}},
	{"[1]]", -EINVAL, 3, {NULL}},
	{"[1],", -EINVAL, 3, {NULL}},
	{"[] x", -EINVAL, 3, {NULL}},
};

START_TEST(test_array)
{
	struct slice text = slice_of(arrays[_i].text), element;
	struct fault fault = {.offset = 0};
	size_t offset = 0;
	int r;

	for (size_t n = 0; (r = scan_array_next(text, &offset, &element, &fault)) == 1; n++) {
		ck_assert_uint_lt(n, ARRAY_SIZE(arrays[_i].elements));
		ck_assert_ptr_nonnull(arrays[_i].elements[n]);
		ck_assert_str_eq(arrays[_i].elements[n] + element.len, "");
		ck_assert(slice_eq_str(element, arrays[_i].elements[n]));
	}
	ck_assert_int_eq(r, arrays[_i].last);
	ck_assert_uint_eq(fault.offset, arrays[_i].offset);
	if (r == 0)
		ck_assert_int_eq(scan_array_next(text, &offset, &element, &fault), 0);
}
END_TEST

/* Members as "key=value;". */
static const struct {
	const char *text;
	int last;
	size_t offset;
	const char *members;
} objects[] = {
	{"{}", 0, 0, ""},
	{" { \n} ", 0, 0, ""},
	{"{\"a\":1}", 0, 0, "a=1;"},
	{" { \"a\" : {\"b\":[1,\"}\"]} , \"c\":null } ", 0, 0, "a={\"b\":[1,\"}\"]};c=null;"},
	{"{\"a\":1,\"a\":\"\\u0000\"}", 0, 0, "a=1;a=\"\\u0000\";"},
	{"", -EINVAL, 0, ""},
	{"[]", -EINVAL, 0, ""},
	{"{", -EINVAL, 1, ""},
	{"{\"a\"", -EINVAL, 4, ""},
	{"{\"a\":1,", -EINVAL, 7, ""},
	{"{\"a\":1,}", -EINVAL, 7, "a=1;"},
	{"{\"a\":1 \"b\":2}", -EINVAL, 7, ""},
	{"{\"a\":1,\"b\":tru}", -EINVAL, 11, "a=1;"},
	{"{a:1}", -EINVAL, 1, ""},
	{"{\"a\":1}}", -EINVAL, 7, ""},
	{"{} x", -EINVAL, 3, ""},
};

START_TEST(test_object)
{
	struct slice text = slice_of(objects[_i].text);
	struct strbuf seen = STRBUF_INIT;
	struct fault fault = {.offset = 0};
	struct scan_member m;
	size_t offset = 0;
	int r;

	while ((r = scan_object_next(text, &offset, &m, &fault)) == 1) {
		ck_assert_int_eq(m.kind, scan_kind_of(m.value));
		strbuf_append_slice(&seen, m.key);
		strbuf_append_char(&seen, '=');
		strbuf_append_slice(&seen, m.value);
		strbuf_append_char(&seen, ';');
	}
	ck_assert_int_eq(r, objects[_i].last);
	ck_assert_uint_eq(fault.offset, objects[_i].offset);
	ck_assert_str_eq(strbuf_cstr(&seen), objects[_i].members);
	strbuf_clear(&seen);
}
END_TEST

static const struct {
	const char *escaped;
	struct slice plain;
} strings[] = {
	{"", SLICE_INIT("")},
	{"plain", SLICE_INIT("plain")},
	{"\\\"\\\\\\/\\b\\f\\n\\r\\t", SLICE_INIT("\"\\/\b\f\n\r\t")},
	{"\\u0041\\u00e9\\u20AC\\ud83d\\ude00",
	 SLICE_INIT("A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")},
	{"\\u007f\\u0080\\u07ff\\u0800\\uffff",
	 SLICE_INIT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
	{"\\udbff\\udfff", SLICE_INIT("\xf4\x8f\xbf\xbf")},
	{"\xd9\x87\\n\xd8\xaa", SLICE_INIT("\xd9\x87\n\xd8\xaa")},
};

START_TEST(test_unescape)
{
	char out[64];
	struct slice s = {out, scan_unescape(slice_of(strings[_i].escaped), out)};

	ck_assert_uint_le(s.len, strlen(strings[_i].escaped));
	ck_assert(slice_eq(s, strings[_i].plain));
}
END_TEST

START_TEST(test_fault_places)
{
	char place[FAULT_PLACE_MAX];
	struct fault fault;

	(void)fault_at_byte(&fault, FAULT_INVALID_JSON, 17, "x");
	fault_place(&fault, place);
	ck_assert_str_eq(place, "byte 17");
	(void)fault_at_source(&fault, FAULT_BAD_TENANT, "envelope.tenantId", "x");
	fault_place(&fault, place);
	ck_assert_str_eq(place, "$.envelope.tenantId");
	(void)fault_at_source(&fault, FAULT_BAD_TENANT, "@tenantId", "x");
	fault_place(&fault, place);
	ck_assert_str_eq(place, "attributes.tenantId");
	(void)fault_at_source(&fault, FAULT_BAD_TENANT, "#messageId", "x");
	fault_place(&fault, place);
	ck_assert_str_eq(place, "message.messageId");
	for (int code = 0; code < FAULT_COUNT; code++) {
		ck_assert_uint_gt(strlen(fault_name((enum fault_code)code)), 0);
		ck_assert_uint_gt(strlen(fault_meaning((enum fault_code)code)), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scan");
	TCase *tc = tcase_create("scan");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, test_fault, 0, ARRAY_SIZE(faults));
	tcase_add_loop_test(tc, test_valid, 0, ARRAY_SIZE(valid));
	tcase_add_test(tc, test_string_positions);
	tcase_add_test(tc, test_truncated);
	tcase_add_test(tc, test_depth);
	tcase_add_test(tc, test_size);
	tcase_add_test(tc, test_many_keys);
	tcase_add_test(tc, test_index);
	tcase_add_test(tc, test_index_others);
	tcase_add_test(tc, test_index_full);
	tcase_add_loop_test(tc, test_array, 0, ARRAY_SIZE(arrays));
	tcase_add_loop_test(tc, test_object, 0, ARRAY_SIZE(objects));
	tcase_add_loop_test(tc, test_unescape, 0, ARRAY_SIZE(strings));
	tcase_add_test(tc, test_fault_places);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
