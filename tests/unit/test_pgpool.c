/* pgpool: limits, waiting, roles and eviction, and a server that comes and goes. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>

#include "common/pg/pgpool.h"
#include "tests/unit/pgops.h"

STMT(one, 0, "select 1::bigint as count");
STMT(who, 0, "select session_user::text");
STMT(add, 2, "select $1::bigint + coalesce($2::bigint, 0) as count");
STMT(snooze, 0, "select pg_sleep(50)");
STMT(begin_block, 0, "begin");
STMT(count_pool, 0, "select count(*) from pg_stat_activity where application_name = 'pool'");

static const char *const roles[] = {"r0", "r1", "r2", "r3", "r4", "r5"};
#define NROLES ARRAY_SIZE(roles)

static struct pgpool *pool;
static struct {
	int up, down;
	bool last;
	char reason[256];
} states;

static void on_state(void *arg, bool up, const char *reason)
{
	ck_assert(arg == &states);
	up ? states.up++ : states.down++;
	states.last = up;
	(void)snprintf(states.reason, sizeof(states.reason), "%s", reason);
	ck_assert(up == (reason[0] == '\0') && up == pgpool_up(pool));
}

static void password_of(void *arg, const char *role, char *out, size_t size)
{
	(void)arg;
	(void)snprintf(out, size, "secret of %s", role);
}

static int role_max; /* of the pools made next */

static struct pgpool *pool_new(int size, int min_idle, int waiting_max, int64_t wait_ms)
{
	struct pgpool_options o = {
		.name = "test",
		.url = pgfixture_url(),
		.application = "pool",
		.settings = "-c statement_timeout=60s",
		.size = size,
		.min_idle = min_idle,
		.role_max = role_max,
		.waiting_max = waiting_max,
		.wait_ms = wait_ms,
		.connect_timeout_ms = LONG_MS,
		.password = password_of,
		.on_state = on_state,
		.arg = &states,
	};

	return pgpool_new(base, &o);
}

/* What an acquire's callback was told. */
struct got {
	bool done;
	int order; /* of all callbacks */
	struct pgconn *c;
	struct err err;
	bool free_pool;
};

static int order;

static void on_got(void *arg, struct pgconn *c, const struct err *e)
{
	struct got *g = arg;

	ck_assert(!g->done && (c == NULL) == (e != NULL));
	g->done = true;
	g->order = ++order;
	g->c = c;
	if (e != NULL)
		g->err = *e;
	if (g->free_pool)
		pgpool_free(pool);
}

static struct pgpool_wait *acquire(struct got *g, const char *role)
{
	struct pgpool_wait *w;

	*g = (struct got){.order = 0};
	w = pgpool_acquire(pool, role, on_got, g);
	ck_assert(w != NULL && !g->done);
	return w;
}

static struct pgconn *acquire_ok(const char *role)
{
	struct got g;

	(void)acquire(&g, role);
	pgfixture_loop(base, &g.done);
	ck_assert_msg(g.err.code == 0, "%s", g.err.msg);
	return g.c;
}

static struct outcome pool_exec(const char *role, const struct sql_stmt *s,
				const char *const *params)
{
	struct outcome o = {.calls = 0};

	pgpool_exec(pool, role, s, params, LONG_MS, on_outcome, &o);
	ck_assert(!o.done);
	wait_outcome(&o);
	return o;
}

static void wait_state(bool up)
{
	while (pgpool_up(pool) != up)
		pgfixture_idle(base, 5);
}

static void setup(void)
{
	pgops_setup();
	pool = NULL;
	order = 0;
	memset(&states, 0, sizeof(states));
}

static void teardown(void)
{
	pgpool_free(pool);
	pgops_teardown();
}

/* --- one role */

