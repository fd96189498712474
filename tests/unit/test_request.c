/* request, dimension, principal and the cache key: what is refused, what is the same, what never
 * is. */
#include "tests/unit/unit.h"

#include "common/base/timestamp.h"
#include "queryd/principal.h"
#include "queryd/tenant/cache.h"

#define ULID     "01HZ0000000000000000000001"
#define TENANT   "tnt_" ULID
#define PROPERTY "ppt_" ULID

static struct arena *arena;
static struct metric_def metric;

static void setup(void)
{
	arena = arena_new();
	metric = (struct metric_def){.key = "rooms_sold",
				     .version = 1,
				     .hash = "h1",
				     .unit = UNIT_COUNT,
				     .numerator = part_find("rooms_sold"),
				     .dimensions = DIM_BIT(DIM_PROPERTY) | DIM_BIT(DIM_CHANNEL)};
}

static void teardown(void)
{
	arena_free(arena);
}

static void read_body(struct slice body, struct request *r, struct faults *f)
{
	struct json *root = request_parse(body, arena, f);

	if (root == NULL)
		return;
	(void)request_version(root, arena, f);
	request_read_metric(root, &metric, arena, r, f);
	json_free(root);
}

static struct request read_ok(const char *body)
{
	struct faults f = {.n = 0};
	struct request r;

	read_body(slice_of(body), &r, &f);
	ck_assert_msg(f.n == 0, "%s: %s %s", body, f.n > 0 ? f.v[0].field : "",
		      f.n > 0 ? f.v[0].message : "");
	return r;
}

static const struct {
	const char *body, *field;
} refused[] = {
	{"", "body"},
	{"[]", "body"},
	{"{", "body"},
	{"{\"a\":1,\"a\":2}", "body"},
	{"{\"daterange\":{}}", "daterange"},
	{"{\"dateRange\":[]}", "dateRange"},
	{"{\"dateRange\":{}}", "dateRange.from"},
	{"{\"dateRange\":{\"from\":\"2026-01-01\"}}", "dateRange.to"},
	{"{\"dateRange\":{\"from\":\"2026-02-30\",\"to\":\"2026-03-01\"}}", "dateRange.from"},
	{"{\"dateRange\":{\"from\":20260101,\"to\":\"2026-03-01\"}}", "dateRange.from"},
	{"{\"dateRange\":{\"from\":\"2026-03-02\",\"to\":\"2026-03-01\"}}", "dateRange"},
	{"{\"dateRange\":{\"from\":\"2010-01-01\",\"to\":\"2026-03-01\"}}", "dateRange"},
	{"{\"dateRange\":{\"from\":\"2026-01-01\",\"to\":\"2026-01-02\",\"x\":1}}", "dateRange"},
	{"{\"dateRange\":{\"preset\":\"tomorrow\"}}", "dateRange.preset"},
	{"{\"dateRange\":{\"preset\":\"today\",\"from\":\"2026-01-01\"}}", "dateRange"},
	{"{\"granularity\":\"hour\"}", "granularity"},
	{"{\"granularity\":1}", "granularity"},
	{"{\"dimensions\":\"channel\"}", "dimensions"},
	{"{\"dimensions\":[\"currency\"]}", "dimensions[0]"},
	{"{\"dimensions\":[\"channel\",\"room_type_id\"]}", "dimensions[1]"},
	{"{\"dimensions\":[1]}", "dimensions[0]"},
	{"{\"filters\":{}}", "filters"},
	{"{\"filters\":[{}]}", "filters[0]"},
	{"{\"filters\":[{\"dimension\":\"x\",\"op\":\"eq\",\"values\":[\"a\"]}]}",
	 "filters[0].dimension"},
	{"{\"filters\":[{\"dimension\":\"channel\",\"op\":\"like\",\"values\":[\"a\"]}]}",
	 "filters[0].op"},
	{"{\"filters\":[{\"dimension\":\"channel\",\"op\":\"eq\",\"values\":[]}]}",
	 "filters[0].values"},
	{"{\"filters\":[{\"dimension\":\"channel\",\"op\":\"eq\",\"values\":[\"a\",\"b\"]}]}",
	 "filters[0].values"},
	{"{\"filters\":[{\"dimension\":\"channel\",\"op\":\"in\",\"values\":[1]}]}",
	 "filters[0].values"},
	{"{\"filters\":[{\"dimension\":\"property_id\",\"op\":\"in\",\"values\":[\"a,b\"]}]}",
	 "filters[0].values"},
	{"{\"version\":0}", "version"},
	{"{\"version\":\"1\"}", "version"},
	{"{\"version\":1.5}", "version"},
	{"{\"currency\":\"USD\"}", "currency"},
	{"{\"compareTo\":\"next_period\"}", "compareTo"},
	{"{\"calendar\":\"julian\"}", "calendar"},
	{"{\"dateRange\":{\"from\":\"0011-12-31\",\"to\":\"0012-01-02\"},"
	 "\"compareTo\":\"previous_period\"}",
	 "dateRange"},
	{"{\"asOf\":\"2026-01-01T00:00:00Z\"}", "asOf"},
	{"{\"params\":{\"days\":7}}", "params.days"},
	{"{\"params\":{\"weeks\":7}}", "params"},
	{"{\"limit\":1}", "limit"},
};

