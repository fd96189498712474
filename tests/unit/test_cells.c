/* cells, table, cursor and i128: dense periods, exact ratios, currencies, shares, totals from
 * parts, several metrics and windows, order and pages. */
#include "tests/unit/unit.h"

#include <errno.h>

#include "common/base/timestamp.h"
#include "queryd/compute/cursor.h"
#include "queryd/compute/i128.h"
#include "queryd/compute/table.h"

static struct arena *arena;
static struct metric_def metric, other;
static struct request request;

static void setup(void)
{
	arena = arena_new();
}

static void teardown(void)
{
	arena_free(arena);
}

static int32_t day(const char *text)
{
	int32_t d;

	ck_assert_int_eq(timestamp_parse_date(slice_of(text), &d), 0);
	return d;
}

static void ask(enum unit_kind unit, const char *numerator, const char *denominator,
		unsigned dimensions, enum granularity g, const char *from, const char *to)
{
	metric = (struct metric_def){.key = "m", .version = 1, .unit = unit};
	metric.numerator = part_find(numerator);
	metric.denominator = denominator != NULL ? part_find(denominator) : NULL;
	request = (struct request){.metrics = {&metric},
				   .nmetrics = 1,
				   .from = day(from),
				   .to = day(to),
				   .calendar = {.granularity = g, .week_start = MONDAY},
				   .dimensions = dimensions};
}

/* number of the period, property, channel and currency of a row; NULL: not grouped by */
struct where {
	const char *period, *property, *channel, *currency;
};

/* A row of the source of `part`; the other parts of it are 0. */
static int add(struct cells *c, const char *part, const char *value, struct where w)
{
	const struct part *p = part_find(part);
	const char *row[SOURCE_PART_COLUMN + SOURCE_PARTS_MAX + 1] = {NULL};

	row[0] = w.period;
	row[1 + DIM_PROPERTY] = w.property;
	row[1 + DIM_CHANNEL] = w.channel;
	row[1 + DIM_CURRENCY] = w.currency;
	for (int i = 0; i < p->source->nparts; i++)
		row[SOURCE_PART_COLUMN + i] = i == p->column ? value : "0";
	row[SOURCE_PART_COLUMN + p->source->nparts] = "1";
	return cells_add(c, WINDOW_ASKED, p->source, row);
}

static void put(struct cells *c, const char *part, const char *value, struct where w)
{
	ck_assert_int_eq(add(c, part, value, w), 0);
}

static void expect(const struct cells *c, const char *rows, const char *totals)
{
	const struct table *t = table_new(c, "", (struct slice){"", 0}, arena);
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	ck_assert_ptr_nonnull(t);
	jw_init(&w, &out);
	table_write_rows(t, &w);
	ck_assert_str_eq(strbuf_cstr(&out), rows);
	strbuf_reset(&out);
	jw_init(&w, &out);
	table_write_totals(t, &w);
	ck_assert_str_eq(strbuf_cstr(&out), totals);
	strbuf_clear(&out);
}

START_TEST(test_no_data)
{
	struct cells *c;

	ask(UNIT_COUNT, "rooms_sold", NULL, 0, GRANULARITY_NONE, "2026-01-01", "2026-01-31");
	c = cells_new(&request, 100, arena);
	cells_finish(c);
	expect(c, "[{\"m\":0}]", "{\"m\":0}");
	ask(UNIT_PERCENT, "rooms_sold", "rooms_available", 0, GRANULARITY_NONE, "2026-01-01",
	    "2026-01-31");
	c = cells_new(&request, 100, arena);
	cells_finish(c);
	expect(c, "[{\"m\":null}]", "{\"m\":null}");
	ask(UNIT_CURRENCY, "room_revenue", NULL, 0, GRANULARITY_NONE, "2026-01-01", "2026-01-31");
	c = cells_new(&request, 100, arena);
	cells_finish(c);
	expect(c, "[{\"currency\":null,\"m\":\"0\"}]", "{\"currency\":null,\"m\":\"0\"}");
	ask(UNIT_COUNT, "rooms_sold", NULL, DIM_BIT(DIM_PROPERTY), GRANULARITY_NONE, "2026-01-01",
	    "2026-01-31");
	c = cells_new(&request, 100, arena);
	cells_finish(c);
	expect(c, "[]", "{\"m\":0}");
}
END_TEST