START_TEST(test_exec)
{
	char number[] = "41";
	const char *params[] = {number, NULL};
	struct outcome o = {.calls = 0};

	pool = pool_new(2, 0, 4, LONG_MS);
	ck_assert(pgpool_up(pool));
	pgpool_exec(pool, NULL, &add, params, LONG_MS, on_outcome, &o);
	number[0] = 'x'; /* parameters are copied */
	wait_outcome(&o);
	ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
	ck_assert_int_eq(o.first, 41);
	params[0] = "x";
	o = pool_exec(NULL, &add, params);
	expect_error(&o, -EIO, "22P02", "add: invalid input");
	o = pool_exec(NULL, &one, NULL);
	ck_assert_int_eq(o.err.code, 0);
	ck_assert_int_eq(states.up, 1);
}
END_TEST

START_TEST(test_limits)
{
	struct got g[6];
	struct pgpool_wait *w[6];

	pool = pool_new(2, 0, 2, LONG_MS);
	for (int i = 0; i < 6; i++)
		w[i] = acquire(&g[i], NULL);
	ck_assert_uint_eq(pgpool_waiting(pool), 4);
	for (int i = 0; i < 6; i++) {
		if (i < 2 || i > 3)
			pgfixture_loop(base, &g[i].done);
	}
	ck_assert(g[0].c != NULL && g[1].c != NULL && g[0].c != g[1].c);
	ck_assert_int_eq(g[4].err.code, -EAGAIN);
	ck_assert_int_eq(g[5].err.code, -EAGAIN);
	ck_assert(!g[2].done && !g[3].done);
	ck_assert_uint_eq(pgpool_waiting(pool), 2);

	pgpool_cancel(pool, w[2]);
	pgpool_release(pool, g[1].c);
	ck_assert(!g[3].done);
	pgfixture_loop(base, &g[3].done);
	ck_assert(g[3].c == g[1].c);
	ck_assert(!g[2].done);
	ck_assert_uint_eq(pgpool_waiting(pool), 0);
}
END_TEST

START_TEST(test_first_come_first_served)
{
	struct got g[5];

	pool = pool_new(1, 1, 8, LONG_MS);
	for (int i = 0; i < 5; i++)
		(void)acquire(&g[i], NULL);
	for (int i = 0; i < 5; i++) {
		pgfixture_loop(base, &g[i].done);
		ck_assert_int_eq(g[i].order, i + 1);
		pgpool_release(pool, g[i].c);
	}
	ck_assert_int_eq(exec(&count_pool, NULL).first, 1);
}
END_TEST

START_TEST(test_wait_times_out)
{
	struct got g;
	struct pgconn *c;

	pool = pool_new(1, 0, 8, 50);
	c = acquire_ok(NULL);
	(void)acquire(&g, NULL);
	pgfixture_loop(base, &g.done);
	ck_assert_int_eq(g.err.code, -ETIMEDOUT);
	pgpool_release(pool, c);
	ck_assert(acquire_ok(NULL) == c);
}
END_TEST

/* Connections that are not as they were lent do not go back. */
START_TEST(test_release_closes)
{
	struct outcome o = {.calls = 0};
	struct pgconn *c;
	int pid;

	pool = pool_new(1, 0, 8, LONG_MS);
	c = acquire_ok(NULL);
	pid = pgconn_backend_pid(c);
	pgpool_release(pool, c);
	c = acquire_ok(NULL);
	ck_assert_int_eq(pgconn_backend_pid(c), pid);

	o = exec_on(c, &begin_block, NULL);
	ck_assert_int_eq(o.err.code, 0);
	pgpool_release(pool, c);
	c = acquire_ok(NULL);
	ck_assert_int_ne(pgconn_backend_pid(c), pid);
	pid = pgconn_backend_pid(c);

	o = (struct outcome){.calls = 0};
	pgconn_exec(c, &snooze, NULL, LONG_MS, on_outcome, &o);
	pgpool_release(pool, c);
	ck_assert_int_eq(o.calls, 1);
	ck_assert_int_eq(o.err.code, -ECANCELED);
	pgpool_release(pool, c); /* as the op's callback might */
	pgfixture_sql("select pg_terminate_backend(%d)", pid);
	c = acquire_ok(NULL);
	ck_assert_int_ne(pgconn_backend_pid(c), pid);

	pgfixture_sql("select pg_terminate_backend(%d)", pgconn_backend_pid(c));
	o = exec_on(c, &one, NULL);
	ck_assert_int_eq(o.err.code, -ECONNRESET);
	pgpool_release(pool, c);
	o = pool_exec(NULL, &one, NULL);
	ck_assert_int_eq(o.err.code, 0);
	ck_assert_int_eq(states.down, 0);
}
END_TEST