START_TEST(test_refused)
{
	struct faults f = {.n = 0};
	struct request r;

	read_body(slice_of(refused[_i].body), &r, &f);
	ck_assert_msg(f.n > 0, "%s", refused[_i].body);
	ck_assert_str_eq(f.v[0].field, refused[_i].field);
}
END_TEST

START_TEST(test_many_faults)
{
	struct faults f = {.n = 0};
	struct request r;
	struct strbuf body = STRBUF_INIT;

	strbuf_append_str(&body, "{\"z\":1");
	for (int i = 0; i < 50; i++)
		strbuf_appendf(&body, ",\"a%d\":1", i);
	strbuf_append_char(&body, '}');
	read_body(strbuf_slice(&body), &r, &f);
	ck_assert_uint_eq(f.n, REQUEST_FAULTS_MAX);
	strbuf_clear(&body);
}
END_TEST

static const struct {
	const char *preset, *from, *to;
} presets[] = {
	{"today", "2026-03-15", "2026-03-15"},        {"yesterday", "2026-03-14", "2026-03-14"},
	{"last_7_days", "2026-03-09", "2026-03-15"},  {"last_30_days", "2026-02-14", "2026-03-15"},
	{"mtd", "2026-03-01", "2026-03-15"},          {"ytd", "2026-01-01", "2026-03-15"},
	{"next_30_days", "2026-03-16", "2026-04-14"},
};

static int32_t day(const char *text)
{
	int32_t d;

	ck_assert_int_eq(timestamp_parse_date(slice_of(text), &d), 0);
	return d;
}

START_TEST(test_presets)
{
	struct request r = read_ok(
		arena_printf(arena, "{\"dateRange\":{\"preset\":\"%s\"}}", presets[_i].preset));

	request_resolve(&r, day("2026-03-15"), MONDAY);
	ck_assert_int_eq(r.from, day(presets[_i].from));
	ck_assert_int_eq(r.to, day(presets[_i].to));
}
END_TEST

#define WEEKS   GRANULARITY_WEEK, false, MONDAY
#define MONTHS  GRANULARITY_MONTH, false, MONDAY
#define QUARTER GRANULARITY_QUARTER, false, MONDAY
#define SOLAR   GRANULARITY_MONTH, true, MONDAY

static const struct {
	struct calendar calendar;
	const char *day, *floor, *next;
} periods[] = {
	{{GRANULARITY_DAY, false, MONDAY}, "2026-03-15", "2026-03-15", "2026-03-16"},
	{{WEEKS}, "2026-03-15", "2026-03-09", "2026-03-16"},
	{{WEEKS}, "2026-03-16", "2026-03-16", "2026-03-23"},
	{{WEEKS}, "2026-01-01", "2025-12-29", "2026-01-05"},
	{{GRANULARITY_WEEK, false, 6}, "2026-03-13", "2026-03-07", "2026-03-14"}, /* a Friday */
	{{GRANULARITY_WEEK, false, 6}, "2026-03-14", "2026-03-14", "2026-03-21"},
	{{MONTHS}, "2024-02-29", "2024-02-01", "2024-03-01"},
	{{MONTHS}, "2026-12-31", "2026-12-01", "2027-01-01"},
	{{QUARTER}, "2026-11-30", "2026-10-01", "2027-01-01"},
	{{QUARTER}, "2026-03-31", "2026-01-01", "2026-04-01"},
	{{GRANULARITY_YEAR, false, MONDAY}, "2026-07-01", "2026-01-01", "2027-01-01"},
	/* 1404-12 has 29 days, 1403-12 has 30 */
	{{SOLAR}, "2026-03-20", "2026-02-20", "2026-03-21"},
	{{SOLAR}, "2025-03-20", "2025-02-19", "2025-03-21"},
	{{SOLAR}, "2026-11-22", "2026-11-22", "2026-12-22"},
	{{GRANULARITY_QUARTER, true, MONDAY}, "2026-11-25", "2026-09-23", "2026-12-22"},
	{{GRANULARITY_YEAR, true, MONDAY}, "2026-03-20", "2025-03-21", "2026-03-21"},
	{{GRANULARITY_YEAR, true, MONDAY}, "1979-06-01", "1979-03-21", "1980-03-21"},
};