/* Every group seen x every period; weeks begin on Monday, the first one before the window. */
START_TEST(test_dense)
{
	struct cells *c;

	ask(UNIT_PERCENT, "rooms_sold", "rooms_available", DIM_BIT(DIM_PROPERTY), GRANULARITY_WEEK,
	    "2026-01-01", "2026-01-12");
	c = cells_new(&request, 100, arena);
	put(c, "rooms_sold", "1", (struct where){"2", "b", NULL, NULL});
	put(c, "rooms_available", "3", (struct where){"2", "b", NULL, NULL});
	put(c, "rooms_available", "4", (struct where){"3", "a", NULL, NULL});
	cells_finish(c);
	ck_assert_uint_eq(cells_groups(c) * cells_periods(c), 6);
	ck_assert_int_eq(cells_facts(c), 3);
	expect(c,
	       "[{\"date\":\"2025-12-29\",\"property_id\":\"a\",\"m\":null},"
	       "{\"date\":\"2025-12-29\",\"property_id\":\"b\",\"m\":null},"
	       "{\"date\":\"2026-01-05\",\"property_id\":\"a\",\"m\":null},"
	       "{\"date\":\"2026-01-05\",\"property_id\":\"b\",\"m\":0.3333333333333333},"
	       "{\"date\":\"2026-01-12\",\"property_id\":\"a\",\"m\":0},"
	       "{\"date\":\"2026-01-12\",\"property_id\":\"b\",\"m\":null}]",
	       "{\"m\":0.14285714285714285}");
}
END_TEST

START_TEST(test_currencies)
{
	struct cells *c;

	ask(UNIT_CURRENCY, "room_revenue", "rooms_sold", 0, GRANULARITY_NONE, "2026-01-01",
	    "2026-01-31");
	c = cells_new(&request, 100, arena);
	put(c, "room_revenue", "100", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "rooms_sold", "8", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "room_revenue", "9223372036854775807000", (struct where){NULL, NULL, NULL, "AFN"});
	put(c, "rooms_sold", "1", (struct where){NULL, NULL, NULL, "AFN"});
	put(c, "rooms_sold", "0", (struct where){NULL, NULL, NULL, NULL}); /* free nights */
	cells_finish(c);
	expect(c,
	       "[{\"currency\":\"AFN\",\"m\":\"9223372036854775807000\"},"
	       "{\"currency\":\"USD\",\"m\":\"12\"}]", /* 12.5: to the even one */
	       "null");
}
END_TEST

/* revpar: rooms are those of properties of the currency, or all where nobody has that currency. */
START_TEST(test_rooms_of_currencies)
{
	struct cells *c;

	ask(UNIT_CURRENCY, "room_revenue", "rooms_available", 0, GRANULARITY_NONE, "2026-01-01",
	    "2026-01-31");
	c = cells_new(&request, 100, arena);
	put(c, "room_revenue", "1000", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "room_revenue", "3000", (struct where){NULL, NULL, NULL, "EUR"});
	put(c, "rooms_available", "10", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "rooms_available", "20", (struct where){NULL, NULL, NULL, NULL});
	cells_finish(c);
	expect(c, "[{\"currency\":\"EUR\",\"m\":\"100\"},{\"currency\":\"USD\",\"m\":\"100\"}]",
	       "null");

	c = cells_new(&request, 100, arena);
	put(c, "rooms_available", "20", (struct where){NULL, NULL, NULL, NULL});
	cells_finish(c);
	expect(c, "[{\"currency\":null,\"m\":\"0\"}]", "{\"currency\":null,\"m\":\"0\"}");
}
END_TEST

