/* Changes, each in one transaction; see change.h. */
#include "queryd/document/change.h"

#include "common/base/hash.h"
#include "common/base/ulid.h"
#include "common/net/dataversion.h"
#include "common/pg/outbox.h"
#include "queryd/document/courier.h"
#include "queryd/tenant/caller.h"
#include "sql_gen.h"

#define UUID_LEN  36
#define RETENTION "operational_7y"

/* Lives in the request's arena. Results are found by the index their statement got. */
struct running {
	struct call call;
	struct change how;
	struct pgstmt stmts[CALLER_STMTS_MAX];
	size_t n, claim, lock, effect, answer;
	const char *id[3];     /* operation, key, hash */
	const char *keep[5];   /* of keep_answer */
	const char *action[1]; /* of keep_*_revision */
	const char *event[3];  /* of queue_dashboard_event */
	const char *status[1];
	/* of the answer, which may have to wait until Redis knows */
	int code;
	const char *etag, *location;
	struct slice document;
};

/* ---- the key */

static bool is_key(const char *key)
{
	if (ulid_valid(slice_of(key)))
		return true;
	if (strlen(key) != UUID_LEN)
		return false;
	for (int i = 0; i < UUID_LEN; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? key[i] != '-' : strchr("0123456789abcdefABCDEF", key[i]) == NULL)
			return false;
	}
	return true;
}

bool change_key(const struct call *c, const char **ret)
{
	*ret = httpd_header(c->http, "Idempotency-Key");
	if (*ret != NULL && is_key(*ret))
		return true;
	httpd_reply_violations(
		c->http, &(struct problem_violation){"Idempotency-Key", "must be a UUID or ULID"},
		1);
	return false;
}

/* Of what was asked for, where: the operation's path is as its route spells it, so an alias is the
 * same request. */
static const char *hash_of(const struct call *c, const char *operation)
{
	struct arena *a = httpd_arena(c->http);
	struct hash_sha256 *h = hash_sha256_new();
	char *hex = arena_alloc(a, 2 * HASH_SHA256_LEN + 1);
	const char *of = httpd_param(c->http, "id"), *key = httpd_param(c->http, "key");
	unsigned char digest[HASH_SHA256_LEN];

	hash_sha256_update(h, slice_of(arena_printf(a, "%s|%s|%s|", operation, of != NULL ? of : "",
						    key != NULL ? key : "")));
	hash_sha256_update(h, httpd_body(c->http));
	hash_sha256_final(h, digest);
	hash_sha256_free(h);
	hash_hex(digest, sizeof(digest), hex);
	return hex;
}

const char *change_new_id(const struct call *c, const char *prefix)
{
	char id[40];

	ulid_prefixed(prefix, id, sizeof(id));
	return arena_strdup(httpd_arena(c->http), id);
}

const char *const *change_params(const struct call *c, const char *first, const char *second,
				 const char *third)
{
	const char **params = arena_alloc(httpd_arena(c->http), 3 * sizeof(*params));

	params[0] = first;
	params[1] = second;
	params[2] = third;
	return params;
}

/* ---- the answer */

static void refuse(const struct running *k, const struct pgresult *r, const char *name)
{
	const struct change_refusal *f = k->how.refusals;
	const char *detail;

	while (f->name != NULL && strcmp(f->name, name) != 0)
		f++;
	ASSERT(f->name != NULL);
	if (f->absence != NULL) {
		documents_absent(&k->call, f->absence);
		return;
	}
	detail = f->detail != NULL ? f->detail : pgresult_text(r, k->effect, 0, 1);
	if (f->field == NULL)
		httpd_reply_problem(k->call.http, f->code, detail);
	else
		httpd_reply_rejected(k->call.http, f->code,
				     &(struct problem_violation){f->field, detail}, 1);
}

static void reply(const struct running *k)
{
	struct httpd_request *http = k->call.http;

	if (k->how.status == 204) {
		httpd_reply(http, 204, NULL, (struct slice){NULL, 0});
		return;
	}
	if (k->etag != NULL)
		httpd_set_header(http, "ETag", k->etag);
	if (k->location != NULL)
		httpd_set_header(http, "Location", k->location);
	if (k->how.reply != NULL)
		k->how.reply(&k->call, k->code, k->document);
	else
		httpd_reply(http, k->code, "application/json", k->document);
}

static void on_published(void *arg, int err, const struct redisq_reply *r)
{
	(void)err; /* it is repaired (tenant/watch.h) */
	(void)r;
	reply(arg);
}

static void on_version(void *arg, const struct pgresult *r, const struct err *e)
{
	const struct running *k = arg;
	struct redisq *redis = k->call.st->redis;

	if (e == NULL && redisq_up(redis))
		dataversion_publish_then(redis, k->call.principal->tenant_id,
					 DATAVERSION_DASHBOARDS,
					 pgresult_i64(r, CALLER_RESULT, 0, 0), on_published, arg);
	else
		reply(k);
}