START_TEST(test_periods)
{
	const struct calendar *c = &periods[_i].calendar;
	int32_t floor = calendar_floor(c, day(periods[_i].day));

	ck_assert_int_eq(floor, day(periods[_i].floor));
	ck_assert_int_eq(calendar_next(c, floor), day(periods[_i].next));
}
END_TEST

/* Periods follow each other without gap or overlap, in every calendar. */
START_TEST(test_periods_are_contiguous)
{
	for (int g = GRANULARITY_DAY; g < GRANULARITY_COUNT; g++) {
		for (int solar = 0; solar < 2; solar++) {
			const struct calendar c = {(enum granularity)g, solar == 1, 7};
			int32_t start = calendar_floor(&c, day("1999-12-31"));

			for (int32_t d = start; d < day("2031-01-01"); d++) {
				if (d == calendar_next(&c, start))
					start = d;
				ck_assert_int_eq(calendar_floor(&c, d), start);
			}
		}
	}
}
END_TEST

static const struct {
	struct calendar calendar;
	enum comparison comparison;
	const char *from, *to, *compared_from, *compared_to;
} comparisons[] = {
	{{GRANULARITY_NONE, false, MONDAY},
	 COMPARE_PREVIOUS_PERIOD,
	 "2026-03-01",
	 "2026-03-10",
	 "2026-02-19",
	 "2026-02-28"},
	{{GRANULARITY_DAY, false, MONDAY},
	 COMPARE_SAME_TIME_LAST_YEAR,
	 "2026-03-02",
	 "2026-03-08",
	 "2025-03-03",
	 "2025-03-09"},
	{{WEEKS}, COMPARE_PREVIOUS_PERIOD, "2026-03-04", "2026-03-12", "2026-02-18", "2026-02-26"},
	{{WEEKS},
	 COMPARE_SAME_TIME_LAST_YEAR,
	 "2026-03-04",
	 "2026-03-12",
	 "2025-03-05",
	 "2025-03-13"},
	{{MONTHS}, COMPARE_PREVIOUS_PERIOD, "2026-03-01", "2026-03-31", "2026-02-01", "2026-02-28"},
	{{MONTHS}, COMPARE_PREVIOUS_PERIOD, "2026-01-15", "2026-03-30", "2025-10-15", "2025-12-30"},
	{{MONTHS},
	 COMPARE_SAME_TIME_LAST_YEAR,
	 "2024-02-01",
	 "2024-02-29",
	 "2023-02-01",
	 "2023-02-28"},
	{{QUARTER},
	 COMPARE_PREVIOUS_PERIOD,
	 "2026-04-01",
	 "2026-06-30",
	 "2026-01-01",
	 "2026-03-31"},
	{{SOLAR},
	 COMPARE_SAME_TIME_LAST_YEAR,
	 "2026-02-20",
	 "2026-03-20",
	 "2025-02-19",
	 "2025-03-20"},
};

START_TEST(test_comparisons)
{
	struct request r = {.from = day(comparisons[_i].from),
			    .to = day(comparisons[_i].to),
			    .calendar = comparisons[_i].calendar,
			    .comparison = comparisons[_i].comparison};
	struct window windows[WINDOWS_MAX];

	ck_assert_uint_eq(request_windows(&r, windows), 2);
	ck_assert_int_eq(windows[WINDOW_COMPARED].from, day(comparisons[_i].compared_from));
	ck_assert_int_eq(windows[WINDOW_COMPARED].to, day(comparisons[_i].compared_to));
}
END_TEST

