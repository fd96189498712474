/* The state of one etld process and the parts it is wired from; private to etld/. */
#ifndef ETLD_ETLD_H
#define ETLD_ETLD_H

#include "common/auth/sign.h"
#include "common/daemon/daemon.h"
#include "common/http/httpd.h"
#include "common/pg/pgpool.h"
#include "common/pg/schema.h"
#include "etld/config.h"
#include "etld/janitor.h"
#include "etld/job/control.h"
#include "etld/job/jobs.h"
#include "etld/job/signals.h"
#include "etld/life/retention.h"
#include "etld/outbox/relay.h"
#include "etld/stream/publish.h"
#include "etld/stream/scheduler.h"

struct etld {
	struct daemon *daemon;
	struct pgpool *control, *warehouse; /* may be the same database, never the same pool */
	struct redisq *redis;
	struct signer *signer; /* of purge records; NULL: no key */
	struct zsock *hints, *bus;
	struct publisher publisher;
	struct httpd *http;
	struct schema_check *control_schema, *warehouse_schema;
	bool control_ok, warehouse_ok, ready;
	struct scheduler *scheduler;
	struct jobs *jobs, *backfills;
	struct control *events; /* landed events that become jobs */
	struct topic *topic;    /* NULL: not configured */
	struct relay *relay;    /* NULL: nothing to publish to */
	struct janitor *janitor;
	struct signals *signals;
	struct retention *retention;
	bool once;                        /* a one-shot */
	struct scheduler_options options; /* what `etld run` asks for beside the settings */
	/* Not NULL: called when both schemas are right, instead of etld_start_work. */
	void (*on_ready)(struct etld *st);
	enum daemon_exit done_code; /* of a run that went well */
	void (*on_drained)(void *arg);
	void *drained_arg;
};

/* Opens pools, Redis and bus; the parts that work start when both schemas are right (on_ready). */
int etld_open(struct daemon *d, struct etld *st, struct err *e) MUST_CHECK;
void etld_close(struct daemon *d, void *state);
/* Units of work; a daemon's jobs and chores; of a one-shot with `backfills` those jobs alone. */
void etld_start_work(struct etld *st, bool backfills);
/* Starts nothing more; on_done once when neither a unit nor a job is under way. */
void etld_drain(struct etld *st, void (*on_done)(void *arg), void *arg);

/* `etld run`; see run.c. */
int etld_run_start(struct daemon *d, void *state, int argc, char **argv, struct err *e) MUST_CHECK;
void etld_run_stop(void); /* part of etld_close */
/* A connection to "warehouse" or "control" for a command that asks one thing. */
struct pgpool *etld_open_one_shot(struct daemon *d, const char *database,
				  const char *application) MUST_CHECK;
/* Parts of etld_open that a command needs by themselves. */
int etld_open_redis(struct etld *st, struct err *e) MUST_CHECK;
int etld_open_signer(struct etld *st, struct err *e) MUST_CHECK;

/* `etld purge`; see life_command.c. */
int etld_purge_start(struct daemon *d, void *state, int argc, char **argv,
		     struct err *e) MUST_CHECK;
void etld_purge_stop(void); /* part of etld_close */
/* `etld outbox list|retry` */
int etld_outbox_start(struct daemon *d, void *state, int argc, char **argv,
		      struct err *e) MUST_CHECK;
/* `etld backfill`; see backfill.c. */
int etld_backfill_start(struct daemon *d, void *state, int argc, char **argv,
			struct err *e) MUST_CHECK;
void etld_backfill_stop(void); /* part of etld_close */
/* `etld backfill --archive`, its words after that; see archive.c. */
int etld_archive_start(struct daemon *d, struct etld *st, int argc, char **argv,
		       struct err *e) MUST_CHECK;
void etld_archive_stop(void); /* part of etld_close */
/* `etld status [--json]` */
int etld_status_start(struct daemon *d, void *state, int argc, char **argv,
		      struct err *e) MUST_CHECK;

#endif