START_TEST(test_min_idle)
{
	pool = pool_new(4, 3, 0, LONG_MS);
	ck_assert(!pgpool_up(pool));
	wait_state(true);
	while (exec(&count_pool, NULL).first != 3)
		pgfixture_idle(base, 5);
	pgfixture_sql("select pg_terminate_backend(pid) from pg_stat_activity "
		      "where application_name = 'pool'");
	while (exec(&count_pool, NULL).first != 3)
		pgfixture_idle(base, 5);
	ck_assert_int_eq(states.down, 0);
}
END_TEST

/* --- many roles */

START_TEST(test_roles)
{
	struct outcome o;
	struct pgconn *first;

	pool = pool_new(3, 0, 8, LONG_MS);
	for (size_t i = 0; i < 3 * NROLES; i++) {
		o = pool_exec(roles[i % NROLES], &who, NULL);
		ck_assert_msg(o.err.code == 0, "%s", o.err.msg);
		ck_assert_str_eq(o.text, roles[i % NROLES]);
	}
	/* the least recently used went: r3, r4 and r5 are open, r3 goes next */
	first = acquire_ok("r4");
	pgpool_release(pool, first);
	ck_assert_str_eq(pool_exec("r0", &who, NULL).text, "r0");
	ck_assert(acquire_ok("r4") == first);
	while (exec(&count_pool, NULL).first != 3)
		pgfixture_idle(base, 5);
}
END_TEST

