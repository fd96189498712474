/* gate_reads: what a statement reads as far as its text says, and what that comes to in bytes. */
#include "tests/unit/unit.h"

#include "common/base/clock.h"
#include "common/base/strbuf.h"
#include "common/base/timestamp.h"
#include "queryd/adhoc/gate.h"

#define RN "fact_room_night"
#define RV "fact_reservation"

static void append_day(struct strbuf *b, int32_t day)
{
	char text[TIMESTAMP_TEXT_MAX];

	if (day == EXTENT_FIRST_DAY || day == EXTENT_LAST_DAY)
		return;
	timestamp_format_date(day, text);
	strbuf_append_str(b, text);
}

/* "table from..to key most<N @scope/over; …", of which what says nothing is left out. */
static void append_reads(struct strbuf *b, const struct reads *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct read *v = &r->v[i];

		strbuf_appendf(b, "%s%s", i > 0 ? "; " : "", v->table);
		if (v->from != EXTENT_FIRST_DAY || v->to != EXTENT_LAST_DAY) {
			strbuf_append_char(b, ' ');
			append_day(b, v->from);
			strbuf_append_str(b, "..");
			append_day(b, v->to);
		}
		if (v->keyed)
			strbuf_append_str(b, " key");
		if (v->most > 0)
			strbuf_appendf(b, " most %.0f", v->most);
		if (r->over[v->scope] != READS_ONCE)
			strbuf_appendf(b, " for each of %d", r->over[v->scope]);
		else if (v->scope != 0)
			strbuf_append_str(b, " once");
	}
}

