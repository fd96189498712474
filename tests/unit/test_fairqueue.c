/* Deficit round robin: order, equal shares by cost, no wait behind a backlog. */
#include "tests/unit/unit.h"

#include "ingestd/landing/fairqueue.h"

enum { QUANTUM = 100, ITEMS = 400 };

static struct fair_item items[ITEMS];
static struct fair_flow flows[4];
static size_t used;
static struct fairqueue q;

static void setup(void)
{
	memset(flows, 0, sizeof(flows));
	used = 0;
	fairqueue_init(&q, QUANTUM);
}

static void push(int flow, size_t cost, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fair_item *item = &items[used++];

		ck_assert_uint_lt(used, ITEMS);
		item->cost = cost;
		fairqueue_push(&q, &flows[flow], item);
	}
}

/* What comes in this round, as indexes of items; the number of them. */
static size_t round_of(size_t ret[ITEMS])
{
	struct fair_item *item;
	size_t n = 0;

	fairqueue_next_round(&q);
	while ((item = fairqueue_pop(&q)) != NULL)
		ret[n++] = (size_t)(item - items);
	return n;
}

START_TEST(test_one_flow_is_a_queue)
{
	size_t got[ITEMS];

	push(0, 50, 4);
	ck_assert_uint_eq(round_of(got), 2);
	ck_assert_uint_eq(got[0], 0);
	ck_assert_uint_eq(got[1], 1);
	ck_assert_uint_eq(round_of(got), 2);
	ck_assert_uint_eq(got[0], 2);
	ck_assert_uint_eq(q.flows, 0);
	ck_assert_uint_eq(round_of(got), 0);
}
END_TEST

START_TEST(test_a_flood_takes_one_turn)
{
	size_t got[ITEMS];

	push(0, 50, 200); /* fifty times what the others send */
	push(1, 50, 2);
	push(2, 50, 2);
	ck_assert_uint_eq(round_of(got), 6);
	ck_assert_uint_eq(got[0], 0);
	ck_assert_uint_eq(got[2], 200);
	ck_assert_uint_eq(got[4], 202);
	ck_assert_uint_eq(q.flows, 1);
	push(1, 50, 1); /* who comes later comes with the next round, not behind the flood */
	ck_assert_uint_eq(round_of(got), 3);
	ck_assert_uint_eq(got[2], 204);
}
END_TEST

START_TEST(test_who_comes_within_a_round_has_a_turn_in_it)
{
	struct fair_item *item;

	push(0, 100, 3);
	fairqueue_next_round(&q);
	ck_assert_ptr_eq(fairqueue_pop(&q), &items[0]);
	push(1, 100, 2);
	item = fairqueue_pop(&q);
	ck_assert_ptr_eq(item, &items[3]);
	ck_assert_ptr_null(fairqueue_pop(&q));
}
END_TEST

START_TEST(test_shares_are_equal_by_cost)
{
	size_t got[ITEMS], spent[2] = {0, 0};

	push(0, 10, 150);
	push(1, 70, 150);
	for (int i = 0; i < 14; i++) {
		size_t n = round_of(got);

		for (size_t k = 0; k < n; k++)
			spent[got[k] >= 150] += items[got[k]].cost;
	}
	ck_assert_uint_eq(spent[0], 14 * QUANTUM);
	ck_assert_uint_eq(spent[1], 14 * QUANTUM);
}
END_TEST

START_TEST(test_a_large_item_waits_until_it_is_paid_for)
{
	size_t got[ITEMS];

	push(0, 250, 1);
	push(1, 100, 3);
	ck_assert_uint_eq(round_of(got), 1);
	ck_assert_uint_eq(got[0], 1);
	ck_assert_uint_eq(round_of(got), 1);
	ck_assert_uint_eq(round_of(got), 2);
	ck_assert_uint_eq(got[0], 3);
	ck_assert_uint_eq(got[1], 0);
}
END_TEST

START_TEST(test_nothing_is_saved_up_while_idle)
{
	size_t got[ITEMS];

	push(0, 10, 1);
	ck_assert_uint_eq(round_of(got), 1);
	for (int i = 0; i < 5; i++)
		fairqueue_next_round(&q);
	push(0, 50, 6);
	ck_assert_uint_eq(round_of(got), 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fairqueue");
	TCase *t = tcase_create("fairqueue");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_one_flow_is_a_queue);
	tcase_add_test(t, test_a_flood_takes_one_turn);
	tcase_add_test(t, test_who_comes_within_a_round_has_a_turn_in_it);
	tcase_add_test(t, test_shares_are_equal_by_cost);
	tcase_add_test(t, test_a_large_item_waits_until_it_is_paid_for);
	tcase_add_test(t, test_nothing_is_saved_up_while_idle);
	suite_add_tcase(s, t);
	return unit_main(s);
}
