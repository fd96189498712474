/* gate: what passes, what is refused and where, what parameters become. */
#include "tests/unit/unit.h"

#include "queryd/adhoc/gate.h"

#define V(name) (1U << GATE_##name)

static const struct {
	const char *sql;
	uint32_t relations;
	bool clock;
} passes[] = {
	{"select 1", 0, false},
	{"select count(*) from fact_payment;", V(fact_payment), false},
	{"select count(*) from tenant_views.fact_payment as p", V(fact_payment), false},
	{"SELECT \"property_id\", sum(rate_micro)::numeric(20,2) / 1000000 AS revenue "
	 "FROM fact_room_night n WHERE stay_date BETWEEN date '2026-01-01' AND '2026-01-31' "
	 "AND kind IN ('sold', 'complimentary') AND channel LIKE 'ota%' AND currency IS NOT NULL "
	 "GROUP BY 1 HAVING sum(rate_micro) > 0 ORDER BY 2 DESC NULLS LAST LIMIT 10 OFFSET 5",
	 V(fact_room_night), false},
	{"with n as (select stay_date, count(*) c from fact_room_night group by 1), m (d, c) as "
	 "materialized (select * from n) select d.date, coalesce(m.c, 0) from dim_calendar d left "
	 "join m on m.d = d.date",
	 V(fact_room_night) | V(dim_calendar), false},
	{"select rank() over (partition by property_id order by total_micro desc rows between 1 "
	 "preceding and current row), lag(total_micro) over w, count(*) filter (where nights > 1) "
	 "over w from fact_reservation window w as (order by booked_at)",
	 V(fact_reservation), false},
	{"select percentile_cont(0.9) within group (order by nights) from fact_reservation",
	 V(fact_reservation), false},
	{"select case when nights > 3 then 'long' else 'short' end, greatest(nights, 1), "
	 "nullif(channel, ''), nights is distinct from 2, (adults, children) = (2, 0), "
	 "array[1, 2], nights = any (array[1, 2]), not (nights < 2 or adults is null) "
	 "from fact_reservation",
	 V(fact_reservation), false},
	{"select extract(dow from booked_at at time zone 'Asia/Kabul'), date_trunc('month', "
	 "booked_at), substring(channel from 1 for 3), position('a' in channel), trim(channel) "
	 "from fact_reservation",
	 V(fact_reservation), false},
	{"select property_id, channel, grouping(channel) from fact_reservation group by rollup "
	 "(property_id, channel)",
	 V(fact_reservation), false},
	{"select 1 from dim_room r where exists (select 1 from fact_room_night f where "
	 "f.property_id = r.property_id) and r.room_type_id in (select room_type_id from "
	 "dim_room_type) union all select 2 from dim_tenant except (select 3)",
	 V(dim_room) | V(fact_room_night) | V(dim_room_type) | V(dim_tenant), false},
	{"select * from (values (1, 'a'), (2, 'b')) v (n, t), lateral (select n + 1) x", 0, false},
	{"select current_date - 1, age(booked_at) from fact_reservation", V(fact_reservation),
	 true},
	{"select 'today'::date", 0, true},
	{"select age(booked_at, arrival_date) from fact_reservation", V(fact_reservation), false},
	{"select interval '1 day', -1, 1.5, true, null", 0, false},
};

START_TEST(test_passes)
{
	struct arena *a = arena_new();
	struct gate_params none = {.n = 0};
	struct gate_statement s;
	struct gate_refusal why;
	int r = gate_check(slice_of(passes[_i].sql), &none, a, &s, &why);

	ck_assert_msg(r == 0, "%s\n%s", passes[_i].sql, why.detail);
	ck_assert_str_eq(s.sql, passes[_i].sql);
	ck_assert_uint_eq(s.relations, passes[_i].relations);
	ck_assert_int_eq(s.reads_the_clock, passes[_i].clock);
	arena_free(a);
}
END_TEST

#define F "select 1 from fact_payment where "

