/*
 * Refreshes on schedule; see scheduler_door.h.
 *
 *   token ─▶ body ─▶ (what is due) ─▶ jobs made, or found under the request's name ─▶ 202
 */
#include "queryd/sync/scheduler_door.h"

#include <errno.h>

#include "common/auth/oidc.h"
#include "common/base/hash.h"
#include "common/base/ulid.h"
#include "common/daemon/log.h"
#include "common/http/httpd.h"
#include "queryd/compute/compute.h"
#include "queryd/document/body.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define LIMIT_MS        5000
#define PROJECTIONS_MAX 100
#define ID_MAX          40

/* Lives in the request's arena. */
struct order {
	struct queryd *st;
	struct httpd_request *http;
	const char *tenant_id; /* NULL: all */
	const char *due[1];    /* of list_due */
	const char *wanted[6]; /* of schedule_refreshes */
	const char *found[3];  /* of find_scheduled */
	const char *tables[PROJECTIONS_MAX];
	size_t n; /* projections, one of each consumer */
};

static const struct body_member members[] = {
	{"projections", BODY_STRINGS, false, 0, PROJECTIONS_MAX, NULL},
	{"tenantId", BODY_TEXT, false, 1, ID_MAX, NULL},
	{"reason", BODY_TEXT, false, 1, 200, NULL},
};

int scheduler_door_open(struct queryd *st, struct oidc **ret, struct err *e)
{
	const struct queryd_config *conf = daemon_conf(st->daemon);

	*ret = NULL;
	if (conf->scheduler_audience[0] == '\0')
		return 0;
	return oidc_new(daemon_base(st->daemon),
			&(struct oidc_options){.source = conf->scheduler_jwks[0] != '\0'
								 ? conf->scheduler_jwks
								 : conf->token_jwks,
					       .issuer = conf->scheduler_issuer,
					       .audience = conf->scheduler_audience,
					       .accounts = conf->scheduler_emails,
					       .platform = strcmp(conf->oidc, "platform") == 0},
			ret, e);
}

/* false: answered. */
static bool let_in(struct queryd *st, struct httpd_request *http)
{
	struct err e = ERR_INIT;
	const char *account;
	int r = -EACCES;

	if (st->scheduler != NULL)
		r = oidc_authenticate(st->scheduler, httpd_header(http, "Authorization"),
				      httpd_header(http, "X-Serverless-Authorization"), &account,
				      &e);
	if (r == 0)
		return true;
	log_debug("scheduler refused", LOG_S("reason", e.msg),
		  LOG_S("correlation_id", httpd_correlation_id(http)),
		  LOG_TRACE(httpd_trace_id(http)));
	if (r == -EAGAIN)
		httpd_reply_problem(http, PROBLEM_UNAVAILABLE,
				    "The keys of tokens are not known yet.");
	else if (r == -EPERM)
		httpd_reply_problem(http, PROBLEM_PERMISSION_DENIED,
				    "The account is not one that may schedule.");
	else
		httpd_reply_problem(http, PROBLEM_AUTH_INVALID,
				    "An OIDC token of an allowed account is needed.");
	return false;
}

/* ---- what to run */

/* The consumer's jobs are one: its first projection stands for all of them. */
static void want(struct order *k, const struct projection *p)
{
	for (size_t i = 0; i < k->n; i++) {
		if (strcmp(registry_projection(k->st->registry, k->tables[i])->consumer,
			   p->consumer) == 0)
			return;
	}
	ASSERT(k->n < PROJECTIONS_MAX);
	k->tables[k->n++] = arena_strdup(httpd_arena(k->http), p->key);
}

/* false: answered 404. */
static bool want_named(struct order *k, const struct json *names)
{
	for (size_t i = 0; i < json_len(names); i++) {
		const char *name = json_string_or_null(json_at(names, i));
		const struct projection *p = registry_projection(k->st->registry, name);

		if (p == NULL) {
			httpd_reply_problem(k->http, PROBLEM_PROJECTION_NOT_FOUND,
					    arena_printf(httpd_arena(k->http),
							 "projections[%zu]: there is no projection "
							 "of that name.",
							 i));
			return false;
		}
		want(k, p);
	}
	return true;
}

/* What the request is called, NULL: it has no name. */
static const char *name_of(struct httpd_request *http)
{
	const char *job = httpd_header(http, "X-CloudScheduler-JobName");
	const char *due = httpd_header(http, "X-CloudScheduler-ScheduleTime");
	const char *key = httpd_header(http, "Idempotency-Key");

	if (job != NULL && due != NULL)
		return arena_printf(httpd_arena(http), "job|%s|%s", job, due);
	return key != NULL ? arena_printf(httpd_arena(http), "key|%s", key) : NULL;
}

static const char *hash_text(struct arena *a, struct slice text)
{
	unsigned char digest[HASH_SHA256_LEN];
	char *hex = arena_alloc(a, 2 * HASH_SHA256_LEN + 1);

	hash_sha256(text, digest);
	hash_hex(digest, sizeof(digest), hex);
	return hex;
}

