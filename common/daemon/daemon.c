/*
 * The life of a daemon; see daemon.h. Signals are events of the loop, so everything here is
 * ordinary code. Nothing but daemon_main returns the exit code and nothing calls exit(): the way
 * out always passes stop(), so that what leaks is seen by the tools that look for it.
 */
#include "common/daemon/daemon_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "common/daemon/notify.h"
#include "common/http/httpd.h"

#define DESCRIPTORS_MAX 131072

/* ---- settings that the skeleton itself uses; a table may lack them (tests) */

const void *daemon_setting(const struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->spec->nkeys; i++)
		if (strcmp(d->spec->keys[i].name, name) == 0)
			return (const char *)d->conf + d->spec->keys[i].offset;
	return NULL;
}

const char *daemon_setting_text(const struct daemon *d, const char *name)
{
	const void *p = daemon_setting(d, name);

	return p != NULL ? *(char *const *)p : "";
}

static void apply_log_settings(const struct daemon *d)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	static const char *const formats[] = {"auto", "json", "text"};
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_AUTO;

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(daemon_setting_text(d, "log_level"), levels[i]) == 0)
			level = (enum log_level)i;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (strcmp(daemon_setting_text(d, "log_format"), formats[i]) == 0)
			format = (enum log_format)i;
	log_setup(d->spec->name, level, format);
	log_set_trace_project(daemon_setting_text(d, "trace_project"));
}

static void *load_settings(const struct daemon *d, struct err *e)
{
	const struct daemon_spec *s = d->spec;
	void *conf = xcalloc(1, s->conf_size);

	if (conf_load(s->keys, s->nkeys, d->options.file, d->options.overrides,
		      d->options.noverrides, conf, e) < 0) {
		free(conf);
		return NULL;
	}
	return conf;
}

static void free_settings(const struct daemon *d, void *conf)
{
	if (conf != NULL)
		conf_clear(d->spec->keys, d->spec->nkeys, conf);
	free(conf);
}

static void set_instance(struct daemon *d)
{
	const char *name = daemon_setting_text(d, "instance");
	char host[65] = "";

	if (name[0] != '\0') {
		(void)snprintf(d->instance, sizeof(d->instance), "%s", name);
		if (d->self.index > 0) { /* leases are by name */
			size_t n = strlen(d->instance);

			(void)snprintf(d->instance + n, sizeof(d->instance) - n, ".%d",
				       d->self.index);
		}
		return;
	}
	if (gethostname(host, sizeof(host) - 1) < 0 || host[0] == '\0')
		(void)snprintf(host, sizeof(host), "localhost");
	(void)snprintf(d->instance, sizeof(d->instance), "%s.%d", host, (int)getpid());
}

/* ---- reload */

static void warn_fixed(const struct conf_key *key, void *arg)
{
	(void)arg;
	log_warn("setting changes only by a restart", LOG_S("key", key->name));
}

static size_t member_size(enum conf_type t)
{
	switch (t) {
	case CONF_INT:
	case CONF_DURATION:
	case CONF_SIZE:
		return sizeof(int64_t);
	case CONF_BOOL:
		return sizeof(bool);
	case CONF_STRING:
	case CONF_ADDR:
	case CONF_CHOICE:
	case CONF_SECRET_FILE:
		break;
	}
	return sizeof(char *);
}

/* What a reload cannot change stays as it is, down to the addresses of the strings: modules keep
 * them. So those members change places between the two structs. */
static void swap_fixed(const struct daemon_spec *s, char *old_conf, char *new_conf)
{
	for (size_t i = 0; i < s->nkeys; i++) {
		const struct conf_key *k = &s->keys[i];
		size_t n = member_size(k->type);
		char saved[sizeof(int64_t) > sizeof(char *) ? sizeof(int64_t) : sizeof(char *)];

		if ((k->flags & CONF_NO_RELOAD) == 0)
			continue;
		memcpy(saved, old_conf + k->offset, n);
		memcpy(old_conf + k->offset, new_conf + k->offset, n);
		memcpy(new_conf + k->offset, saved, n);
	}
}