static const struct {
	const char *sql, *reads;
} cases[] = {
	{"select 1", ""},
	{"select count(*) from " RN, RN},
	{"select count(*) from " RN " where stay_date between '2026-01-01' and date '2026-01-31'",
	 RN " 2026-01-01..2026-01-31"},
	{"select count(*) from " RN " n where n.stay_date >= date '2026-01-01' and '2026-02-01' > "
	 "n.stay_date and kind = 'sold'",
	 RN " 2026-01-01..2026-01-31"},
	{"select count(*) from " RN " where stay_date = @day", RN " 2026-03-05..2026-03-05"},
	{"select count(*) from " RN " where stay_date > @day and stay_date <= @day::date + 7",
	 RN " 2026-03-06..2026-03-12"},
	{"select count(*) from " RN " where stay_date in ('2026-01-09', '2026-01-03')",
	 RN " 2026-01-03..2026-01-09"},
	{"select count(*) from " RN " where stay_date >= current_date - 30", RN " 2026-01-30.."},
	{"select count(*) from " RN " where stay_date >= date_trunc('month', current_date)::date - "
	 "interval '1 month'",
	 RN " 2026-02-01.."},
	{"select count(*) from " RN " where stay_date < current_date + interval '2 weeks'",
	 RN " ..2026-03-14"},
	/* what is not understood, or need not hold, narrows nothing */
	{"select count(*) from " RN " where stay_date > '2026-01-01' or kind = 'sold'", RN},
	{"select count(*) from " RN " where not stay_date > '2026-01-01'", RN},
	{"select count(*) from " RN " where stay_date not between '2026-01-01' and '2026-01-02'",
	 RN},
	{"select count(*) from " RN " where stay_date <> '2026-01-01'", RN},
	{"select count(*) from " RN " where stay_date + 1 > '2026-01-01'", RN},
	{"select count(*) from " RN " where stay_date > 'no day'", RN},
	{"select count(*) from " RV " where booked_at >= '2026-01-01'", RV},
	{"select count(*) from " RN " n left join dim_calendar d on d.date = n.stay_date and "
	 "n.stay_date > '2026-01-01'",
	 RN "; dim_calendar"},
	/* joins, derived views */
	{"select count(*) from " RN " n join " RV " r on r.reservation_id = n.reservation_id and "
	 "n.stay_date > '2026-01-01' where r.arrival_date < '2026-02-01'",
	 RN " 2026-01-02..; " RV " ..2026-01-31"},
	{"select count(*) from fact_demand_forecast_latest where stay_date > '2026-01-01'",
	 "fact_demand_forecast 2026-01-02..; fact_demand_forecast_latest 2026-01-02.."},
	{"select * from (select stay_date from " RN " where stay_date > '2026-01-01') x where "
	 "stay_date > '2026-06-01'",
	 RN " 2026-01-02.."},
	{"select count(*) from " RN " union all select count(*) from " RV
	 " where arrival_date = '2026-01-01'",
	 RN "; " RV " 2026-01-01..2026-01-01"},
	/* keys */
	{"select count(*) from " RV " where reservation_id = 'x'", RV " key"},
	{"select count(*) from " RV " where reservation_id = @name", RV " key"},
	{"select count(*) from " RV " r, " RN " n where n.reservation_id = r.reservation_id",
	 RV "; " RN},
	/* subqueries */
	{"with n as (select count(*) from " RN
	 " where stay_date > '2026-01-01') select * from n, n "
	 "m",
	 RN " 2026-01-02.. once"},
	{"select (select count(*) from " RN ") from " RV, RV "; " RN " once"},
	{"select (select count(*) from " RN " n where n.property_id = r.property_id) from " RV " r",
	 RV "; " RN " for each of 0"},
	{"select (select count(*) from " RN " where channel = status) from " RV,
	 RV "; " RN " for each of 0"},
	{"select (select max(x.nights) from (select count(*) as nights from " RN
	 " group by kind) x where nights > 1 and kind_of is null) from " RV,
	 RV "; " RN " for each of 0"},
	{"select (select max(nights) from (select count(*) as nights from " RN
	 " group by kind) x where nights > 1) from " RV,
	 RV "; " RN " once"},
	{"with o as (select 1 as one) select (select count(*) from " RN
	 ", o where one = 1) from " RV,
	 RV "; " RN " once"},
	{"select (select count(*) from " RN " n where n.reservation_id = r.reservation_id) from " RV
	 " r",
	 RV "; " RN " key for each of 0"},
	{"select count(*) from " RV " r where exists (select 1 from " RN
	 " n where n.property_id = r.property_id)",
	 RV "; " RN " once"},
	{"select count(*) from dim_property p, lateral (select count(*) from " RN
	 " n where n.property_id = p.property_id) x",
	 "dim_property; " RN " for each of 0"},
	/* as many rows as are asked for */
	{"select * from " RN, RN " most 10001"},
	{"select * from " RN " limit 10", RN " most 11"},
	{"select * from " RN " order by stay_date desc limit 10", RN " most 10001"},
	{"select * from " RN " order by kind limit 10", RN},
	{"select kind from " RN " group by 1 limit 10", RN},
	{"select count(*) from " RN " limit 10", RN},
};

START_TEST(test_found)
{
	static const struct gate_params params = {
		.v = {{"day", "date", "2026-03-05"}, {"name", "text", "x"}}, .n = 2};
	struct arena *a = arena_new();
	struct strbuf found = STRBUF_INIT;
	struct gate_statement s;
	struct gate_refusal why;
	int64_t today;

	ck_assert_int_eq(timestamp_parse(slice_of("2026-03-01T23:59:59Z"), &today), 0);
	clock_set_for_test(today, 0);
	ck_assert_msg(gate_check(slice_of(cases[_i].sql), &params, a, &s, &why) == 0, "%s\n%s",
		      cases[_i].sql, why.detail);
	append_reads(&found, &s.reads);
	ck_assert_msg(slice_eq_str(strbuf_slice(&found), cases[_i].reads), "%s\n%.*s",
		      cases[_i].sql, (int)found.len, found.ptr);
	strbuf_clear(&found);
	arena_free(a);
}
END_TEST

