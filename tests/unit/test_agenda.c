/* etld/agenda: who is served next, and how long the others wait. */
#include "etld/stream/agenda.h"
#include "etld/stream/consumers.h"
#include "tests/unit/unit.h"

#define WORKERS 4

static struct agenda *agenda;
static struct task running[WORKERS];
static size_t nrunning;

static struct task stream(const char *consumer, int shard)
{
	return (struct task){.consumer = consumer_find(consumer), .shards = UINT64_C(1) << shard};
}

static struct task portion(int shard)
{
	return (struct task){.consumer = consumer_find("reservation"),
			     .shards = UINT64_C(1) << shard,
			     .portions = true};
}

static void setup(void)
{
	agenda = agenda_new(&(struct agenda_options){1, WORKERS - 1, 10, 0});
	nrunning = 0;
}

static void teardown(void)
{
	agenda_free(agenda);
}

static bool next(struct task *ret)
{
	return agenda_next(agenda, running, nrunning, 0, ret);
}

static void assert_next(struct task wanted)
{
	struct task t;

	ck_assert(next(&t));
	ck_assert_ptr_eq(t.consumer, wanted.consumer);
	ck_assert_uint_eq(t.shards, wanted.shards);
	ck_assert_int_eq(t.portions, wanted.portions);
}

static void assert_nothing(void)
{
	struct task t;

	ck_assert(!next(&t));
}

START_TEST(hot_before_cold_before_backfill)
{
	agenda_add(agenda, portion(1), URGENCY_BACKFILL, 1);
	agenda_add(agenda, stream("none", 1), URGENCY_COLD, 1);
	agenda_add(agenda, stream("none", 2), URGENCY_HOT, 1); /* it has waited for long */
	agenda_add(agenda, stream("payment", 1), URGENCY_HOT, 1);
	ck_assert_uint_eq(agenda_count(agenda), 4);
	assert_next(stream("none", 2));
	assert_next(stream("payment", 1));
	assert_next(stream("none", 1));
	assert_next(portion(1));
	assert_nothing();
}
END_TEST

/* A shard with a backlog is the oldest at every look, and is served every other time. */
START_TEST(turns_not_age)
{
	for (int look = 0; look < 3; look++) {
		agenda_clear(agenda);
		agenda_add(agenda, stream("payment", 7), URGENCY_HOT, 1);
		agenda_add(agenda, stream("payment", 8), URGENCY_HOT, 1);
		assert_next(stream("payment", look % 2 == 0 ? 7 : 8));
	}
	agenda_clear(agenda);
	agenda_add(agenda, stream("payment", 7), URGENCY_HOT, 1);
	agenda_add(agenda, stream("payment", 9), URGENCY_HOT, 1); /* never served */
	assert_next(stream("payment", 9));
}
END_TEST

START_TEST(one_worker_in_a_shard_of_a_consumer)
{
	running[nrunning++] = stream("reservation", 3);
	agenda_add(agenda, portion(3), URGENCY_BACKFILL, 1);
	agenda_add(agenda, stream("reservation", 3), URGENCY_HOT, 1);
	agenda_add(agenda, stream("payment", 3), URGENCY_HOT, 1);
	assert_next(stream("payment", 3));
	assert_nothing();
	nrunning = 0;
	assert_next(stream("reservation", 3));
}
END_TEST

/* As if every unit took 90 ms, of the stream as of a backfill, and there were enough of both. */
START_TEST(backfill_gets_a_tenth)
{
	int portions = 0;
	struct task t;

	for (int i = 0; i < 1000; i++) {
		agenda_clear(agenda);
		agenda_add(agenda, stream("payment", 1), URGENCY_HOT, 1);
		agenda_add(agenda, portion(2), URGENCY_BACKFILL, 1);
		ck_assert(next(&t));
		agenda_spent(agenda, t, 90000, 0);
		portions += t.portions;
	}
	ck_assert_int_ge(portions, 99);
	ck_assert_int_le(portions, 110);
}
END_TEST

