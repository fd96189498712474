/*
 * pgconn's ops for tests: start one, run the loop until its callback, see what it was told. Checks
 * on the way that a callback comes once, not from inside the call, and with either a result or an
 * error. One loop and one connection, made by pgops_setup on the server of pgfixture.h.
 */
#ifndef TESTS_PGOPS_H
#define TESTS_PGOPS_H

#include "common/pg/pgconn.h"
#include "tests/unit/pgfixture.h"

#define LONG_MS 20000

/* A statement of a test: STMT(name, number of parameters, "text"). */
#define STMT(id, n, ...) static const struct sql_stmt id = {#id, n, __VA_ARGS__}

struct outcome {
	bool done;
	int calls;
	struct err err; /* code 0: success */
	size_t count, rows;
	int64_t first;           /* a first column `count` of a single row; else 0 */
	char text[64];           /* the first value, cut; "" when there is none */
	struct pgconn *close_me; /* closed by the callback */
};

extern struct event_base *base;
extern struct pgconn *conn;

void pgops_setup(void);
void pgops_teardown(void);

void on_outcome(void *arg, const struct pgresult *r, const struct err *e); /* arg: struct outcome */
void wait_outcome(struct outcome *o);
struct pgconn *open_url(const char *url, int64_t timeout_ms, struct outcome *o);
struct pgconn *open_ok(void);
struct outcome exec_on(struct pgconn *c, const struct sql_stmt *s, const char *const *params);
/* On conn, with one parameter; more are NULL. */
struct outcome exec(const struct sql_stmt *s, const char *param);
void exec_ok(const struct sql_stmt *s, const char *param);
struct outcome batch(const struct pgstmt *stmts, size_t n);
struct outcome script(const char *text, const struct slice *copies, size_t n);
void script_ok(const char *text);
/* Until the server has exactly n statements in pg_sleep; asks over conn. */
void wait_sleepers(int n);
void end_sleepers(void); /* terminates their backends */
void expect_error(const struct outcome *o, int code, const char *sqlstate, const char *msg);

#endif