START_TEST(test_shares)
{
	static const char *only_ota[] = {"ota"};
	struct cells *c;

	ask(UNIT_PERCENT, "rooms_sold", NULL, DIM_BIT(DIM_PROPERTY), GRANULARITY_NONE, "2026-01-01",
	    "2026-01-31");
	metric.share = true;
	c = cells_new(&request, 100, arena);
	put(c, "rooms_sold", "1", (struct where){NULL, "a", "ota", NULL});
	put(c, "rooms_sold", "3", (struct where){NULL, "a", "direct", NULL});
	put(c, "rooms_sold", "4", (struct where){NULL, "b", "ota", NULL});
	cells_finish(c);
	expect(c,
	       "[{\"property_id\":\"a\",\"channel\":\"direct\",\"m\":0.75},"
	       "{\"property_id\":\"a\",\"channel\":\"ota\",\"m\":0.25},"
	       "{\"property_id\":\"b\",\"channel\":\"ota\",\"m\":1}]",
	       "{\"m\":1}");

	/* a filter on channels chooses rows */
	request.in[DIM_CHANNEL] = (struct value_list){only_ota, 1, true};
	c = cells_new(&request, 100, arena);
	put(c, "rooms_sold", "1", (struct where){NULL, "a", "ota", NULL});
	put(c, "rooms_sold", "3", (struct where){NULL, "a", "direct", NULL});
	cells_finish(c);
	expect(c, "[{\"property_id\":\"a\",\"channel\":\"ota\",\"m\":0.25}]", "{\"m\":0.25}");
}
END_TEST

/* Asks for a second metric too. */
static void ask_also(enum unit_kind unit, const char *numerator, const char *denominator)
{
	other = (struct metric_def){.key = "k", .version = 1, .unit = unit};
	other.numerator = part_find(numerator);
	other.denominator = denominator != NULL ? part_find(denominator) : NULL;
	request.metrics[request.nmetrics++] = &other;
}

/* What is no amount has the figure of the whole group in each currency's row, and is not doubled in
 * a total. */
START_TEST(test_figures_beside_amounts)
{
	struct cells *c;

	ask(UNIT_CURRENCY, "room_revenue", NULL, 0, GRANULARITY_NONE, "2026-01-01", "2026-01-31");
	ask_also(UNIT_PERCENT, "rooms_sold", "rooms_available");
	c = cells_new(&request, 100, arena);
	put(c, "room_revenue", "5", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "rooms_sold", "1", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "rooms_available", "8", (struct where){NULL, NULL, NULL, NULL});
	cells_finish(c);
	expect(c, "[{\"currency\":\"USD\",\"m\":\"5\",\"k\":0.125}]",
	       "{\"currency\":\"USD\",\"m\":\"5\",\"k\":0.125}");

	c = cells_new(&request, 100, arena);
	put(c, "room_revenue", "5", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "rooms_sold", "1", (struct where){NULL, NULL, NULL, "USD"});
	put(c, "room_revenue", "7", (struct where){NULL, NULL, NULL, "AFN"});
	put(c, "rooms_sold", "3", (struct where){NULL, NULL, NULL, "AFN"});
	put(c, "rooms_available", "8", (struct where){NULL, NULL, NULL, "AFN"});
	cells_finish(c);
	expect(c,
	       "[{\"currency\":\"AFN\",\"m\":\"7\",\"k\":0.5},"
	       "{\"currency\":\"USD\",\"m\":\"5\",\"k\":0.5}]",
	       "null");
}
END_TEST

/* A share of nights beside amounts: its whole is all channels of all currencies. */
START_TEST(test_share_beside_amounts)
{
	struct cells *c;

	ask(UNIT_CURRENCY, "room_revenue", NULL, 0, GRANULARITY_NONE, "2026-01-01", "2026-01-31");
	ask_also(UNIT_PERCENT, "rooms_sold", NULL);
	other.share = true;
	c = cells_new(&request, 100, arena);
	put(c, "room_revenue", "5", (struct where){NULL, NULL, "ota", "USD"});
	put(c, "rooms_sold", "1", (struct where){NULL, NULL, "ota", "USD"});
	put(c, "rooms_sold", "3", (struct where){NULL, NULL, "direct", NULL});
	cells_finish(c);
	expect(c,
	       "[{\"channel\":\"direct\",\"currency\":null,\"m\":\"0\",\"k\":0.75},"
	       "{\"channel\":\"ota\",\"currency\":\"USD\",\"m\":\"5\",\"k\":0.25}]",
	       "null");
}
END_TEST