START_TEST(test_bytes)
{
	enum { JANUARY_2026 = 20454 };
	static const struct extent_span spans[] = {
		{"dim_property", 0, 0, 5},
		{RN, JANUARY_2026, JANUARY_2026 + 30, 310},
		{RN, JANUARY_2026 + 31, JANUARY_2026 + 58, 28},
		{RV, JANUARY_2026, JANUARY_2026 + 30, 62},
	};
	struct extent *e = extent_new(spans, ARRAY_SIZE(spans));
	static const struct {
		const char *sql;
		int64_t rows;
	} sizes[] = {
		{"select 1", 0},
		{"select count(*) from fact_payment", 0},
		{"select count(*) from " RN, 338},
		{"select count(*) from " RN
		 " where stay_date between '2026-01-01' and '2026-01-10'",
		 100},
		{"select count(*) from " RN
		 " where stay_date between '2026-01-31' and '2026-02-07'",
		 17},
		{"select count(*) from " RN " where stay_date > '2027-01-01'", 0},
		{"select count(*) from " RN " where stay_date < '2026-01-01' and stay_date > "
		 "'2026-02-01'",
		 0},
		{"select count(*) from " RN " n join " RV
		 " r on r.reservation_id = n.reservation_id",
		 400},
		{"select p.property_id, (select count(*) from " RV
		 " r where r.property_id = p.property_id) from dim_property p",
		 5 + 5 * 62},
		{"select r.status, (select count(*) from " RN
		 " n where n.reservation_id = r.reservation_id) from " RV " r where arrival_date "
		 "between '2026-01-01' and '2026-01-31'",
		 62 + 62 * 4},
		{"select count(*) from dim_calendar where date between '2026-01-01' and "
		 "'2026-03-05'",
		 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		static const struct gate_params none;
		struct arena *a = arena_new();
		struct gate_statement s;
		struct gate_refusal why;

		ck_assert_int_eq(gate_check(slice_of(sizes[i].sql), &none, a, &s, &why), 0);
		ck_assert_msg(reads_bytes(&s.reads, e) == sizes[i].rows * READS_ROW_BYTES,
			      "%s\n%lld", sizes[i].sql,
			      (long long)reads_bytes(&s.reads, e) / READS_ROW_BYTES);
		arena_free(a);
	}
	extent_free(e);
}
END_TEST

/* Each level for every row of the one outside it: more than any cap, and no overflow. */
START_TEST(test_nested)
{
	static const struct extent_span spans[] = {{RN, 0, 365, INT64_MAX / 4}};
	struct extent *e = extent_new(spans, 1);
	struct arena *a = arena_new();
	const char *sql = "select count(*) from " RN " t0 where t0.kind = t1.kind";
	static const struct gate_params none;
	struct gate_statement s;
	struct gate_refusal why;

	for (int i = 1; i <= 8; i++) {
		sql = arena_printf(a, "select (%s) from " RN " t%d where t%d.kind = t%d.kind", sql,
				   i, i, i + 1);
		ck_assert_int_eq(gate_check(slice_of(sql), &none, a, &s, &why), 0);
		ck_assert_uint_eq(s.reads.n, (size_t)i + 1);
		ck_assert_int_eq(reads_bytes(&s.reads, e), INT64_MAX / 2);
	}
	extent_free(e);
	arena_free(a);
}
END_TEST

START_TEST(test_too_many)
{
	struct arena *a = arena_new();
	const char *sql = "select count(*) from " RN " t";
	static const struct gate_params none;
	struct gate_statement s;
	struct gate_refusal why;

	for (int i = 1; i < READS_MAX; i++)
		sql = arena_printf(a, "%s, " RN " t%d", sql, i);
	ck_assert_int_eq(gate_check(slice_of(sql), &none, a, &s, &why), 0);
	sql = arena_printf(a, "%s, " RV, sql);
	ck_assert_int_lt(gate_check(slice_of(sql), &none, a, &s, &why), 0);
	ck_assert_str_eq(why.detail, "Tables and subqueries may be at most 64 of each.");
	arena_free(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate_reads");
	TCase *tc = tcase_create("gate_reads");

	tcase_add_loop_test(tc, test_found, 0, ARRAY_SIZE(cases));
	tcase_add_test(tc, test_bytes);
	tcase_add_test(tc, test_nested);
	tcase_add_test(tc, test_too_many);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