void daemon_reload(struct daemon *d)
{
	struct err e = ERR_INIT;
	void *old = d->conf, *new = load_settings(d, &e);

	if (new == NULL) {
		log_error("settings not reloaded, the old ones stay", LOG_S("error", e.msg));
		return;
	}
	conf_diff(d->spec->keys, d->spec->nkeys, old, new, warn_fixed, NULL);
	swap_fixed(d->spec, old, new);
	d->conf = new;
	apply_log_settings(d);
	if (d->spec->reload != NULL && d->state != NULL)
		d->spec->reload(d, d->state, new);
	free_settings(d, old);
	log_info("settings reloaded");
}

/* ---- signals, and the way out */

void daemon_quit(struct daemon *d, enum daemon_exit code)
{
	OBJ_CHECK(d, DAEMON_MAGIC);
	if (d->quitting)
		return;
	d->quitting = true;
	d->code = code;
	(void)event_base_loopexit(d->base, NULL);
}

void daemon_drained(struct daemon *d)
{
	log_info("drained");
	daemon_quit(d, d->options.command != NULL ? DAEMON_TEMPORARY : DAEMON_OK);
}

static void on_drain_limit(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	OBJ_CHECK(d, DAEMON_MAGIC);
	(void)fd;
	(void)what;
	log_warn("draining took too long, leaving work behind");
	daemon_quit(d, DAEMON_TEMPORARY);
}

void daemon_begin_drain(struct daemon *d)
{
	const int64_t *set = daemon_setting(d, "drain_timeout");
	int64_t ms = set != NULL ? *set : DRAIN_DEFAULT_MS;
	const struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	d->draining = true;
	log_info("draining", LOG_I("timeout_ms", ms));
	daemon_condition(d, "draining", false, "the daemon is stopping");
	(void)event_add(d->drain_limit, &tv);
	if (d->spec->drain != NULL)
		d->spec->drain(d, d->state);
	else
		daemon_drained(d);
	(void)notify_send("STOPPING=1"); /* by now nothing new is accepted */
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct daemon *d = arg;

	OBJ_CHECK(d, DAEMON_MAGIC);
	(void)what;
	if (number == SIGHUP) {
		(void)notify_reloading();
		daemon_reload(d);
		if (d->ready)
			(void)notify_send("READY=1");
	} else if (!d->draining) {
		daemon_begin_drain(d);
	} else {
		log_warn("second signal, leaving at once");
		daemon_quit(d, DAEMON_TEMPORARY);
	}
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	(void)notify_send("WATCHDOG=1");
}

/* ---- what is around the loop */

static void on_event_log(int severity, const char *message)
{
	if (severity >= EVENT_LOG_WARN)
		log_warn("libevent", LOG_S("text", message));
	else
		log_debug("libevent", LOG_S("text", message));
}

static void on_event_fatal(int error)
{
	log_error("libevent cannot go on", LOG_I("error", error));
	abort();
}

void daemon_set_limits(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct rlimit files;

	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)umask(S_IRWXO);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < DESCRIPTORS_MAX) {
		files.rlim_cur = files.rlim_max < DESCRIPTORS_MAX ? files.rlim_max
								  : DESCRIPTORS_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &files); /* what is given will do */
	}
}

static void make_base(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	struct event_config *config = event_config_new();
	int64_t watchdog_ms = notify_watchdog_ms() / 2;
	const struct timeval period = {watchdog_ms / 1000, watchdog_ms % 1000 * 1000};

	event_set_log_callback(on_event_log);
	event_set_fatal_callback(on_event_fatal);
	/* the environment could switch on epoll's changelist, which is unsafe with foreign fds */
	(void)event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
	d->base = event_base_new_with_config(config);
	event_config_free(config);
	ASSERT(d->base != NULL);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
		ASSERT(d->signals[i] != NULL);
		(void)event_add(d->signals[i], NULL);
	}
	if (d->self.index > 0)
		daemon_join_workers(d);
	d->drain_limit = evtimer_new(d->base, on_drain_limit, d);
	d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
	ASSERT(d->drain_limit != NULL && d->watchdog != NULL);
	if (watchdog_ms > 0)
		(void)event_add(d->watchdog, &period);
}

