/* content_hash: equal for all texts of one content, different otherwise, frozen for ever. */
#include "tests/unit/unit.h"

#include "common/base/strbuf.h"
#include "common/base/xalloc.h"
#include "ingestd/reading/content_hash.h"
#include "ingestd/reading/scan.h"

static struct content_hasher *hasher;

static void setup(void)
{
	hasher = content_hasher_new();
}

static void teardown(void)
{
	content_hasher_free(hasher);
}

/* Hashes a copy that ends where its memory ends. */
static void hash(struct slice payload, char hex[2 * HASH_SHA256_LEN + 1])
{
	unsigned char digest[HASH_SHA256_LEN];
	char *tight = xmalloc(payload.len > 0 ? payload.len : 1);

	if (payload.len > 0)
		memcpy(tight, payload.ptr, payload.len);
	content_hash(hasher, NULL, 0, (struct slice){tight, payload.len}, digest);
	hash_hex(digest, sizeof(digest), hex);
	free(tight);
}

/* What the header promises, written out; SHA-256 of it is the hash. */
static const struct {
	const char *payload;
	struct slice canonical;
} forms[] = {
	{"", SLICE_INIT("")},
	{"null", SLICE_INIT("n")},
	{"true", SLICE_INIT("t")},
	{"false", SLICE_INIT("f")},
	{"\"\"", SLICE_INIT("s\0")},
	{"\"a\\u00e9\\n\"", SLICE_INIT("sa\xc3\xa9\n\0")},
	{"[]", SLICE_INIT("[]")},
	{" [ 1 , \"x\" , [ ] ] ", SLICE_INIT("[d1\0sx\0[]]")},
	{"{}", SLICE_INIT("{}")},
	{"{\"b\":1,\"a\":[true],\"\":null}", SLICE_INIT("{\0na\0[t]b\0d1\0}")},
	{"{\"b\":{\"z\":1,\"y\":2},\"a\":{\"x\":{\"d\":1,\"c\":2}}}",
	 SLICE_INIT("{a\0{x\0{c\0d2\0d\0d1\0}}b\0{y\0d2\0z\0d1\0}}")},
	{"{\"\xc3\xa9\":1,\"z\":2,\"\\u0001\":3}", SLICE_INIT("{\x01\0d3\0z\0d2\0\xc3\xa9\0d1\0}")},
	{"{\"ab\":1,\"a\":2,\"abc\":3}", SLICE_INIT("{a\0d2\0"
						    "ab\0d1\0"
						    "abc\0d3\0}")},
	/* numbers */
	{"0", SLICE_INIT("d0\0")},
	{"-0", SLICE_INIT("d0\0")},
	{"0.000e5", SLICE_INIT("d0\0")},
	{"1", SLICE_INIT("d1\0")},
	{"1.0", SLICE_INIT("d1\0")},
	{"1e0", SLICE_INIT("d1\0")},
	{"10e-1", SLICE_INIT("d1\0")},
	{"0.01E+2", SLICE_INIT("d1\0")},
	{"-1", SLICE_INIT("d-1\0")},
	{"100", SLICE_INIT("d1e2\0")},
	{"-120.50", SLICE_INIT("d-1205e-1\0")},
	{"1e100000", SLICE_INIT("d1e100000\0")},
	{"0.001", SLICE_INIT("d1e-3\0")},
	{"9007199254740993", SLICE_INIT("d9007199254740993\0")},
	{"9007199254740993.000000000000000000001",
	 SLICE_INIT("d9007199254740993000000000000000000001e-21\0")},
};

START_TEST(test_form)
{
	char got[2 * HASH_SHA256_LEN + 1], expected[2 * HASH_SHA256_LEN + 1];
	unsigned char digest[HASH_SHA256_LEN];

	hash(slice_of(forms[_i].payload), got);
	hash_sha256(forms[_i].canonical, digest);
	hash_hex(digest, sizeof(digest), expected);
	ck_assert_msg(strcmp(got, expected) == 0, "%s", forms[_i].payload);
}
END_TEST

static const struct {
	const char *a, *b;
	bool equal;
} pairs[] = {
	{"{\"a\":1,\"b\":[1,2]}", " { \"b\" : [ 1.0 , 20e-1 ] , \"\\u0061\" : 1e0 }\n", true},
	{"\"\\u00e9\"", "\"\xc3\xa9\"", true},
	{"\"\\/\"", "\"/\"", true},
	{"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", true},
	{"[1,2]", "[2,1]", false},
	{"1", "\"1\"", false},
	{"\"1\"", "\"1.0\"", false},
	{"null", "false", false},
	{"null", "\"null\"", false},
	{"{}", "[]", false},
	{"{\"a\":null}", "{}", false},
	{"[[],[]]", "[[[]]]", false},
	{"[\"a\",\"b\"]", "[\"ab\"]", false},
	{"{\"a\":\"b\"}", "{\"ab\":\"\"}", false},
	{"[1,23]", "[12,3]", false},
	{"1", "10", false},
	{"1", "-1", false},
	{"0.1", "0.10000000000000000000001", false},
	{"9007199254740993", "9007199254740992", false},
};