/* All at once: everybody is served, with no more connections than allowed. */
START_TEST(test_roles_crowd)
{
	struct outcome o[60];

	pool = pool_new(3, 0, (int)ARRAY_SIZE(o), LONG_MS);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		o[i] = (struct outcome){.calls = 0};
		pgpool_exec(pool, roles[i * 7 % NROLES], &who, NULL, LONG_MS, on_outcome, &o[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		wait_outcome(&o[i]);
		ck_assert_msg(o[i].err.code == 0, "%s", o[i].err.msg);
		ck_assert_str_eq(o[i].text, roles[i * 7 % NROLES]);
	}
}
END_TEST

/* A role that has all it may waits, those behind it do not. */
START_TEST(test_role_max)
{
	struct pgconn *first;
	struct got waiting;

	role_max = 2;
	pool = pool_new(4, 0, 8, LONG_MS);
	first = acquire_ok("r0");
	(void)acquire_ok("r0");
	(void)acquire(&waiting, "r0");
	(void)acquire_ok("r1");
	(void)acquire_ok("r2");
	ck_assert(!waiting.done);
	pgpool_release(pool, first);
	pgfixture_loop(base, &waiting.done);
	ck_assert(waiting.c == first);
	role_max = 0;
}
END_TEST

START_TEST(test_role_refused)
{
	struct outcome o, p;

	pool = pool_new(2, 0, 8, LONG_MS);
	o = pool_exec("stranger", &who, NULL);
	expect_error(&o, -EACCES, "28P01", "stranger");
	ck_assert(pgpool_up(pool));
	pgfixture_sql("alter role r5 nologin");
	o = p = (struct outcome){.calls = 0};
	pgpool_exec(pool, "r5", &who, NULL, LONG_MS, on_outcome, &o);
	pgpool_exec(pool, "r4", &who, NULL, LONG_MS, on_outcome, &p);
	wait_outcome(&o);
	wait_outcome(&p);
	expect_error(&o, -EACCES, "28000", "not permitted");
	ck_assert_int_eq(p.err.code, 0);
	ck_assert_int_eq(states.down, 0);
	pgfixture_sql("alter role r5 login");
}
END_TEST

/* --- a server that comes and goes */

START_TEST(test_server_restart)
{
	struct outcome o;
	struct got g;

	pool = pool_new(3, 2, 8, 300);
	wait_state(true);
	o = (struct outcome){.calls = 0};
	pgpool_exec(pool, NULL, &snooze, NULL, LONG_MS, on_outcome, &o);
	wait_sleepers(1);
	pgfixture_stop("immediate");
	wait_outcome(&o);
	ck_assert_int_eq(o.err.code, -ECONNRESET);
	wait_state(false); /* without anybody asking */
	ck_assert(states.reason[0] != '\0');
	(void)acquire(&g, NULL);
	pgfixture_loop(base, &g.done);
	ck_assert_int_eq(g.err.code, -ECONNREFUSED);
	(void)acquire(&g, NULL);
	pgfixture_start();
	wait_state(true);
	o = pool_exec(NULL, &one, NULL);
	ck_assert_int_eq(o.err.code, 0);
	ck_assert_int_eq(states.down, 1);
	ck_assert_int_eq(states.up, 2);
	pgconn_close(conn);
	conn = open_ok();
}
END_TEST

/* A pool of many roles finds out that the server is back although nobody waits any more. */
START_TEST(test_server_dead_at_start)
{
	struct outcome o;

	pgfixture_stop("fast");
	pool = pool_new(2, 0, 8, 100);
	o = pool_exec("r0", &who, NULL);
	expect_error(&o, -ECONNREFUSED, "", "test: ");
	ck_assert(!pgpool_up(pool));
	ck_assert_int_eq(states.down, 1);
	pgfixture_start();
	wait_state(true);
	ck_assert_int_eq(states.up, 1);
	pgconn_close(conn);
	conn = open_ok();
}
END_TEST

/* --- the end of the pool */

START_TEST(test_free)
{
	struct got g[3];
	struct outcome o = {.calls = 0}, p = o, q = o;

	pool = pool_new(2, 0, 8, LONG_MS);
	(void)acquire(&g[0], NULL);
	pgfixture_loop(base, &g[0].done);
	pgpool_exec(pool, NULL, &snooze, NULL, LONG_MS, on_outcome, &o);
	wait_sleepers(1);
	(void)acquire(&g[1], NULL);
	pgpool_exec(pool, NULL, &one, NULL, LONG_MS, on_outcome, &p);
	pgconn_exec(g[0].c, &snooze, NULL, LONG_MS, on_outcome, &q);
	pgconn_cancel(g[0].c);
	pgpool_free(pool);
	pool = NULL;
	ck_assert_int_eq(g[1].err.code, -ECANCELED);
	ck_assert_int_eq(o.err.code, -ECANCELED);
	ck_assert_int_eq(p.err.code, -ECANCELED);
	ck_assert_int_eq(q.err.code, -ECANCELED);
	pool = pool_new(2, 2, 8, LONG_MS); /* opening */
	pgfixture_idle(base, 1);
	end_sleepers();
}
END_TEST

START_TEST(test_free_in_callback)
{
	struct got g, h;

	pool = pool_new(1, 0, 8, LONG_MS);
	(void)acquire(&g, NULL);
	g.free_pool = true;
	(void)acquire(&h, NULL);
	pgfixture_loop(base, &g.done);
	ck_assert(h.done && h.err.code == -ECANCELED);
	pool = NULL;
}
END_TEST

static void make_roles(void)
{
	for (size_t i = 0; i < NROLES; i++)
		pgfixture_sql("create role %s login password 'secret of %s'", roles[i], roles[i]);
}

int main(void)
{
	Suite *s = suite_create("pgpool");
	TCase *tc = tcase_create("server");

	pgfixture_create();
	make_roles();
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_exec);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_first_come_first_served);
	tcase_add_test(tc, test_wait_times_out);
	tcase_add_test(tc, test_release_closes);
	tcase_add_test(tc, test_min_idle);
	tcase_add_test(tc, test_roles);
	tcase_add_test(tc, test_roles_crowd);
	tcase_add_test(tc, test_role_max);
	tcase_add_test(tc, test_role_refused);
	tcase_add_test(tc, test_server_restart);
	tcase_add_test(tc, test_server_dead_at_start);
	tcase_add_test(tc, test_free);
	tcase_add_test(tc, test_free_in_callback);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
