/*
 * Versions of what a consumer builds (warehouse migration 0017): the step from a version that is
 * built beside the live one to the live one, back again, and its end. What is live is said by the
 * views of the warehouse; after each change the registry in the control database is brought to the
 * same, and a change that died in between is recorded by whoever comes next.
 *
 * A switch waits for no one longer than half a second, because all readers would wait behind it:
 * an error of which versions_busy() is true means "try again".
 */
#ifndef ETLD_VERSIONS_H
#define ETLD_VERSIONS_H

#include "common/pg/pgpool.h"
#include "etld/stream/consumers.h"
#include "etld/stream/publish.h"

struct versions_env {
	struct pgpool *control, *warehouse;
	struct publisher *publisher; /* is told which rows are others now */
};

enum versions_act {
	VERSIONS_SWITCH,    /* to what was built */
	VERSIONS_ROLL_BACK, /* to what was live before, and a second time forward again */
	VERSIONS_DROP,      /* the version beside the live one */
	VERSIONS_RECORD,    /* nothing but the registry */
};

/* e is NULL when all went well. */
typedef void (*versions_fn)(void *arg, const struct err *e);

/* fn once, never from inside; the environment stays until then. */
void versions_do(const struct versions_env *env, enum versions_act act, const struct consumer *c,
		 versions_fn fn, void *arg);
bool versions_busy(const struct err *e);

enum versions_step {
	VERSIONS_COMPARING, /* call again at once */
	VERSIONS_WAITING,   /* for readers: call again in a while */
	VERSIONS_SWITCHED,
	VERSIONS_HELD, /* built and compared; not switched, as was asked */
	VERSIONS_ERROR,
};

typedef void (*versions_step_fn)(void *arg, enum versions_step step, const struct err *e);

/* The next step from built (no keys of the job are left) to switched; each is short, so that the
 * lease of the job can be renewed between them. fn once, never from inside. */
void versions_advance(const struct versions_env *env, const struct consumer *c, const char *job_id,
		      bool hold, versions_step_fn fn, void *arg);

#endif