START_TEST(test_week_start)
{
	ck_assert_int_eq(calendar_week_start(0), MONDAY);
	ck_assert_int_eq(calendar_week_start(1U << 5), 6);           /* Friday */
	ck_assert_int_eq(calendar_week_start(1U << 5 | 1U << 6), 7); /* Friday, Saturday */
	ck_assert_int_eq(calendar_week_start(1U << 6 | 1U << 7), MONDAY);
	ck_assert_int_eq(calendar_week_start(1U << 4 | 1U << 5), 6);
	ck_assert_int_eq(calendar_week_start(1U << 7 | 1U << 1), 2); /* Sunday, Monday */
	ck_assert_int_eq(calendar_week_start(0xfe), MONDAY);
}
END_TEST

/* ---- the cache key */

#define WINDOW "\"dateRange\":{\"from\":\"2026-01-01\",\"to\":\"2026-01-31\"}"

static void key_of(const char *body, const char *tenant, const char *scope, unsigned permissions,
		   char out[CACHE_KEY_LEN + 1])
{
	struct request r = read_ok(body);

	request_resolve(&r, 0, MONDAY);
	cache_key(&(struct cache_scope){tenant, scope, permissions, &r}, out);
}

static const char *const same[] = {
	"{" WINDOW ",\"dimensions\":[\"channel\",\"property_id\"]}",
	"{\"dimensions\":[\"property_id\",\"channel\",\"property_id\"]," WINDOW "}",
	"{\"version\":1,\"granularity\":null," WINDOW
	",\"dimensions\":[\"channel\",\"property_id\"]}",
};

static const char *const different[] = {
	"{" WINDOW "}",
	"{\"dateRange\":{\"from\":\"2026-01-01\",\"to\":\"2026-01-30\"}}",
	"{\"dateRange\":{\"from\":\"2026-01-02\",\"to\":\"2026-01-31\"}}",
	"{" WINDOW ",\"granularity\":\"day\"}",
	"{" WINDOW ",\"granularity\":\"month\"}",
	"{" WINDOW ",\"dimensions\":[\"channel\"]}",
	"{" WINDOW ",\"dimensions\":[\"property_id\"]}",
	"{" WINDOW ",\"filters\":[{\"dimension\":\"channel\",\"op\":\"eq\",\"values\":[\"a\"]}]}",
	"{" WINDOW ",\"filters\":[{\"dimension\":\"channel\",\"op\":\"ne\",\"values\":[\"a\"]}]}",
	"{" WINDOW
	",\"filters\":[{\"dimension\":\"channel\",\"op\":\"in\",\"values\":[\"a\",\"b\"]}]}",
	"{" WINDOW
	",\"filters\":[{\"dimension\":\"channel\",\"op\":\"eq\",\"values\":[\"a\\\"\\\"b\"]}]}",
	"{" WINDOW
	",\"filters\":[{\"dimension\":\"property_id\",\"op\":\"eq\",\"values\":[\"" PROPERTY
	"\"]}]}",
};

START_TEST(test_key)
{
	char first[CACHE_KEY_LEN + 1], k[CACHE_KEY_LEN + 1], seen[32][CACHE_KEY_LEN + 1];
	size_t n = 0;

	key_of(same[0], TENANT, "all", 1, first);
	for (size_t i = 1; i < ARRAY_SIZE(same); i++) {
		key_of(same[i], TENANT, "all", 1, k);
		ck_assert_str_eq(k, first);
	}
	for (size_t i = 0; i < ARRAY_SIZE(different); i++)
		key_of(different[i], TENANT, "all", 1, seen[n++]);
	key_of(different[0], "tnt_01HZ0000000000000000000002", "all", 1, seen[n++]);
	key_of(different[0], TENANT, PROPERTY, 1, seen[n++]);
	key_of(different[0], TENANT, "", 1, seen[n++]);
	key_of(different[0], TENANT, "all", 3, seen[n++]);
	metric.version = 2;
	key_of(different[0], TENANT, "all", 1, seen[n++]);
	metric.version = 1;
	metric.hash = "h2";
	key_of(different[0], TENANT, "all", 1, seen[n++]);
	metric.hash = "h1";
	metric.key = "rooms_occupied";
	key_of(different[0], TENANT, "all", 1, seen[n++]);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(seen[i], seen[j]);
	}
}
END_TEST

/* ---- principals */

static struct principal *principal_of(const char *claims)
{
	struct json *root;
	struct principal *p;
	struct err e = ERR_INIT;