/* Whoever is told of a change of dashboards may ask another process next: that one must know. */
static void reply_when_known(struct running *k)
{
	static const char *const none[] = {NULL};
	static const struct pgstmt version = {&SQL_queryd_read_dashboard_version, none};
	struct redisq *redis = k->call.st->redis;

	if (k->how.revision == &SQL_queryd_keep_dashboard_revision && redis != NULL &&
	    redisq_up(redis))
		caller_query(&k->call, &version, 1, on_version, k);
	else
		reply(k);
}

static const char *copy(struct arena *a, const char *text)
{
	return text != NULL ? arena_strdup(a, text) : NULL;
}

static void keep_answer(struct running *k, const struct pgresult *r)
{
	struct arena *a = httpd_arena(k->call.http);

	if (k->how.status == 204)
		return;
	k->code = (int)pgresult_i64(r, k->answer, 0, 0);
	k->document = slice_of(arena_strdup(a, pgresult_text(r, k->answer, 0, 1)));
	k->etag = copy(a, pgresult_text(r, k->answer, 0, 2));
	k->location = copy(a, pgresult_text(r, k->answer, 0, 3));
}

static void on_changed(void *arg, const struct pgresult *r, const struct err *e)
{
	struct running *k = arg;
	const char *claim = "mine", *refusal;

	if (!caller_ok(k->call.http, e))
		return;
	if (k->how.operation != NULL)
		claim = pgresult_text(r, k->claim, 0, 0);
	refusal = pgresult_text(r, k->effect, 0, 0);
	if (strcmp(claim, "busy") == 0) {
		httpd_set_header(k->call.http, "Retry-After", "1");
		httpd_reply_problem(k->call.http, PROBLEM_IDEMPOTENCY_KEY_IN_FLIGHT,
				    "The first request with this Idempotency-Key is not done.");
	} else if (strcmp(claim, "taken") == 0 && !pgresult_bool(r, k->answer, 0, 4)) {
		httpd_reply_problem(k->call.http, PROBLEM_IDEMPOTENCY_KEY_REUSED,
				    "The Idempotency-Key was sent with another request before.");
	} else if (strcmp(claim, "mine") == 0 && refusal != NULL) {
		refuse(k, r, refusal);
	} else {
		if (k->how.subject != NULL)
			courier_wake(k->call.st->courier);
		keep_answer(k, r);
		reply_when_known(k);
	}
}

/* ---- the transaction */

static size_t add(struct running *k, const struct sql_stmt *s, const char *const *params)
{
	ASSERT(k->n < ARRAY_SIZE(k->stmts));
	k->stmts[k->n] = (struct pgstmt){s, params};
	return CALLER_RESULT + k->n++;
}

static void add_event(struct running *k)
{
	struct arena *a = httpd_arena(k->call.http);
	struct strbuf envelope = STRBUF_INIT;

	outbox_envelope(&(struct outbox_event){.subject = k->how.subject,
					       .tenant_id = k->call.principal->tenant_id,
					       .ordering_key = k->call.principal->tenant_id,
					       .correlation_id = httpd_correlation_id(k->call.http),
					       .traceparent = httpd_traceparent(k->call.http),
					       .instance = daemon_instance(k->call.st->daemon),
					       .retention_class = RETENTION,
					       .payload = slice_of("{}")},
			&envelope);
	k->event[0] = k->how.subject;
	k->event[1] = arena_strdup(a, strbuf_cstr(&envelope));
	k->event[2] = k->how.more != NULL ? k->how.more : "{}";
	strbuf_clear(&envelope);
	(void)add(k, &SQL_queryd_queue_dashboard_event, k->event);
}

void change_start(const struct call *c, const struct change *how)
{
	struct arena *a = httpd_arena(c->http);
	struct running *k = arena_alloc(a, sizeof(*k));
	const char *key = NULL;

	k->call = caller_keep(c);
	k->how = *how;
	if (how->operation != NULL) {
		if (!change_key(c, &key))
			return;
		k->id[0] = how->operation;
		k->id[1] = key;
		k->id[2] = hash_of(c, how->operation);
		(void)add(k, &SQL_queryd_lock_key, k->id);
		k->claim = add(k, &SQL_queryd_claim_key, k->id);
	}
	if (how->lock.stmt != NULL)
		k->lock = add(k, how->lock.stmt, how->lock.params);
	k->effect = add(k, how->effect.stmt, how->effect.params);
	k->action[0] = how->action;
	if (how->revision != NULL)
		(void)add(k, how->revision, k->action);
	if (how->subject != NULL)
		add_event(k);
	k->status[0] = arena_printf(a, "%d", how->status);
	if (how->operation != NULL) {
		memcpy(k->keep, k->id, sizeof(k->id));
		k->keep[3] = k->status[0];
		k->keep[4] = how->location;
		(void)add(k, &SQL_queryd_keep_answer, k->keep);
		k->answer = add(k, &SQL_queryd_read_answer, k->id);
	} else {
		k->answer = add(k, &SQL_queryd_show_changed, k->status);
	}
	caller_query(c, k->stmts, k->n, on_changed, k);
}