START_TEST(test_compared)
{
	struct cells *c;
	const struct part *sold = part_find("rooms_sold");
	const char *row[SOURCE_PART_COLUMN + SOURCE_PARTS_MAX + 1] = {NULL};

	ask(UNIT_COUNT, "rooms_sold", NULL, DIM_BIT(DIM_CHANNEL), GRANULARITY_NONE, "2026-01-01",
	    "2026-01-31");
	request.comparison = COMPARE_PREVIOUS_PERIOD;
	c = cells_new(&request, 100, arena);
	put(c, "rooms_sold", "6", (struct where){NULL, NULL, "ota", NULL});
	for (int i = 0; i <= sold->source->nparts; i++)
		row[SOURCE_PART_COLUMN + i] = "4";
	row[1 + DIM_CHANNEL] = "ota";
	ck_assert_int_eq(cells_add(c, WINDOW_COMPARED, sold->source, row), 0);
	row[1 + DIM_CHANNEL] = "direct"; /* then, but not now */
	ck_assert_int_eq(cells_add(c, WINDOW_COMPARED, sold->source, row), 0);
	cells_finish(c);
	expect(c,
	       "[{\"channel\":\"direct\",\"m\":0,\"m_previous\":4,\"m_change\":-1},"
	       "{\"channel\":\"ota\",\"m\":6,\"m_previous\":4,\"m_change\":0.5}]",
	       "{\"m\":6,\"m_previous\":8,\"m_change\":-0.25}");
}
END_TEST

/* Every page of every size, in every order: each row once, in the order of the whole. */
START_TEST(test_pages)
{
	static const struct order_term orders[] = {{ORDER_METRIC, 0, true},
						   {ORDER_METRIC, 0, false},
						   {ORDER_DIMENSION, DIM_PROPERTY, true},
						   {ORDER_DATE, 0, true}};
	const struct slice key = SLICE_LIT("key");
	struct cells *c;
	char name[16];

	ask(UNIT_PERCENT, "rooms_sold", "rooms_available", DIM_BIT(DIM_PROPERTY), GRANULARITY_DAY,
	    "2026-01-01", "2026-01-03");
	c = cells_new(&request, 1000, arena);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "p%d", i);
		put(c, "rooms_sold", i % 2 != 0 ? "1" : "2", (struct where){"2", name, NULL, NULL});
		put(c, "rooms_available", "3", (struct where){"2", name, NULL, NULL});
	}
	cells_finish(c);
	for (size_t o = 0; o < ARRAY_SIZE(orders); o++) {
		struct strbuf whole = STRBUF_INIT, pages = STRBUF_INIT;
		const struct table *t;
		struct json_writer w;

		request.order[0] = orders[o];
		request.norder = 1;
		request.limit = 0;
		request.cursor = NULL;
		t = table_new(c, "question", key, arena);
		ck_assert_ptr_null(table_next_cursor(t));
		jw_init(&w, &whole);
		table_write_rows(t, &w);
		request.limit = 1 + (int64_t)o;
		do {
			t = table_new(c, "question", key, arena);
			ck_assert_ptr_nonnull(t);
			if (pages.len > 0)
				pages.ptr[pages.len - 1] = ','; /* for the bracket */
			jw_init(&w, &pages);
			table_write_rows(t, &w);
			request.cursor = table_next_cursor(t);
		} while (request.cursor != NULL);
		for (char *p = pages.ptr; (p = strstr(p, ",[")) != NULL;)
			memmove(p + 1, p + 2, strlen(p + 2) + 1);
		ck_assert_str_eq(pages.ptr, strbuf_cstr(&whole));
		strbuf_clear(&whole);
		strbuf_clear(&pages);
	}
}
END_TEST