/* ---- making the jobs */

static void on_made(void *arg, const struct pgresult *r, const struct err *e)
{
	struct order *k = arg;
	const size_t found = QUERY_RESULT + 1;
	struct strbuf out = STRBUF_INIT;
	struct json_writer w;

	if (e != NULL) {
		httpd_reply_problem(k->http, query_problem(e),
				    "The control database did not answer.");
		return;
	}
	if (k->found[1] != NULL && k->n > 0 && pgresult_rows(r, found) == 0) {
		httpd_reply_problem(k->http, PROBLEM_IDEMPOTENCY_KEY_REUSED,
				    "The same scheduled run, or Idempotency-Key, was sent with "
				    "another body before.");
		return;
	}
	jw_init(&w, &out);
	jw_object(&w);
	jw_key(&w, "jobIds");
	jw_array(&w);
	for (size_t i = 0; i < pgresult_rows(r, found); i++)
		jw_str(&w, pgresult_text(r, found, i, 0));
	jw_end(&w);
	jw_end(&w);
	httpd_reply_json(k->http, 202, &out);
	strbuf_clear(&out);
}

static void make_jobs(struct order *k)
{
	struct arena *a = httpd_arena(k->http);
	const struct query_target target = {.pool = k->st->control,
					    .tenant_id = k->tenant_id != NULL ? k->tenant_id : "",
					    .timeout_ms = LIMIT_MS};
	struct pgstmt *stmts = arena_alloc(a, 2 * sizeof(*stmts));
	struct strbuf ids = STRBUF_INIT, tables = STRBUF_INIT;
	char id[ID_MAX];

	for (size_t i = 0; i < k->n; i++) {
		ulid_prefixed("job", id, sizeof(id));
		strbuf_appendf(&ids, "%s%s", i > 0 ? "," : "", id);
		strbuf_appendf(&tables, "%s%s", i > 0 ? "," : "", k->tables[i]);
	}
	k->wanted[0] = arena_printf(a, "{%s}", strbuf_cstr(&ids));
	k->wanted[1] = arena_printf(a, "{%s}", strbuf_cstr(&tables));
	k->found[0] = k->wanted[0];
	k->found[1] = k->wanted[3];
	k->found[2] = k->wanted[4];
	strbuf_clear(&ids);
	strbuf_clear(&tables);
	stmts[0] = (struct pgstmt){&SQL_queryd_schedule_refreshes, k->wanted};
	stmts[1] = (struct pgstmt){&SQL_queryd_find_scheduled, k->found};
	(void)query_start(&target, stmts, 2, on_made, k);
}

static void on_due(void *arg, const struct pgresult *r, const struct err *e)
{
	struct order *k = arg;
	const struct registry *g = k->st->registry;

	if (e != NULL) {
		httpd_reply_problem(k->http, query_problem(e), "The warehouse did not answer.");
		return;
	}
	for (size_t row = 0; row < pgresult_rows(r, 0); row++) {
		for (size_t i = 0; i < registry_projection_count(g); i++) {
			const struct projection *p = registry_projection_at(g, i);

			if (strcmp(p->consumer, pgresult_text(r, 0, row, 0)) == 0)
				want(k, p);
		}
	}
	make_jobs(k);
}

void scheduler_door_serve(struct httpd_request *http, void *arg)
{
	struct queryd *st = arg;
	struct arena *a = httpd_arena(http);
	const struct call c = {.st = st, .http = http};
	struct order *k = arena_alloc(a, sizeof(*k));
	struct body b = {.root = NULL};
	const char *name = name_of(http), *reason;
	const struct json *projections;

	if (!st->ready) {
		httpd_reply_problem(http, PROBLEM_UNAVAILABLE, "The service is starting.");
		return;
	}
	if (!let_in(st, http))
		return;
	body_read(&c, members, ARRAY_SIZE(members), &b);
	if (body_refused(&c, &b, PROBLEM_VALIDATION_FAILED))
		return;
	*k = (struct order){.st = st, .http = http};
	k->tenant_id = json_string_or_null(json_get(b.root, "tenantId"));
	if (k->tenant_id != NULL && !caller_is_id(k->tenant_id, "tnt")) {
		httpd_reply_violations(
			http, &(struct problem_violation){"tenantId", "must be the id of a tenant"},
			1);
		return;
	}
	reason = json_string_or_null(json_get(b.root, "reason"));
	k->wanted[2] = k->tenant_id;
	k->wanted[3] = name != NULL ? hash_text(a, slice_of(name)) : NULL;
	k->wanted[4] = hash_text(a, httpd_body(http));
	k->wanted[5] = reason;
	projections = json_get(b.root, "projections");
	if (!want_named(k, projections))
		return;
	if (json_len(projections) > 0) {
		make_jobs(k);
		return;
	}
	k->due[0] = k->tenant_id;
	pgpool_exec(st->warehouse, NULL, &SQL_queryd_list_due, k->due, LIMIT_MS, on_due, k);
}