static const struct {
	const char *sql, *detail; /* the beginning of it */
	int position;
} refusals[] = {
	/* statements */
	{"", "There is no statement", 0},
	{"   -- nothing\n", "There is no statement", 0},
	{"select 1; select 2", "One statement only", 0},
	{"select 1; reset role", "One statement only", 0},
	{"selec 1", "Not valid SQL", 1},
	{"select 'ä', from", "Not valid SQL", 13},
	{"delete from fact_payment", "Only SELECT", 0},
	{"insert into fact_payment values (1)", "Only SELECT", 0},
	{"update fact_payment set x = 1", "Only SELECT", 0},
	{"truncate fact_payment", "Only SELECT", 0},
	{"set role tnt_x", "Only SELECT", 0},
	{"reset session authorization", "Only SELECT", 0},
	{"do $$ begin perform 1; end $$", "Only SELECT", 0},
	{"copy fact_payment to program 'id'", "Only SELECT", 0},
	{"explain select 1", "Only SELECT", 0},
	{"explain (analyze) select 1", "Only SELECT", 0},
	{"declare c cursor for select 1", "Only SELECT", 0},
	{"prepare p as select 1", "Only SELECT", 0},
	{"execute p", "Only SELECT", 0},
	{"listen x", "Only SELECT", 0},
	{"lock fact_payment", "Only SELECT", 0},
	{"create temp table t as select 1", "Only SELECT", 0},
	{"call p()", "Only SELECT", 0},
	{"begin", "Only SELECT", 0},
	/* forms of SELECT */
	{"select 1 into t", "This form of SelectStmt", 0},
	{"select 1 from fact_payment for update", "This form of SelectStmt", 0},
	{"select 1 from fact_payment for share skip locked", "This form of SelectStmt", 0},
	{"with recursive r as (select 1 union all select 1 from r) select * from r",
	 "WITH RECURSIVE", 0},
	{"with d as (delete from fact_payment returning 1) select * from d", "DeleteStmt is not",
	 0},
	{"with i as (insert into fact_payment values (1) returning 1) select * from i",
	 "InsertStmt is not", 0},
	{"with pg_class as (select 1) select * from pg_class", "A WITH query may not", 6},
	{"with a as not materialized (select 1) select * from a", "NOT MATERIALIZED", 6},
	{"table fact_secret", "There is no such table", 7},
	{"select * from fact_payment tablesample bernoulli (1)", "RangeTableSample", 0},
	{"select * from generate_series(1, 2)", "RangeFunction", 0},
	{"select * from rows from (pg_ls_dir('.'))", "RangeFunction", 0},
	{"select * from xmltable('/a' passing '<a/>' columns b int)", "RangeTableFunc", 0},
	{"select channel collate \"C\" from fact_reservation", "CollateClause", 0},
	{"select xmlelement(name a)", "XmlExpr", 0},
	{"select (f).property_id from fact_payment f", "A_Indirection", 0},
	{"select (array[1])[1]", "A_Indirection", 0},
	{"select 1 order by 1 using <", "This form of SortBy", 0},
	{"select mode() within group (order by nights), f(x => 1) from fact_reservation",
	 "The function f", 47},
	{"select count(variadic array[1])", "This form of FuncCall is not allowed (func_variadic)",
	 0},
	/* relations */
	{"select * from pg_roles", "There is no such table", 15},
	{"select * from pg_catalog.pg_authid", "There is no such table", 15},
	{"select * from information_schema.tables", "There is no such table", 15},
	{"select * from analytics_curated.fact_payment", "There is no such table", 15},
	{"select * from events_raw.event", "There is no such table", 15},
	{"select * from analytics.dashboards", "There is no such table", 15},
	{"select * from tenant_views.pg_class", "There is no such table", 15},
	{"select * from db.tenant_views.fact_payment", "There is no such table", 15},
	{"select * from table_state", "There is no such table", 15},
	{"select * from pending", "There is no such table", 15},
	{"with c as (select 1) select * from tenant_views.c", "There is no such table", 36},
	{"select * from (with c as (select 1) select * from c) x, c", "There is no such table", 57},
	{"select (select 1 from pg_shadow)", "There is no such table", 23},
	/* functions */
	{"select set_config('role', 'x', true)", "The function set_config", 8},
	{"select pg_catalog.set_config('role', 'x', true)", "The function set_config", 8},
	{"select current_setting('analytics.scope')", "The function current_setting", 8},
	{"select tenant_views.set_scope('x')", "The function of that schema", 8},
	{"select tenant_views.scope()", "The function of that schema", 8},
	{"select query_to_xml('select 1', true, true, '')", "The function query_to_xml", 8},
	{"select ts_stat('select 1')", "The function ts_stat", 8},
	{"select pg_sleep(10)", "The function pg_sleep", 8},
	{"select lo_import('/etc/passwd')", "The function lo_import", 8},
	{"select pg_read_file('/etc/passwd')", "The function pg_read_file", 8},
	{"select pg_advisory_lock(1)", "The function pg_advisory_lock", 8},
	{"select dblink('', 'select 1')", "The function dblink", 8},
	{"select pg_terminate_backend(1)", "The function pg_terminate_backend", 8},
	{"select string_agg(channel, '') from fact_reservation", "The function string_agg", 8},
	{"select array_agg(1)", "The function array_agg", 8},
	{"select repeat('x', 1000000000)", "The function repeat", 8},
	{"select lpad('x', 1000000000)", "The function lpad", 8},
	{"select setseed(1)", "The function setseed", 8},
	{"select version()", "The function version", 8},
	{"select pg_backend_pid()", "The function pg_backend_pid", 8},
	{"select has_table_privilege('x', 'select')", "The function has_table_privilege", 8},
	{"select txid_current()", "The function txid_current", 8},
	{"select count(*) from fact_payment group by pg_sleep(1)", "The function pg_sleep", 44},
	{"select sum(1) over (order by pg_sleep(1))", "The function pg_sleep", 30},
	{"select 1 limit pg_sleep(1)", "The function pg_sleep", 16},
	{"select case when pg_sleep(1) is null then 1 end", "The function pg_sleep", 18},
	{F "exists (select pg_sleep(1))", "The function pg_sleep", 49},
	/* what the session is */
	{"select current_user", "Users, roles", 8},
	{"select session_user", "Users, roles", 8},
	{"select user", "Users, roles", 8},
	{"select current_catalog", "Users, roles", 8},
	{"select current_schema", "Users, roles", 8},
	/* types, operators, columns */
	{"select 'pg_authid'::regclass", "The type regclass", 0},
	{"select 1::oid", "The type oid", 0},
	{"select 'x'::tenant_views.fact_payment", "The type of that schema", 0},
	{"select null::fact_payment", "The type fact_payment", 0},
	{"select cast('1' as xml)", "The type xml", 0},
	{F "channel ~ '(a+)+$'", "The operator ~", 0},
	{F "channel similar to 'a'", "The operator ~", 0},
	{"select 1 operator(pg_catalog.+) 2", "An operator may not name", 0},
	{"select 'a' || 'b'", "The operator ||", 0},
	{"select a@n", "The operator @", 0},
	{"select 2 ^ 3", "The operator ^", 0},
	{"select ctid from fact_payment", "System columns", 8},
	{"select f.xmin from fact_payment f", "System columns", 8},
	{"select tableoid from fact_payment", "System columns", 8},
	{"select tenant_views.fact_payment.amount_micro from fact_payment", "A column is named by",
	 8},
	/* parameters */
	{"select $1", "Parameters are named", 8},
	{"select @nobody", "There is no parameter nobody", 8},
	{"select 'open", "A quote or comment", 8},
	{"select /* open", "A quote or comment", 8},
	{"select $x$ open", "A quote or comment", 8},
	{"select 1 <@ 2", "The operator <@", 0},
	{"select @ -1", "The operator @", 0},
};