START_TEST(test_pair)
{
	char a[2 * HASH_SHA256_LEN + 1], b[2 * HASH_SHA256_LEN + 1];

	hash(slice_of(pairs[_i].a), a);
	hash(slice_of(pairs[_i].b), b);
	ck_assert((strcmp(a, b) == 0) == pairs[_i].equal);
}
END_TEST

/* Parts cannot run into each other or into the payload. */
START_TEST(test_parts)
{
	static const struct {
		struct slice parts[2];
		const char *payload;
	} cases[] = {
		{{SLICE_INIT("a"), SLICE_INIT("bc")}, "1"},
		{{SLICE_INIT("ab"), SLICE_INIT("c")}, "1"},
		{{SLICE_INIT("abc"), SLICE_INIT("")}, "1"},
		{{SLICE_INIT(""), SLICE_INIT("abc")}, "1"},
		{{SLICE_INIT("a"), SLICE_INIT("bc")}, ""},
		{{SLICE_INIT("a"), SLICE_INIT("bcd1\0")}, ""},
	};
	unsigned char digests[ARRAY_SIZE(cases)][HASH_SHA256_LEN];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		content_hash(hasher, cases[i].parts, 2, slice_of(cases[i].payload), digests[i]);
		for (size_t j = 0; j < i; j++)
			ck_assert_mem_ne(digests[i], digests[j], HASH_SHA256_LEN);
	}
}
END_TEST

/* A stored hash is compared with new ones for years: this value may never change. */
START_TEST(test_frozen)
{
	static const struct slice parts[] = {SLICE_INIT("melmastoon.reservation.confirmed.v1"),
					     SLICE_INIT("tnt_01HZ0000000000000000000001"),
					     SLICE_INIT("")};
	unsigned char digest[HASH_SHA256_LEN];
	char hex[2 * HASH_SHA256_LEN + 1];

	content_hash(hasher, parts, ARRAY_SIZE(parts),
		     SLICE_LIT("{\"total\":{\"currency\":\"EUR\",\"amountMicro\":\"12500000\"},"
			       "\"nights\":3.0,\"guest\":\"\\u0639\\u0644\\u06cc\",\"items\":[null,"
			       "-2.50e1]}"),
		     digest);
	hash_hex(digest, sizeof(digest), hex);
	ck_assert_str_eq(hex, "06111557ab07a63f3729e416cd493d7080c233f954c500e4b08843f8b1d8efc8");
}
END_TEST

/* The largest and most awkward payloads that the scanner lets through. */
START_TEST(test_bounds)
{
	static struct scan_scratch scratch;
	static const struct scan_limits limits = {.size_max = 1 << 20};
	char first[2 * HASH_SHA256_LEN + 1], second[2 * HASH_SHA256_LEN + 1];
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	scan_scratch_init(&scratch, 7);
	for (int i = 0; i < SCAN_KEYS_MAX; i++) { /* keys in falling and in rising order */
		strbuf_appendf(&a, "%c\"%05d\":[5,10,0.1,-1e-9]", i > 0 ? ',' : '{',
			       SCAN_KEYS_MAX - i);
		strbuf_appendf(&b, "%c\"%05d\":[5,10,0.1,-1e-9]", i > 0 ? ',' : '{', i + 1);
	}
	strbuf_append_char(&a, '}');
	strbuf_append_char(&b, '}');
	ck_assert_int_eq(scan_document(strbuf_slice(&a), &limits, &scratch, NULL, NULL), 0);
	hash(strbuf_slice(&a), first);
	hash(strbuf_slice(&b), second);
	ck_assert_str_eq(first, second);

	strbuf_reset(&a);
	for (int i = 0; i < SCAN_DEPTH_MAX; i++)
		strbuf_append_str(&a, "{\"z\":1,\"a\":");
	strbuf_append_str(&a, "[]");
	for (int i = 0; i < SCAN_DEPTH_MAX; i++)
		strbuf_append_char(&a, '}');
	hash(strbuf_slice(&a), first);

	strbuf_reset(&a);
	strbuf_append_char(&a, '[');
	for (int i = 0; i < 250000; i++)
		strbuf_append_str(&a, i > 0 ? ",10" : "10");
	strbuf_append_char(&a, ']');
	hash(strbuf_slice(&a), first);
	strbuf_clear(&a);
	strbuf_clear(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("content_hash");
	TCase *tc = tcase_create("content_hash");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_form, 0, ARRAY_SIZE(forms));
	tcase_add_loop_test(tc, test_pair, 0, ARRAY_SIZE(pairs));
	tcase_add_test(tc, test_parts);
	tcase_add_test(tc, test_frozen);
	tcase_add_test(tc, test_bounds);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
