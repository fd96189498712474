/*
 * L2: the life of a daemon, once for all four. A daemon is a table (struct daemon_spec) and main()
 * is `return daemon_main(&spec, argc, argv)`.
 *
 * A daemon that preforks, with `workers` above 1, is a supervisor and that many processes
 * (prefork.h), each with the life that follows.
 *
 * Order: arguments, settings, log, limits, event base, signals, start() (listen last), READY=1,
 * loop; first SIGTERM/SIGINT drains (drain(), at most drain_timeout), the second leaves at once;
 * SIGHUP re-reads the settings (a bad file is reported and ignored); stop() frees everything, also
 * after a failed start. Foreground only, no pid file: systemd, Cloud Run and tools/stack do that.
 *
 * Exit codes: 0 done, 64 usage, 65 bad input data, 69 something needed is unavailable, 70 bug,
 * 75 try again, 78 bad settings.
 *
 * usage: NAME [-c FILE] [-o KEY=VALUE]… [-t] [--print-config] [--help-config] [-V] [-h] [COMMAND …]
 * A COMMAND of the table is a one-shot: the same life, its start hook instead of the daemon's,
 * ended by daemon_quit(). One-shots do not listen. One that is stopped by a signal before it ended
 * itself drains like the daemon and exits 75; so does a daemon that had to leave work behind.
 */
#ifndef COMMON_DAEMON_H
#define COMMON_DAEMON_H

#include "common/daemon/conf.h"

struct daemon;
struct event_base;
struct httpd;

enum daemon_exit {
	DAEMON_OK = 0,
	DAEMON_USAGE = 64,
	DAEMON_DATA = 65,
	DAEMON_UNAVAILABLE = 69,
	DAEMON_BUG = 70,
	DAEMON_TEMPORARY = 75,
	DAEMON_CONFIG = 78,
};

struct daemon_command {
	const char *name;  /* "migrate"; "dead-letter" */
	const char *usage; /* arguments and one line of help */
	/* Starts the one-shot; argv holds the words after the command, borrowed for the whole run.
	 * 0, or a negative errno with e filled (exit 69; -EINVAL: 64; -EAGAIN: 75). */
	int (*start)(struct daemon *d, void *state, int argc, char **argv, struct err *e);
};

struct daemon_spec {
	const char *name, *summary;
	const struct conf_key *keys; /* common/config.def first, then the daemon's own */
	size_t nkeys, conf_size, state_size;
	bool preforks; /* its setting `workers` is a number of processes (prefork.h) */
	const struct daemon_command *commands; /* ended by name NULL; may be NULL */
	/* Starts everything, listens last, calls daemon_ready() then or later. 0, or a negative
	 * errno with e filled (exit 69; -EINVAL, a setting that cannot work: 78; -EAGAIN: 75). */
	int (*start)(struct daemon *d, void *state, struct err *e);
	/* daemon_conf() is the new struct already; its CONF_NO_RELOAD members are the old ones,
	 * strings included. May be NULL. */
	void (*reload)(struct daemon *d, void *state, const void *new_conf);
	/* Stops accepting; calls daemon_drained() when empty. NULL: nothing to wait for. */
	void (*drain)(struct daemon *d, void *state);
	/* Frees everything, also what a failed start left half made. May be NULL. */
	void (*stop)(struct daemon *d, void *state);
};

int daemon_main(const struct daemon_spec *spec, int argc, char **argv);

struct event_base *daemon_base(struct daemon *d);
const void *daemon_conf(
	const struct daemon *d); /* the daemon's config struct; replaced by a reload */
const char *daemon_instance(const struct daemon *d);
/* Everything listens: tells the supervisor READY=1 with STATUS `status` (host:port of the
 * listeners; " admin=host:port" is added for admin_listen). */
void daemon_ready(struct daemon *d, const char *status);
void daemon_drained(struct daemon *d);
/* Leaves the loop after this turn; the first call decides the code. */
void daemon_quit(struct daemon *d, enum daemon_exit code);
bool daemon_draining(const struct daemon *d);
/* How many processes serve beside each other (setting `workers`, prefork.h), this one among them;
 * 1: this one alone. */
int daemon_workers(const struct daemon *d);
/* What this process may take of what all of them together may, and `least`. */
int64_t daemon_part(const struct daemon *d, int64_t whole, int64_t least);

/*
 * Readiness: named conditions that /ready reports; all must hold. A name is registered by its first
 * use. `reason` says why not (borrowed until the next call for that name; a literal in practice).
 */
void daemon_condition(struct daemon *d, const char *name, bool ok, const char *reason);

/* Adds /health, /ready and /metrics to h (metrics only when no admin listener is configured; that
 * one, the daemon's own, has all three). */
void daemon_add_admin_routes(struct daemon *d, struct httpd *h);

/* Timers on the loop, owned by the caller. period_ms 0: once. Never called before returning. */
struct daemon_timer;
typedef void (*daemon_timer_fn)(void *arg);
struct daemon_timer *daemon_timer_new(struct daemon *d, int64_t delay_ms, int64_t period_ms,
				      daemon_timer_fn fn, void *arg) MUST_CHECK;
void daemon_timer_arm(struct daemon_timer *t, int64_t delay_ms); /* again, from now */
void daemon_timer_free(struct daemon_timer *t);

#endif