START_TEST(test_refused)
{
	struct arena *a = arena_new();
	struct gate_params none = {.n = 0};
	struct gate_statement s;
	struct gate_refusal why;
	int r = gate_check(slice_of(refusals[_i].sql), &none, a, &s, &why);

	ck_assert_msg(r < 0, "passed: %s", refusals[_i].sql);
	ck_assert_msg(strncmp(why.detail, refusals[_i].detail, strlen(refusals[_i].detail)) == 0,
		      "%s: %s", refusals[_i].sql, why.detail);
	if (refusals[_i].position != 0)
		ck_assert_msg(why.position == refusals[_i].position, "%s: at %d: %s",
			      refusals[_i].sql, why.position, why.detail);
	arena_free(a);
}
END_TEST

static int check_text(struct strbuf *sql, struct gate_refusal *why)
{
	struct arena *a = arena_new();
	struct gate_params none = {.n = 0};
	struct gate_statement s;
	int r = gate_check(strbuf_slice(sql), &none, a, &s, why);

	arena_free(a);
	strbuf_clear(sql);
	return r;
}

static void repeat(struct strbuf *b, const char *s, size_t n)
{
	while (n-- > 0)
		strbuf_append_str(b, s);
}

START_TEST(test_depth_and_size)
{
	static const struct {
		const char *head, *open, *middle, *close;
	} towers[] = {
		{"select ", "+ ", "1", ""},
		{"select ", "not ", "true", ""},
		{"select ", "case when true then ", "1", " end"},
		{"select ", "(select ", "1", ")"},
		{"select 1", " union select 1", "", ""},
		{"select 1", " + 1", "", ""},
		{"", "select * from (", "select 1", ") x"},
	};
	struct gate_refusal why;
	struct strbuf sql = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(towers); i++) {
		size_t n = (GATE_SQL_MAX - 100) /
			   (strlen(towers[i].open) + strlen(towers[i].close));

		strbuf_append_str(&sql, towers[i].head);
		repeat(&sql, towers[i].open, n);
		strbuf_append_str(&sql, towers[i].middle);
		repeat(&sql, towers[i].close, n);
		ck_assert_int_lt(check_text(&sql, &why), 0);
	}
	strbuf_append_str(&sql, "select ");
	repeat(&sql, "1, ", GATE_SQL_MAX / 3 - 10);
	strbuf_append_str(&sql, "1");
	ck_assert_int_eq(check_text(&sql, &why), 0);
	repeat(&sql, " ", GATE_SQL_MAX + 1);
	ck_assert_int_lt(check_text(&sql, &why), 0);
	strbuf_append(&sql, "select 1\0", 9);
	ck_assert_int_lt(check_text(&sql, &why), 0);
	strbuf_append_str(&sql, "select '\xff'");
	ck_assert_int_lt(check_text(&sql, &why), 0);
}
END_TEST