/* Of share s in 100 while both wait, whatever s is. */
START_TEST(the_share_is_a_setting)
{
	static const int shares[] = {1, 25, 50, 90};

	for (size_t k = 0; k < ARRAY_SIZE(shares); k++) {
		struct agenda *a = agenda_new(&(struct agenda_options){1, WORKERS, shares[k], 0});
		int portions = 0;
		struct task t;

		for (int i = 0; i < 2000; i++) {
			agenda_clear(a);
			agenda_add(a, stream("payment", 1), URGENCY_HOT, 1);
			agenda_add(a, portion(2), URGENCY_BACKFILL, 1);
			ck_assert(agenda_next(a, running, 0, 0, &t));
			agenda_spent(a, t, 90000, 0);
			portions += t.portions;
		}
		ck_assert_int_ge(portions, 20 * shares[k] - 10);
		ck_assert_int_le(portions, 20 * shares[k] + 20);
		agenda_free(a);
	}
}
END_TEST

/* Not even idle workers go on before the pause is over; the stream is not held up by it. */
START_TEST(a_backfill_pauses)
{
	struct agenda *a = agenda_new(&(struct agenda_options){1, WORKERS, 90, 500});
	struct task t;

	agenda_add(a, portion(1), URGENCY_BACKFILL, 1);
	agenda_add(a, portion(2), URGENCY_BACKFILL, 1);
	ck_assert(agenda_next(a, running, 0, 1000, &t));
	agenda_spent(a, t, 90000, 1090);
	ck_assert(!agenda_next(a, running, 0, 1589, &t));
	agenda_add(a, stream("payment", 1), URGENCY_HOT, 1);
	ck_assert(agenda_next(a, running, 0, 1589, &t) && !t.portions);
	ck_assert(agenda_next(a, running, 0, 1590, &t) && t.portions);
	agenda_free(a);
}
END_TEST

START_TEST(a_worker_stays_free_for_the_stream)
{
	for (int i = 0; i < WORKERS; i++)
		agenda_add(agenda, portion(i), URGENCY_BACKFILL, 1);
	for (int i = 0; i < WORKERS - 1; i++)
		ck_assert(next(&running[nrunning++]));
	assert_nothing();
	agenda_add(agenda, stream("payment", 1), URGENCY_COLD, 1);
	assert_next(stream("payment", 1));
}
END_TEST

/* A quiet time is not saved up, and what others left over is not held against a backfill. */
START_TEST(what_is_owed_is_bounded)
{
	for (int i = 0; i < 100; i++)
		agenda_spent(agenda, portion(1), 100000, 0);
	agenda_spent(agenda, stream("payment", 1), 900000, 0);
	agenda_add(agenda, stream("payment", 1), URGENCY_HOT, 1);
	agenda_add(agenda, portion(2), URGENCY_BACKFILL, 1);
	assert_next(portion(2));
	agenda_spent(agenda, stream("payment", 1), 3600000000, 0);
	for (int i = 0; i < 51; i++)
		agenda_spent(agenda, portion(1), 100000, 0);
	agenda_add(agenda, portion(3), URGENCY_BACKFILL, 1);
	assert_next(stream("payment", 1));
}
END_TEST

START_TEST(what_failed_rests_longer_each_time)
{
	struct task t = stream("payment", 1);
	int64_t ms, longest = 0;

	agenda_add(agenda, t, URGENCY_HOT, 1);
	ms = agenda_rest(agenda, t, REST_TAKEN, 1000, UINT32_MAX);
	ck_assert_int_le(ms, 60);
	ck_assert(!agenda_next(agenda, running, 0, 1000 + ms - 1, &t));
	ck_assert(!agenda_hopeless(agenda));
	for (int i = 0; i < AGENDA_HOPELESS; i++) {
		ck_assert(!agenda_hopeless(agenda));
		ms = agenda_rest(agenda, t, REST_FAILED, 1000, UINT32_MAX);
		ck_assert_int_gt(ms, longest);
		longest = ms;
		ck_assert_int_eq(agenda_failures(agenda, t), i + 1);
	}
	ck_assert(agenda_hopeless(agenda));
	t.shards |= 1 << 2; /* which has not failed */
	ck_assert_int_eq(agenda_failures(agenda, t), 0);
	t.shards = 1 << 1;
	agenda_rested(agenda, t);
	ck_assert_int_eq(agenda_failures(agenda, t), 0);
	ck_assert(!agenda_hopeless(agenda));
	ck_assert(agenda_next(agenda, running, 0, 1000, &t));
	ck_assert_int_eq(agenda_rest(agenda, t, REST_FAILED, 1000, 0), 200);
}
END_TEST