static void free_base(struct daemon *d)
{
	worker_free(d->worker);
	for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++)
		event_free(d->signals[i]);
	event_free(d->drain_limit);
	event_free(d->watchdog);
	event_base_free(d->base);
	libevent_global_shutdown();
}

void daemon_ready(struct daemon *d, const char *status)
{
	bool admin = d->admin != NULL;

	OBJ_CHECK(d, DAEMON_MAGIC);
	d->ready = true;
	daemon_condition(d, "started", true, NULL);
	log_info("ready", LOG_S("listen", status), LOG_S("admin", d->admin_bound),
		 LOG_S("version", VERSION), LOG_S("instance", d->instance));
	if (notify_send("READY=1\nSTATUS=%s%s%s", status, admin ? " admin=" : "", d->admin_bound) <
	    0)
		log_warn("the supervisor was not told that the daemon is ready");
}

/* ---- main */

static enum daemon_exit exit_code(const struct daemon *d, int r)
{
	if (r == -EAGAIN)
		return DAEMON_TEMPORARY;
	if (r == -EINVAL)
		return d->options.command != NULL ? DAEMON_USAGE : DAEMON_CONFIG;
	return DAEMON_UNAVAILABLE;
}

static int start(struct daemon *d, struct err *e)
{
	const struct daemon_command *c = d->options.command;
	int r;

	if (c != NULL)
		return c->start(d, d->state, d->options.command_argc, d->options.command_argv, e);
	daemon_condition(d, "started", false, "the daemon is starting");
	r = daemon_start_admin(d, e);
	return r < 0 ? r : d->spec->start(d, d->state, e);
}

enum daemon_exit daemon_run(struct daemon *d)
{
	struct err e = ERR_INIT;
	int r;

	daemon_set_limits();
	make_base(d);
	set_instance(d);
	d->state = xcalloc(1, d->spec->state_size);
	r = start(d, &e);
	if (r < 0) {
		log_error("cannot start", LOG_S("error", e.msg));
		d->code = exit_code(d, r);
	} else if (event_base_dispatch(d->base) < 0) {
		log_error("the event loop failed");
		d->code = DAEMON_BUG;
	}
	if (!d->draining)
		(void)notify_send("STOPPING=1");
	if (d->spec->stop != NULL)
		d->spec->stop(d, d->state);
	httpd_free(d->admin);
	free_base(d);
	free(d->state);
	for (size_t i = 0; i < d->nconditions; i++)
		free(d->conditions[i].name);
	free(d->conditions);
	metrics_free_all();
	return d->code;
}

static void print_settings(const struct daemon *d)
{
	struct strbuf text = STRBUF_INIT;

	conf_print(d->spec->keys, d->spec->nkeys, d->conf, &text);
	(void)fputs(strbuf_cstr(&text), stdout);
	strbuf_clear(&text);
}

int daemon_main(const struct daemon_spec *spec, int argc, char **argv)
{
	struct daemon d = {.magic = DAEMON_MAGIC, .spec = spec};
	enum daemon_exit code = daemon_options_parse(spec, argc, argv, &d.options);
	struct err e = ERR_INIT;

	if (code != DAEMON_OK || d.options.mode == DAEMON_MODE_DONE)
		return (int)code;
	log_setup(spec->name, LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	d.conf = load_settings(&d, &e);
	if (d.conf == NULL) {
		log_error("the settings are not valid", LOG_S("error", e.msg));
		return DAEMON_CONFIG;
	}
	if (d.options.mode == DAEMON_MODE_RUN) {
		apply_log_settings(&d);
		code = daemon_workers(&d) > 1 ? daemon_supervise(&d) : daemon_run(&d);
	} else if (d.options.mode == DAEMON_MODE_PRINT_CONFIG) {
		print_settings(&d);
	}
	free_settings(&d, d.conf);
	return (int)code;
}

struct event_base *daemon_base(struct daemon *d)
{
	return d->base;
}

const void *daemon_conf(const struct daemon *d)
{
	return d->conf;
}

const char *daemon_instance(const struct daemon *d)
{
	return d->instance;
}

bool daemon_draining(const struct daemon *d)
{
	return d->draining;
}
