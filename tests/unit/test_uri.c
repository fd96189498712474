/* uri: percent decoding, query strings, path templates. */
#include "tests/unit/unit.h"

#include "common/base/strbuf.h"
#include "common/base/uri.h"

static const struct {
	const char *in;
	bool plus;
	const char *out; /* NULL: refused */
} decodings[] = {
	{"", false, ""},
	{"/a/b", false, "/a/b"},
	{"a%3Ab%3a", false, "a:b:"},
	{"a+b", false, "a+b"},
	{"a+b%2B", true, "a b+"},
	{"%25%33%41", false, "%3A"}, /* once */
	{"%c3%a9", false, "\xc3\xa9"},
	{"%", false, NULL},
	{"%4", false, NULL},
	{"%4g", false, NULL},
	{"% 41", false, NULL},
	{"a%00b", false, NULL},
	{"%c3", false, NULL},
	{"\xff", false, NULL},
};

START_TEST(test_decode)
{
	const char *in = decodings[_i].in;
	char out[64];
	int r = uri_decode(slice_of(in), decodings[_i].plus, out);

	if (decodings[_i].out == NULL)
		ck_assert_int_lt(r, 0);
	else
		ck_assert_str_eq(out, decodings[_i].out);
}
END_TEST

START_TEST(test_query)
{
	struct arena *a = arena_new();
	struct uri_param *p;
	size_t n;

	ck_assert_int_eq(uri_parse_query(slice_of(""), a, &p, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(
		uri_parse_query(slice_of("from=2026-01-01&&p=a+b&p=%26&flag&x=1=2&="), a, &p, &n),
		0);
	ck_assert_uint_eq(n, 6);
	ck_assert_str_eq(p[0].name, "from");
	ck_assert_str_eq(p[0].value, "2026-01-01");
	ck_assert_str_eq(p[1].value, "a b");
	ck_assert_str_eq(p[2].name, "p");
	ck_assert_str_eq(p[2].value, "&");
	ck_assert_str_eq(p[3].name, "flag");
	ck_assert_str_eq(p[3].value, "");
	ck_assert_str_eq(p[4].value, "1=2");
	ck_assert_str_eq(p[5].name, "");
	ck_assert_int_lt(uri_parse_query(slice_of("a=%zz"), a, &p, &n), 0);
	arena_free(a);
}
END_TEST

START_TEST(test_query_limit)
{
	struct arena *a = arena_new();
	struct strbuf q = STRBUF_INIT;
	struct uri_param *p;
	size_t n;

	for (int i = 0; i < URI_QUERY_MAX; i++)
		strbuf_append_str(&q, "a=1&");
	ck_assert_int_eq(uri_parse_query(strbuf_slice(&q), a, &p, &n), 0);
	ck_assert_uint_eq(n, URI_QUERY_MAX);
	strbuf_append_str(&q, "a=1");
	ck_assert_int_lt(uri_parse_query(strbuf_slice(&q), a, &p, &n), 0);
	strbuf_clear(&q);
	arena_free(a);
}
END_TEST

static const struct {
	const char *pattern, *path;
	const char *values; /* joined by '|'; NULL: no match */
} matches[] = {
	{"/health", "/health", ""},
	{"/health", "/healthy", NULL},
	{"/health", "/healt", NULL},
	{"/health", "/health/", NULL},
	{"/m/{key}", "/m/adr", "adr"},
	{"/m/{key}", "/m/", NULL},
	{"/m/{key}", "/m/a/b", NULL},
	{"/m/{key}", "/m/a:compute", NULL},
	{"/m/{key}:compute", "/m/adr:compute", "adr"},
	{"/m/{key}:compute", "/m/adr", NULL},
	{"/m/{key}:compute", "/m/adr:compute2", NULL},
	{"/m/{key}/compute", "/m/adr/compute", "adr"},
	{"/d/{id}/w/{wid}", "/d/1/w/2", "1|2"},
	{"/q:run", "/q:run", ""},
	{"/q/{id}", "/q:run", NULL},
};

START_TEST(test_match)
{
	struct arena *a = arena_new();
	struct strbuf joined = STRBUF_INIT;
	struct uri_param params[URI_PARAMS_MAX];
	size_t n = 0;
	bool ok = uri_match(matches[_i].pattern, matches[_i].path, a, params, &n);

	ck_assert_int_eq(ok, matches[_i].values != NULL);
	for (size_t i = 0; ok && i < n; i++)
		strbuf_appendf(&joined, "%s%s", i > 0 ? "|" : "", params[i].value);
	if (ok)
		ck_assert_str_eq(strbuf_cstr(&joined), matches[_i].values);
	strbuf_clear(&joined);
	arena_free(a);
}
END_TEST

START_TEST(test_match_names)
{
	struct arena *a = arena_new();
	struct uri_param params[URI_PARAMS_MAX];
	size_t n;

	ck_assert(uri_match("/d/{id}/w/{wid}", "/d/x/w/y", a, params, &n));
	ck_assert_str_eq(params[0].name, "id");
	ck_assert_str_eq(params[1].name, "wid");
	arena_free(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uri");
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, test_decode, 0, (int)ARRAY_SIZE(decodings));
	tcase_add_test(tc, test_query);
	tcase_add_test(tc, test_query_limit);
	tcase_add_loop_test(tc, test_match, 0, (int)ARRAY_SIZE(matches));
	tcase_add_test(tc, test_match_names);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
