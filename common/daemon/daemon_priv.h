/*
 * L2: what the files behind daemon.h share, and nobody else includes: daemon.c (the life),
 * daemon_admin.c (how it is: /health, /ready, /metrics) and daemon_workers.c (several processes).
 */
#ifndef COMMON_DAEMON_PRIV_H
#define COMMON_DAEMON_PRIV_H

#include "common/daemon/daemon_options.h"
#include "common/daemon/prefork.h"
#include "common/daemon/worker.h"

#define DAEMON_MAGIC     OBJ_MAGIC(0xda)
#define DRAIN_DEFAULT_MS 20000

struct event;

struct condition {
	char *name;
	const char *reason;
	bool ok;
};

struct daemon {
	unsigned magic;
	const struct daemon_spec *spec;
	struct daemon_options options;
	void *conf, *state;
	struct event_base *base;
	struct event *signals[3], *drain_limit, *watchdog;
	struct httpd *admin; /* of admin_listen, or NULL */
	char admin_bound[64];
	char instance[128];
	struct condition *conditions;
	size_t nconditions;
	bool ready, draining, quitting;
	enum daemon_exit code;
	struct prefork_self self; /* index 0: there is this process alone */
	struct worker *worker;    /* the channel of one of several; else NULL */
	int told; /* what the other workers know: 0 nothing, 1 it listens, 2 it is ready */
};

/* ---- daemon.c */

/* A setting that the skeleton itself uses; NULL: the table lacks it (tests). */
const void *daemon_setting(const struct daemon *d, const char *name);
const char *daemon_setting_text(const struct daemon *d, const char *name); /* "" then */
void daemon_set_limits(void);
void daemon_reload(struct daemon *d);
void daemon_begin_drain(struct daemon *d);
enum daemon_exit daemon_run(struct daemon *d);

/* ---- daemon_admin.c */

int daemon_start_admin(struct daemon *d, struct err *e) MUST_CHECK;

/* ---- daemon_workers.c */

/* Forks, and is daemon_run() in each of the workers. */
enum daemon_exit daemon_supervise(struct daemon *d);
/* In a worker, once signals are handled. */
void daemon_join_workers(struct daemon *d);
/* A condition has changed, or the daemon listens now. */
void daemon_tell_workers(struct daemon *d);

#endif
