/*
 * queryd: answers over HTTP, from curated facts, as the tenant that asks.
 *
 * Verifies tokens, compiles metric requests to frozen statements, runs them logged in as the
 * tenant's own database role and keeps results in Redis under the data's version. It changes
 * nothing in the warehouse; in the control database only what users make.
 *
 * This file is wiring only; queryd.c says what there is.
 */
#include "common/http/httpd.h"
#include "queryd/access.h"
#include "queryd/bindings.h"
#include "queryd/commands.h"
#include "queryd/compute/request.h"
#include "queryd/queryd.h"
#include "queryd/routes.h"

static int start(struct daemon *d, void *state, struct err *e)
{
	const struct queryd_config *conf = daemon_conf(d);
	struct queryd *st = state;
	char bound[64];
	int r;

	r = queryd_open(d, st, e);
	if (r < 0)
		return r;
	(void)snprintf(st->rate, sizeof(st->rate), "%lld",
		       (long long)daemon_part(d, conf->tenant_rate, 1));
	st->http = httpd_new(
		daemon_base(d),
		&(struct httpd_limits){.headers_max = 32768,
				       .body_max = REQUEST_BODY_MAX,
				       .idle_timeout_ms = 60000,
				       .deadline_ms = conf->query_timeout + 5000,
				       .connections_max = (int)daemon_part(d, conf->connections, 1),
				       .shared = daemon_workers(d) > 1,
				       .usual_name = ACCESS_REMAINING,
				       .usual_value = st->rate});
	daemon_add_admin_routes(d, st->http);
	routes_add(st);
	r = httpd_listen(st->http, conf->listen, bound, e);
	if (r == 0)
		daemon_ready(d, bound);
	return r;
}

static void on_settled(void *arg)
{
	daemon_drained(arg);
}

static void on_idle(void *arg)
{
	struct queryd *st = arg;

	queryd_settle(st, on_settled, st->daemon);
}

static void drain(struct daemon *d, void *state)
{
	struct queryd *st = state;

	if (st->http != NULL)
		httpd_drain(st->http, on_idle, st);
	else /* a one-shot */
		daemon_drained(d);
}

static void stop(struct daemon *d, void *state)
{
	queryd_close(d, state);
	commands_close();
}

static const struct daemon_command commands[] = {
	{"metrics", "metrics publish FILE…: store the platform's definitions", commands_metrics},
	{"explain", "explain [METRIC]: parts, SQL and lineage of metrics", commands_explain},
	{"routes", "routes: print every endpoint with its permission and parameters", routes_print},
	{"looker", "looker on|off TENANT: the login of a tenant's reporting tool", bindings_looker},
	{"access", "access check|repair: roles that are not as they should be", bindings_access},
	{NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.name = "queryd",
		.summary = "answers metric queries over HTTP",
		.keys = queryd_keys,
		.nkeys = queryd_key_count,
		.conf_size = sizeof(struct queryd_config),
		.state_size = sizeof(struct queryd),
		.preforks = true,
		.commands = commands,
		.start = start,
		.drain = drain,
		.stop = stop,
	};

	return daemon_main(&spec, argc, argv);
}
