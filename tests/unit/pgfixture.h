/*
 * A private Postgres for a test program: a cluster in a directory of its own under /tmp, on a unix
 * socket only, durable in nothing. Started once in main(), before check forks; a test may stop and
 * start it again. When run as root the server runs as user postgres. Any failure ends the program.
 *
 * The superuser `postgres` is trusted; every other role needs its password (scram).
 */
#ifndef TESTS_PGFIXTURE_H
#define TESTS_PGFIXTURE_H

#include "common/base/base.h"

struct event_base;

void pgfixture_create(void);           /* initdb and start; removed again at exit of this process */
void pgfixture_start(void);            /* returns when it answers */
void pgfixture_stop(const char *mode); /* "fast", "immediate" (like a crash) */
const char *pgfixture_dir(void);       /* the socket directory */
const char *pgfixture_url(void);       /* as postgres */
const char *pgfixture_role_url(const char *role, const char *password);
/* Runs statements in psql as postgres and waits for their end. */
void pgfixture_sql(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Runs the loop until *done; fails the program when that takes over 30 s. */
void pgfixture_loop(struct event_base *base, const bool *done);
/* Runs the loop for that long, for things that must not happen. */
void pgfixture_idle(struct event_base *base, int64_t ms);

#endif
