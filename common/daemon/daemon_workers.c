/*
 * A daemon that is several processes; see daemon.h and prefork.h. They share their addresses, and
 * each is ready when all of them are.
 */
#include "common/daemon/daemon_priv.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/notify.h"

#define OTHERS        "workers" /* the condition that all of them are ready */
#define OTHERS_REASON "not all workers are ready"

/* ---- in a worker */

/* The supervisor was killed. */
static void on_orphaned(void *arg)
{
	struct daemon *d = arg;

	OBJ_CHECK(d, DAEMON_MAGIC);
	if (!d->draining)
		daemon_begin_drain(d);
}

static void on_serving(void *arg, int serving)
{
	struct daemon *d = arg;

	OBJ_CHECK(d, DAEMON_MAGIC);
	daemon_condition(d, OTHERS, serving == daemon_workers(d), OTHERS_REASON);
}

/* Whether all holds but what the other workers say. */
static bool own_conditions_hold(const struct daemon *d)
{
	for (size_t i = 0; i < d->nconditions; i++)
		if (!d->conditions[i].ok && strcmp(d->conditions[i].name, OTHERS) != 0)
			return false;
	return true;
}

void daemon_tell_workers(struct daemon *d)
{
	int state = own_conditions_hold(d) ? 2 : 1;

	if (d->worker == NULL || !d->ready || state == d->told)
		return;
	d->told = state;
	worker_tell(d->worker, true, state == 2);
}

void daemon_join_workers(struct daemon *d)
{
	d->worker = worker_new(d->base, &(struct worker_options){.fd = d->self.channel,
								 .on_serving = on_serving,
								 .on_orphaned = on_orphaned,
								 .arg = d});
	daemon_condition(d, OTHERS, false, OTHERS_REASON);
	/* what came in the meantime comes now */
	(void)sigprocmask(SIG_SETMASK, &d->self.mask, NULL);
}

/* ---- in the supervisor */

int daemon_workers(const struct daemon *d)
{
	const int64_t *set = d->spec->preforks ? daemon_setting(d, "workers") : NULL;

	return set != NULL && *set > 1 && d->options.command == NULL ? (int)*set : 1;
}

int64_t daemon_part(const struct daemon *d, int64_t whole, int64_t least)
{
	int64_t part = whole / daemon_workers(d);

	return part > least ? part : least;
}

static void reload_for_workers(void *arg)
{
	struct daemon *d = arg;

	OBJ_CHECK(d, DAEMON_MAGIC);
	daemon_reload(d);
}

static void on_all_serving(void *arg)
{
	struct daemon *d = arg;

	OBJ_CHECK(d, DAEMON_MAGIC);
	log_info("all workers serve", LOG_I("workers", daemon_workers(d)),
		 LOG_S("listen", daemon_setting_text(d, "listen")));
	if (notify_send("READY=1\nSTATUS=%s, %d workers", daemon_setting_text(d, "listen"),
			daemon_workers(d)) < 0)
		log_warn("the supervisor was not told that the daemon is ready");
}

/* The workers share an address; when its port is 0, it is chosen here, for all. */
static int reserve(struct daemon *d, const char *key, int *ret_fd, struct err *e)
{
	char **text = (char **)(uintptr_t)daemon_setting(d, key), bound[64];
	int r;

	if (text == NULL || (*text)[0] == '\0')
		return 0;
	r = address_reserve(*text, bound, ret_fd, e);
	if (r < 0)
		return err_wrap(e, r, "%s", key);
	free(*text);
	*text = xstrdup(bound);
	return 0;
}

enum daemon_exit daemon_supervise(struct daemon *d)
{
	const int64_t *drain_ms = daemon_setting(d, "drain_timeout");
	int fds[2] = {-1, -1};
	struct err e = ERR_INIT;
	enum daemon_exit code;

	daemon_set_limits();
	if (reserve(d, "listen", &fds[0], &e) < 0 || reserve(d, "admin_listen", &fds[1], &e) < 0) {
		log_error("cannot start", LOG_S("error", e.msg));
		code = DAEMON_UNAVAILABLE;
	} else {
		d->self = prefork_run(&(struct prefork_options){
			.count = daemon_workers(d),
			.drain_ms = drain_ms != NULL ? *drain_ms : DRAIN_DEFAULT_MS,
			.reload = reload_for_workers,
			.on_all_serving = on_all_serving,
			.arg = d});
		code = (enum daemon_exit)d->self.code;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return d->self.index > 0 ? daemon_run(d) : code;
}
