/* Metrics of several processes as those of one. */
#include "tests/unit/unit.h"

#include "common/daemon/metrics_sum.h"

static const char one[] = "# HELP a_total A\n"
			  "# TYPE a_total counter\n"
			  "a_total{x=\"1 2\"} 3\n"
			  "a_total{x=\"2\"} 4\n"
			  "# HELP t_seconds T\n"
			  "# TYPE t_seconds histogram\n"
			  "t_seconds_bucket{le=\"0.5\"} 1\n"
			  "t_seconds_bucket{le=\"+Inf\"} 2\n"
			  "t_seconds_sum 0.75\n"
			  "t_seconds_count 2\n";
/* another order, one series more, one family more */
static const char two[] = "# HELP a_total A\n"
			  "# TYPE a_total counter\n"
			  "a_total{x=\"2\"} 40\n"
			  "a_total{x=\"1 2\"} 30\n"
			  "a_total{x=\"3\"} 50\n"
			  "# HELP b B\n"
			  "# TYPE b gauge\n"
			  "b -1.5\n"
			  "# HELP t_seconds T\n"
			  "# TYPE t_seconds histogram\n"
			  "t_seconds_bucket{le=\"0.5\"} 10\n"
			  "t_seconds_bucket{le=\"+Inf\"} 20\n"
			  "t_seconds_sum 1.5\n"
			  "t_seconds_count 20\n";
static const char both[] = "# HELP a_total A\n"
			   "# TYPE a_total counter\n"
			   "a_total{x=\"1 2\"} 33\n"
			   "a_total{x=\"2\"} 44\n"
			   "a_total{x=\"3\"} 50\n"
			   "# HELP t_seconds T\n"
			   "# TYPE t_seconds histogram\n"
			   "t_seconds_bucket{le=\"0.5\"} 11\n"
			   "t_seconds_bucket{le=\"+Inf\"} 22\n"
			   "t_seconds_sum 2.25\n"
			   "t_seconds_count 22\n"
			   "# HELP b B\n"
			   "# TYPE b gauge\n"
			   "b -1.5\n";

static void assert_sum(const struct slice *texts, size_t n, const char *sum)
{
	struct strbuf out = STRBUF_INIT;

	metrics_sum(texts, n, &out);
	ck_assert_str_eq(strbuf_cstr(&out), sum);
	strbuf_clear(&out);
}

START_TEST(adds_series)
{
	const struct slice texts[] = {SLICE_LIT(one), SLICE_LIT(two)};

	assert_sum(texts, 2, both);
}
END_TEST

START_TEST(of_one_is_the_same)
{
	const struct slice texts[] = {SLICE_LIT(one), SLICE_LIT("")};

	assert_sum(texts, 2, one);
	assert_sum(texts, 0, "");
}
END_TEST

/* A number can be any that the other process has; what is cut off is left out. */
START_TEST(odd_lines)
{
	const struct slice texts[] = {
		SLICE_LIT("b 1\n# HELP a A\n# TYPE a gauge\na +Inf\nnothing\na 2"),
		SLICE_LIT("# HELP a A\n# TYPE a gauge\na 1e300\n\n"),
	};

	assert_sum(texts, 2, "# HELP a A\n# TYPE a gauge\na +Inf\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("metrics_sum");
	TCase *tc = tcase_create("texts");

	tcase_add_test(tc, adds_series);
	tcase_add_test(tc, of_one_is_the_same);
	tcase_add_test(tc, odd_lines);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
