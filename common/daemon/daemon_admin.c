/* How a daemon is: conditions, and the endpoints that tell of them; see daemon.h. */
#include "common/daemon/daemon_priv.h"

#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/daemon/log.h"
#include "common/daemon/metrics.h"
#include "common/daemon/metrics_sum.h"
#include "common/http/httpd.h"

static const struct condition *first_failing(const struct daemon *d)
{
	for (size_t i = 0; i < d->nconditions; i++)
		if (!d->conditions[i].ok)
			return &d->conditions[i];
	return NULL;
}

static void on_health(struct httpd_request *r, void *arg)
{
	(void)arg;
	httpd_reply(r, 200, "application/json", SLICE_LIT("{\"status\":\"ok\"}"));
}

static void on_ready(struct httpd_request *r, void *arg)
{
	const struct daemon *d = arg;
	bool ready = first_failing(d) == NULL;
	struct strbuf body = STRBUF_INIT;
	struct json_writer w;

	OBJ_CHECK(d, DAEMON_MAGIC);
	jw_init(&w, &body);
	jw_object(&w);
	jw_key(&w, "status");
	jw_str(&w, ready ? "ready" : "unavailable");
	if (!ready) {
		jw_key(&w, "reasons");
		jw_array(&w);
		for (size_t i = 0; i < d->nconditions; i++) {
			const struct condition *c = &d->conditions[i];

			if (c->ok)
				continue;
			jw_object(&w);
			jw_key(&w, "condition");
			jw_str(&w, c->name);
			jw_key(&w, "reason");
			jw_str(&w, c->reason);
			jw_end(&w);
		}
		jw_end(&w);
	}
	jw_end(&w);
	httpd_reply_json(r, ready ? 200 : 503, &body);
	strbuf_clear(&body);
}

static void reply_metrics(struct httpd_request *r, struct strbuf *body)
{
	httpd_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", strbuf_slice(body));
	strbuf_clear(body);
}

static void on_all_metrics(void *arg, const struct slice *texts, size_t n)
{
	struct strbuf body = STRBUF_INIT;

	if (texts == NULL) {
		httpd_reply_problem(arg, PROBLEM_UNAVAILABLE, "Not all workers answered.");
		return;
	}
	metrics_sum(texts, n, &body);
	reply_metrics(arg, &body);
}

static void on_metrics(struct httpd_request *r, void *arg)
{
	const struct daemon *d = arg;
	struct strbuf body = STRBUF_INIT;

	OBJ_CHECK(d, DAEMON_MAGIC);
	if (d->worker != NULL) {
		worker_ask_metrics(d->worker, on_all_metrics, r);
		return;
	}
	metrics_write(&body);
	reply_metrics(r, &body);
}

static const struct httpd_route admin_routes[] = {
	{.method = "GET", .path = "/health", .handler = on_health},
	{.method = "GET", .path = "/ready", .handler = on_ready},
	{.method = "GET", .path = "/metrics", .handler = on_metrics}, /* the last one */
};

void daemon_add_admin_routes(struct daemon *d, struct httpd *h)
{
	bool elsewhere = daemon_setting_text(d, "admin_listen")[0] != '\0';

	httpd_add_routes(h, admin_routes, ARRAY_SIZE(admin_routes) - (elsewhere ? 1 : 0), d);
}

int daemon_start_admin(struct daemon *d, struct err *e)
{
	const struct httpd_limits limits = {
		.headers_max = 16384,
		.idle_timeout_ms = 30000,
		.deadline_ms = 10000,
		.connections_max = 64,
		.shared = d->self.index > 0,
	};
	const char *addr = daemon_setting_text(d, "admin_listen");
	int r;

	if (addr[0] == '\0')
		return 0;
	d->admin = httpd_new(d->base, &limits);
	httpd_add_routes(d->admin, admin_routes, ARRAY_SIZE(admin_routes), d);
	r = httpd_listen(d->admin, addr, d->admin_bound, e);
	return r < 0 ? err_wrap(e, r, "admin_listen") : 0;
}

void daemon_condition(struct daemon *d, const char *name, bool ok, const char *reason)
{
	struct condition *c = NULL;

	OBJ_CHECK(d, DAEMON_MAGIC);
	for (size_t i = 0; i < d->nconditions && c == NULL; i++)
		if (strcmp(d->conditions[i].name, name) == 0)
			c = &d->conditions[i];
	if (c == NULL) {
		d->conditions = xreallocarray(d->conditions, d->nconditions + 1, sizeof(*c));
		c = &d->conditions[d->nconditions++];
		*c = (struct condition){.name = xstrdup(name), .ok = true};
	}
	if (c->ok != ok && d->ready && !d->draining) {
		if (ok)
			log_info("condition holds again", LOG_S("condition", name));
		else
			log_warn("not ready", LOG_S("condition", name), LOG_S("reason", reason));
	}
	c->ok = ok;
	c->reason = reason;
	daemon_tell_workers(d);
}