	ck_assert_int_eq(json_parse(slice_of(claims), 4096, &root, &e), 0);
	p = principal_new(root, &e);
	ck_assert((p == NULL) == (e.code != 0));
	json_free(root);
	return p;
}

static const struct {
	const char *claims;
	unsigned permissions;
	const char *scope; /* NULL: refused */
} principals[] = {
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT "\",\"roles\":[\"staff\"]}", PERMISSION_VIEWER,
	 ""},
	{"{\"userId\":\"u\",\"tid\":\"" TENANT "\",\"roles\":[\"manager\",\"x\"]}",
	 PERMISSION_VIEWER | PERMISSION_AUTHOR, ""},
	{"{\"sub\":\"u\",\"tenant_id\":\"" TENANT "\",\"roles\":[\"tenant.admin\"]}",
	 PERMISSION_VIEWER | PERMISSION_AUTHOR | PERMISSION_ADMIN | PERMISSION_LOOKER_SHARE, "all"},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT
	 "\",\"roles\":[\"tenant.owner\"],\"propertyAccess\":[]}",
	 PERMISSION_VIEWER | PERMISSION_AUTHOR | PERMISSION_ADMIN | PERMISSION_LOOKER_SHARE |
		 PERMISSION_BUDGET_ADMIN,
	 ""},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT "\",\"roles\":[\"staff\"],\"property_ids\":"
	 "[\"prp_01hz0000000000000000000001\",\"ppt_0\",\"pty_" ULID "\"]}",
	 PERMISSION_VIEWER, "ppt_0," PROPERTY},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT "\",\"roles\":[]}", 0, ""},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT "\",\"roles\":[\"Tenant.Admin\"]}", 0, ""},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT "\"}", 0, NULL},
	{"{\"sub\":\"u\",\"roles\":[]}", 0, NULL},
	{"{\"tenantId\":\"" TENANT "\",\"roles\":[]}", 0, NULL},
	{"{\"sub\":\"u\",\"tenantId\":\"tnt_01hz0000000000000000000001\",\"roles\":[]}", 0, NULL},
	{"{\"sub\":\"u\",\"tenantId\":\"analytics_etld\",\"roles\":[]}", 0, NULL},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT
	 "\",\"roles\":[\"staff\"],\"propertyScope\":[\"all\"]}",
	 0, NULL},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT
	 "\",\"roles\":[\"staff\"],\"propertyScope\":[\"*\"]}",
	 0, NULL},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT
	 "\",\"roles\":[\"staff\"],\"propertyScope\":[\"p_1,p_2\"]}",
	 0, NULL},
	{"{\"sub\":\"u\",\"tenantId\":\"" TENANT
	 "\",\"roles\":[\"staff\"],\"propertyScope\":\"p_1\"}",
	 0, NULL},
};

START_TEST(test_principal)
{
	struct principal *p = principal_of(principals[_i].claims);

	if (principals[_i].scope == NULL) {
		ck_assert_ptr_null(p);
		return;
	}
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->permissions, principals[_i].permissions);
	ck_assert_str_eq(p->scope, principals[_i].scope);
	ck_assert_str_eq(p->tenant_id, TENANT);
	principal_free(p);
}
END_TEST

START_TEST(test_may_see)
{
	struct principal *p = principal_of(
		"{\"sub\":\"u\",\"tenantId\":\"" TENANT
		"\",\"roles\":[\"staff\"],\"property_ids\":[\"p_3\",\"p_1\"]}");

	ck_assert(principal_may_see(p, "p_1") && principal_may_see(p, "p_3"));
	ck_assert(!principal_may_see(p, "p_2") && !principal_may_see(p, "p_"));
	principal_free(p);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("request");
	TCase *tc = tcase_create("request");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refused));
	tcase_add_test(tc, test_many_faults);
	tcase_add_loop_test(tc, test_presets, 0, ARRAY_SIZE(presets));
	tcase_add_loop_test(tc, test_periods, 0, ARRAY_SIZE(periods));
	tcase_add_test(tc, test_periods_are_contiguous);
	tcase_add_loop_test(tc, test_comparisons, 0, ARRAY_SIZE(comparisons));
	tcase_add_test(tc, test_week_start);
	tcase_add_test(tc, test_key);
	tcase_add_loop_test(tc, test_principal, 0, ARRAY_SIZE(principals));
	tcase_add_test(tc, test_may_see);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return unit_main(suite());
}