/* Each level names the column of the one below `width` times. */
static void derive(struct strbuf *sql, int levels, size_t width)
{
	for (int i = 0; i < levels; i++) {
		strbuf_append_str(sql, "select 0");
		repeat(sql, " + a", width);
		strbuf_append_str(sql, " as a from (");
	}
	strbuf_append_str(sql, "select nights as a from fact_reservation");
	for (int i = 0; i < levels; i++)
		strbuf_append_str(sql, ") x");
}

START_TEST(test_growth)
{
	struct gate_refusal why;
	struct strbuf sql = STRBUF_INIT;

	derive(&sql, 3, 100);
	ck_assert_int_eq(check_text(&sql, &why), 0);
	derive(&sql, 22, 2);
	ck_assert_int_lt(check_text(&sql, &why), 0);
	ck_assert_ptr_nonnull(strstr(why.detail, "derived"));
	/* the same through WITH queries, which are pulled up when they are named once */
	strbuf_append_str(&sql, "with c0 as (select nights as a from fact_reservation)");
	for (int i = 1; i < 25; i++)
		strbuf_appendf(&sql, ", c%d as (select a + a as a from c%d)", i, i - 1);
	strbuf_append_str(&sql, " select a from c24");
	ck_assert_int_lt(check_text(&sql, &why), 0);
	ck_assert_ptr_nonnull(strstr(why.detail, "derived"));
}
END_TEST

static const struct {
	const char *sql, *bound;
} bindings[] = {
	{"select @n", "select ($1::int8)"},
	{"select @n+@n, -@n", "select ($1::int8)+($1::int8), -($1::int8)"},
	{"select '@n', \"@n\", $$@n$$, $q$ @n $$ $q$, E'\\'@n' -- @n\n /* @n /* @n */ @n */ , @n",
	 "select '@n', \"@n\", $$@n$$, $q$ @n $$ $q$, E'\\'@n' -- @n\n /* @n /* @n */ @n */ , "
	 "($1::int8)"},
	{"select 'it''s @n', @t", "select 'it''s @n', ($2::text)"},
	{"select channel from fact_reservation where channel = any (@list)",
	 "select channel from fact_reservation where channel = any (($3::text[]))"},
};

static struct gate_params three = {
	.v = {{"n", "int8", "1"}, {"t", "text", "x"}, {"list", "text[]", "{}"}}, .n = 3};

START_TEST(test_bound)
{
	struct arena *a = arena_new();
	struct gate_statement s;
	struct gate_refusal why;
	int r = gate_check(slice_of(bindings[_i].sql), &three, a, &s, &why);

	ck_assert_msg(r == 0, "%s: %s", bindings[_i].sql, why.detail);
	ck_assert_str_eq(s.sql, bindings[_i].bound);
	arena_free(a);
}
END_TEST

START_TEST(test_place_behind_parameters)
{
	static const char sql[] = "select @n, @list, 'ü', pg_sleep(1)";
	struct arena *a = arena_new();
	struct gate_statement s;
	struct gate_refusal why;

	ck_assert_int_lt(gate_check(slice_of(sql), &three, a, &s, &why), 0);
	ck_assert_int_eq(why.position, 24);
	arena_free(a);
}
END_TEST

