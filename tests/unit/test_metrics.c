/* metrics: the text format byte by byte, labels, the series limit, misuse. */
#include "tests/unit/unit.h"

#include <math.h>
#include <signal.h>

#include "common/daemon/metrics.h"

static struct strbuf out;

static void setup(void)
{
	strbuf_init(&out, STRBUF_DEFAULT_MAX);
}

static void teardown(void)
{
	strbuf_clear(&out);
	metrics_free_all();
}

START_TEST(test_plain)
{
	struct metric *c = metrics_counter("events_total", "Events.\nAll of them, \\ and \"");
	struct metric *g = metrics_gauge("queue_depth", "Waiting.");

	metric_add(c, 3);
	metric_add(c, 0);
	metric_add(g, -2);
	ck_assert_double_eq(metric_value(c), 3);
	ck_assert_double_eq(metric_value(g), -2);
	metric_set(g, 0.25);
	metrics_write(&out);
	ck_assert_str_eq(strbuf_cstr(&out),
			 "# HELP events_total Events.\\nAll of them, \\\\ and \"\n"
			 "# TYPE events_total counter\n"
			 "events_total 3\n"
			 "# HELP queue_depth Waiting.\n"
			 "# TYPE queue_depth gauge\n"
			 "queue_depth 0.25\n");
}
END_TEST

START_TEST(test_special_values)
{
	metric_set(metrics_gauge("a", ""), NAN);
	metric_set(metrics_gauge("b", ""), INFINITY);
	metric_set(metrics_gauge("c", ""), -INFINITY);
	metrics_write(&out);
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&out), "\na NaN\n"));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&out), "\nb +Inf\n"));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&out), "\nc -Inf\n"));
}
END_TEST

START_TEST(test_labels)
{
	struct metric_family *f = metrics_counter_family("landed_total", "h", "domain,outcome");
	struct metric *m = metrics_with(f, (const char *const[]){"payment", "duplicate"});

	metric_add(m, 1);
	metric_add(metrics_with(f, (const char *const[]){"a\\b\"c\nd", "\xff"}), 2);
	ck_assert_ptr_eq(metrics_with(f, (const char *const[]){"payment", "duplicate"}), m);
	ck_assert_ptr_ne(metrics_with(f, (const char *const[]){"payment", "other"}), m);
	metrics_write(&out);
	ck_assert_str_eq(strbuf_cstr(&out),
			 "# HELP landed_total h\n"
			 "# TYPE landed_total counter\n"
			 "landed_total{domain=\"payment\",outcome=\"duplicate\"} 1\n"
			 "landed_total{domain=\"a\\\\b\\\"c\\nd\",outcome=\"?\"} 2\n"
			 "landed_total{domain=\"payment\",outcome=\"other\"} 0\n");
}
END_TEST

START_TEST(test_histogram)
{
	static const double bounds[] = {0.5, 1, 10};
	struct metric_family *f = metrics_histogram_family("wait_seconds", "h", "pool", bounds, 3);
	struct metric *m = metrics_with(f, (const char *const[]){"w"});
	static const double values[] = {0.5, 0.75, 10, 10.5, 0};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		metric_observe(m, values[i]);
	metrics_write(&out);
	ck_assert_str_eq(strbuf_cstr(&out), "# HELP wait_seconds h\n"
					    "# TYPE wait_seconds histogram\n"
					    "wait_seconds_bucket{pool=\"w\",le=\"0.5\"} 2\n"
					    "wait_seconds_bucket{pool=\"w\",le=\"1\"} 3\n"
					    "wait_seconds_bucket{pool=\"w\",le=\"10\"} 4\n"
					    "wait_seconds_bucket{pool=\"w\",le=\"+Inf\"} 5\n"
					    "wait_seconds_sum{pool=\"w\"} 21.75\n"
					    "wait_seconds_count{pool=\"w\"} 5\n");
	strbuf_reset(&out);
	metrics_free_all();
	metric_observe(metrics_histogram("x", "h", METRICS_SECONDS, METRICS_SECONDS_COUNT), 0.0007);
	metrics_write(&out);
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&out), "\nx_bucket{le=\"0.0005\"} 0\n"
							"x_bucket{le=\"0.001\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(strbuf_cstr(&out), "\nx_sum 0.0007\nx_count 1\n"));
}
END_TEST

/* Two users of one adapter share its metrics. */
START_TEST(test_registered_twice)
{
	struct metric *c = metrics_counter("a_total", "h");

	ck_assert_ptr_eq(metrics_counter("a_total", "h"), c);
	metrics_free_all();
	metrics_write(&out);
	ck_assert_str_eq(strbuf_cstr(&out), "");
	ck_assert_double_eq(metric_value(metrics_counter("a_total", "h")), 0);
}
END_TEST

START_TEST(test_series_limit)
{
	struct metric_family *f = metrics_counter_family("a_total", "h", "x,y");
	struct metric *other;
	size_t lines = 0;
	char x[16];

	for (int i = 0; i < 10000; i++) {
		(void)snprintf(x, sizeof(x), "%d", i);
		metric_add(metrics_with(f, (const char *const[]){x, "y"}), 1);
	}
	other = metrics_with(f, (const char *const[]){"other", "other"});
	ck_assert_double_eq(metric_value(other), 10000 - (METRICS_SERIES_MAX - 1));
	ck_assert_double_eq(metric_value(metrics_with(f, (const char *const[]){"7", "y"})), 1);
	metrics_write(&out);
	for (const char *p = strbuf_cstr(&out); *p != '\0'; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, METRICS_SERIES_MAX + 2);
}
END_TEST

static void other_kind(void)
{
	(void)metrics_counter("a", "h");
	(void)metrics_gauge("a", "h");
}

static void other_labels(void)
{
	(void)metrics_counter_family("a", "h", "x");
	(void)metrics_counter("a", "h");
}

static void bad_name(void)
{
	(void)metrics_counter("a-b", "h");
}

static void bad_label(void)
{
	(void)metrics_histogram_family("a", "h", "x,le", NULL, 0);
}

static void falling_bounds(void)
{
	(void)metrics_histogram("a", "h", (const double[]){2, 1}, 2);
}

static void falling_counter(void)
{
	metric_add(metrics_counter("a", "h"), -1);
}

static void (*const misuse[])(void) = {other_kind, other_labels,   bad_name,
				       bad_label,  falling_bounds, falling_counter};

START_TEST(test_misuse)
{
	misuse[_i]();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("metrics");
	TCase *tc = tcase_create("metrics");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_plain);
	tcase_add_test(tc, test_special_values);
	tcase_add_test(tc, test_labels);
	tcase_add_test(tc, test_histogram);
	tcase_add_test(tc, test_registered_twice);
	tcase_add_test(tc, test_series_limit);
	tcase_add_loop_test_raise_signal(tc, test_misuse, SIGABRT, 0, ARRAY_SIZE(misuse));
	suite_add_tcase(s, tc);
	return unit_main(s);
}