START_TEST(test_cursor)
{
	const struct slice key = SLICE_LIT("key");
	const char *sealed = cursor_seal(key, "a question", SLICE_LIT("[1,null]"), arena);
	struct slice opened;
	char *forged;

	ck_assert_int_eq(cursor_open(key, "a question", sealed, arena, &opened), 0);
	ck_assert(slice_eq(opened, SLICE_LIT("[1,null]")));
	ck_assert_ptr_null(strstr(sealed, "5b312c")); /* "[1," cannot be read in it */
	ck_assert_int_eq(cursor_open(key, "another", sealed, arena, &opened), -EINVAL);
	ck_assert_int_eq(cursor_open(SLICE_LIT("kex"), "a question", sealed, arena, &opened),
			 -EINVAL);
	ck_assert_int_eq(cursor_open(key, "a question", "", arena, &opened), -EINVAL);
	for (size_t i = 0; i < strlen(sealed); i++) { /* each character counts */
		forged = arena_strdup(arena, sealed);
		forged[i] = forged[i] == '0' ? '1' : '0';
		ck_assert_int_eq(cursor_open(key, "a question", forged, arena, &opened), -EINVAL);
		forged[i] = '\0';
		ck_assert_int_eq(cursor_open(key, "a question", forged, arena, &opened), -EINVAL);
	}
}
END_TEST

START_TEST(test_limit)
{
	struct cells *c;
	char name[16];

	ask(UNIT_COUNT, "rooms_sold", NULL, DIM_BIT(DIM_PROPERTY), GRANULARITY_DAY, "2026-01-01",
	    "2026-01-10");
	c = cells_new(&request, 1000, arena);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "p%03d", i);
		put(c, "rooms_sold", "1", (struct where){"10", name, NULL, NULL});
	}
	ck_assert_int_eq(add(c, "rooms_sold", "1", (struct where){"10", "more", NULL, NULL}),
			 -E2BIG);
	ck_assert_int_eq(add(c, "rooms_sold", "1", (struct where){"10", "p000", NULL, NULL}),
			 -E2BIG);
}
END_TEST

START_TEST(test_i128)
{
	static const struct {
		int64_t n, d, q;
	} quotients[] = {{5, 2, 2}, {7, 2, 4},  {-5, 2, -2}, {-7, 2, -4}, {5, -2, -2},
			 {8, 3, 3}, {7, 3, 2},  {-8, 3, -3}, {0, 5, 0},   {1, 2, 0},
			 {3, 2, 2}, {-1, 2, 0}, {9, 10, 1},  {1, 3, 0}};
	static const char *const bad[] = {
		"",   "-",   "1.5", "+1",
		" 1", "1e3", "NaN", "999999999999999999999999999999999999999"};
	static const char *const good[] = {"0", "-1", "99999999999999999999999999999999999999",
					   "-99999999999999999999999999999999999999"};
	struct strbuf out = STRBUF_INIT;
	i128 v;

	for (size_t i = 0; i < ARRAY_SIZE(quotients); i++)
		ck_assert_int_eq((int64_t)i128_divide_half_even(quotients[i].n, quotients[i].d),
				 quotients[i].q);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ck_assert_int_lt(i128_parse(bad[i], &v), 0);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		ck_assert_int_eq(i128_parse(good[i], &v), 0);
		strbuf_reset(&out);
		i128_append(&out, v);
		ck_assert_str_eq(strbuf_cstr(&out), good[i]);
	}
	strbuf_clear(&out);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("cells");
	TCase *tc = tcase_create("cells");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_no_data);
	tcase_add_test(tc, test_dense);
	tcase_add_test(tc, test_currencies);
	tcase_add_test(tc, test_rooms_of_currencies);
	tcase_add_test(tc, test_shares);
	tcase_add_test(tc, test_figures_beside_amounts);
	tcase_add_test(tc, test_share_beside_amounts);
	tcase_add_test(tc, test_compared);
	tcase_add_test(tc, test_pages);
	tcase_add_test(tc, test_cursor);
	tcase_add_test(tc, test_limit);
	tcase_add_test(tc, test_i128);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return unit_main(suite());
}