static const struct {
	const char *json, *value; /* NULL: refused, then `fault` is its field */
	const char *fault;
} values[] = {
	{"{\"p\":{\"type\":\"int64\",\"value\":5}}", "5", NULL},
	{"{\"p\":{\"type\":\"int64\",\"value\":\"-9223372036854775808\"}}", "-9223372036854775808",
	 NULL},
	{"{\"p\":{\"type\":\"int64\",\"value\":\"9223372036854775808\"}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"int64\",\"value\":1.5}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"int64\",\"value\":true}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"float64\",\"value\":1.5}}", "1.5", NULL},
	{"{\"p\":{\"type\":\"float64\",\"value\":\"NaN\"}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"numeric\",\"value\":\"12345678901234567890.5\"}}",
	 "12345678901234567890.5", NULL},
	{"{\"p\":{\"type\":\"bool\",\"value\":false}}", "false", NULL},
	{"{\"p\":{\"type\":\"bool\",\"value\":\"yes\"}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"string\",\"value\":\"a'b\"}}", "a'b", NULL},
	{"{\"p\":{\"type\":\"string\",\"value\":5}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"date\",\"value\":\"2026-02-28\"}}", "2026-02-28", NULL},
	{"{\"p\":{\"type\":\"date\",\"value\":\"2026-02-30\"}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"date\",\"value\":\"today\"}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"timestamp\",\"value\":\"2026-02-28T10:00:00+04:30\"}}",
	 "2026-02-28T10:00:00+04:30", NULL},
	{"{\"p\":{\"type\":\"timestamp\",\"value\":\"2026-02-28\"}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"string[]\",\"value\":[\"a\",null,\"b\\\"\\\\,}\"]}}",
	 "{\"a\",NULL,\"b\\\"\\\\,}\"}", NULL},
	{"{\"p\":{\"type\":\"int64[]\",\"value\":[]}}", "{}", NULL},
	{"{\"p\":{\"type\":\"int64[]\",\"value\":5}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"int64[]\",\"value\":[\"x\"]}}", NULL, "params.p.value"},
	{"{\"p\":{\"type\":\"oid\",\"value\":5}}", NULL, "params.p.type"},
	{"{\"p\":{\"type\":\"[]\",\"value\":[]}}", NULL, "params.p.type"},
	{"{\"p\":{\"value\":5}}", NULL, "params.p"},
	{"{\"p\":{\"type\":\"int64\"}}", NULL, "params.p"},
	{"{\"p\":{\"type\":\"int64\",\"value\":5,\"x\":1}}", NULL, "params.p"},
	{"{\"p\":5}", NULL, "params.p"},
	{"{\"1p\":{\"type\":\"int64\",\"value\":5}}", NULL, "params.1p"},
	{"{\"a b\":{\"type\":\"int64\",\"value\":5}}", NULL, "params.a b"},
	{"{\"\":{\"type\":\"int64\",\"value\":5}}", NULL, "params."},
	{"[]", NULL, "params"},
};

START_TEST(test_values)
{
	struct arena *a = arena_new();
	struct gate_params p = {.n = 0};
	struct gate_fault fault;
	struct json *j;
	int r;

	ck_assert_int_eq(json_parse(slice_of(values[_i].json), 4096, &j, NULL), 0);
	r = gate_params_read(j, a, &p, &fault);
	json_free(j);
	if (values[_i].value != NULL) {
		ck_assert_msg(r == 0, "%s: %s %s", values[_i].json, fault.field, fault.detail);
		ck_assert_str_eq(p.v[0].value, values[_i].value);
	} else {
		ck_assert_int_lt(r, 0);
		ck_assert_str_eq(fault.field, values[_i].fault);
	}
	arena_free(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate");
	TCase *tc = tcase_create("gate");

	tcase_add_loop_test(tc, test_passes, 0, ARRAY_SIZE(passes));
	tcase_add_loop_test(tc, test_refused, 0, ARRAY_SIZE(refusals));
	tcase_add_test(tc, test_depth_and_size);
	tcase_add_test(tc, test_growth);
	tcase_add_loop_test(tc, test_bound, 0, ARRAY_SIZE(bindings));
	tcase_add_test(tc, test_place_behind_parameters);
	tcase_add_loop_test(tc, test_values, 0, ARRAY_SIZE(values));
	suite_add_tcase(s, tc);
	return unit_main(s);
}