/* Of a consumer, as long as they are few events together; others keep their turn. */
START_TEST(small_tasks_go_together)
{
	struct agenda *a = agenda_new(&(struct agenda_options){3, WORKERS, 10, 0});
	struct task t;

	running[0] = stream("payment", 9);
	agenda_add(a, stream("payment", 1), URGENCY_HOT, 50);
	agenda_add(a, stream("payment", 2), URGENCY_HOT, 60);
	agenda_add(a, stream("payment", 3), URGENCY_HOT, 40);
	agenda_add(a, stream("payment", 9), URGENCY_HOT, 1);
	agenda_add(a, stream("none", 4), URGENCY_HOT, 1);
	agenda_add(a, portion(5), URGENCY_BACKFILL, 0);
	ck_assert(agenda_next(a, running, 1, 0, &t));
	ck_assert_uint_eq(t.shards, 1 << 1 | 1 << 3);
	running[1] = t;
	ck_assert(agenda_next(a, running, 2, 0, &t));
	ck_assert_uint_eq(t.shards, 1 << 2);
	ck_assert(agenda_next(a, running, 2, 0, &t));
	ck_assert_ptr_eq(t.consumer, consumer_find("none"));
	ck_assert(agenda_next(a, running, 2, 0, &t) && t.portions);
	ck_assert_uint_eq(t.shards, 1 << 5);
	ck_assert(!agenda_next(a, running, 2, 0, &t));
	agenda_free(a);
}
END_TEST

/* One of them is to blame, and it will be known which. */
START_TEST(what_failed_goes_alone)
{
	struct agenda *a = agenda_new(&(struct agenda_options){3, WORKERS, 10, 0});
	struct task t = {.consumer = consumer_find("payment"), .shards = 1 << 1 | 1 << 2};

	ck_assert_int_eq(agenda_rest(a, t, REST_FAILED, 0, 0), 200);
	for (int shard = 1; shard <= 4; shard++)
		agenda_add(a, stream("payment", shard), URGENCY_HOT, 1);
	ck_assert(agenda_next(a, running, 0, 0, &t));
	ck_assert_uint_eq(t.shards, 1 << 3 | 1 << 4);
	ck_assert(!agenda_next(a, running, 0, 0, &t));
	for (int shard = 1; shard <= 2; shard++) {
		ck_assert(agenda_next(a, running, 0, 30000, &t));
		ck_assert_uint_eq(t.shards, 1 << shard);
	}
	agenda_rested(a, t);
	agenda_clear(a);
	for (int shard = 1; shard <= 4; shard++)
		agenda_add(a, stream("payment", shard), URGENCY_HOT, 1);
	ck_assert(agenda_next(a, running, 0, 30000, &t));
	ck_assert_uint_eq(t.shards, 1 << 2 | 1 << 3 | 1 << 4);
	agenda_free(a);
}
END_TEST

START_TEST(shards_are_told_by_number)
{
	char text[TASK_SHARDS_LEN];

	ck_assert_str_eq(task_shards((struct task){.shards = 0}, text), "");
	ck_assert_str_eq(task_shards(stream("payment", 0), text), "0");
	ck_assert_str_eq(task_shards((struct task){.shards = 1 | 1 << 9 | UINT64_C(1) << 63}, text),
			 "0,9,63");
	(void)task_shards((struct task){.shards = UINT64_MAX}, text);
	ck_assert_uint_lt(strlen(text), TASK_SHARDS_LEN);
	ck_assert_str_eq(text + strlen(text) - 6, ",62,63");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agenda");
	TCase *tc = tcase_create("agenda");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, hot_before_cold_before_backfill);
	tcase_add_test(tc, turns_not_age);
	tcase_add_test(tc, one_worker_in_a_shard_of_a_consumer);
	tcase_add_test(tc, backfill_gets_a_tenth);
	tcase_add_test(tc, the_share_is_a_setting);
	tcase_add_test(tc, a_backfill_pauses);
	tcase_add_test(tc, a_worker_stays_free_for_the_stream);
	tcase_add_test(tc, what_is_owed_is_bounded);
	tcase_add_test(tc, what_failed_rests_longer_each_time);
	tcase_add_test(tc, small_tasks_go_together);
	tcase_add_test(tc, what_failed_goes_alone);
	tcase_add_test(tc, shards_are_told_by_number);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
