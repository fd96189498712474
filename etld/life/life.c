/*
 * Errands as tables of steps; see life.h.
 *
 *   step ─(done)─▶ next step … ─▶ done
 *    └─(more)─▶ the same again
 */
#include "etld/life/life.h"

#include "common/base/hash.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "etld/life/forget_cache.h"
#include "sql_gen.h"

#define LIFE_MAGIC         OBJ_MAGIC('l')
#define STATEMENT_LIMIT_MS 60000
#define PARAMS_MAX         5
#define PORTION            "5000" /* rows or keys: well under a second */

/* What steps are told and leave behind; [..] NULL: null. */
enum slot {
	SLOT_NONE,
	SLOT_TENANT,
	SLOT_JOB,
	SLOT_PORTION,
	SLOT_EVENT, /* dedupe key of the event that asks */
	SLOT_RECORD,
	SLOT_COUNTS, /* of the control database, JSON */
	SLOT_DOCUMENT,
	SLOT_KEY_ID,
	SLOT_SIGNATURE,
	SLOT_REGION,
	SLOT_FROM_REGION,
	SLOT_SINCE,
	SLOT_COUNT
};

struct life;

struct step {
	/* The statement, and in which database; NULL: `act`. */
	const struct sql_stmt *stmt;
	bool control;
	enum slot params[PARAMS_MAX]; /* up to the first SLOT_NONE */
	/* Its columns are kept here. Without: its one column says whether the step is done. A null
	 * in the first, or no row, ends the errand: there is nothing to do. */
	enum slot keeps[PARAMS_MAX];
	void (*act)(struct life *l);
};

struct life {
	unsigned magic;
	const struct errand_env *env;
	const struct step *steps, *step; /* until one without statement and act */
	char *slots[SLOT_COUNT];
	errand_fn fn; /* of the portion under way */
	void *arg;
};

static void keep(struct life *l, enum slot slot, const char *text)
{
	free(l->slots[slot]);
	l->slots[slot] = text != NULL ? xstrdup(text) : NULL;
}

static void told(struct life *l, enum errand_outcome o)
{
	l->fn(l->arg, o, JOB_ERROR, NULL);
}

static void step_done(struct life *l)
{
	l->step++;
	told(l, l->step->stmt == NULL && l->step->act == NULL ? ERRAND_DONE : ERRAND_MORE);
}

static void on_stepped(void *arg, const struct pgresult *r, const struct err *e)
{
	struct life *l = arg;
	const struct step *s = l->step;

	OBJ_CHECK(l, LIFE_MAGIC);
	if (e != NULL) {
		enum pg_error_class class = pg_error_class(e);

		if (class == PG_ERROR_CONNECTION || class == PG_ERROR_RETRY)
			told(l, ERRAND_WAIT);
		else
			l->fn(l->arg, ERRAND_FAILED, JOB_ERROR, e->msg);
		return;
	}
	if (s->keeps[0] == SLOT_NONE) {
		if (pgresult_bool(r, 0, 0, 0))
			step_done(l);
		else
			told(l, ERRAND_MORE);
		return;
	}
	if (pgresult_rows(r, 0) == 0 || pgresult_text(r, 0, 0, 0) == NULL) {
		told(l, ERRAND_DONE);
		return;
	}
	for (size_t i = 0; i < PARAMS_MAX && s->keeps[i] != SLOT_NONE; i++)
		keep(l, s->keeps[i], pgresult_text(r, 0, 0, i));
	step_done(l);
}

/* ---- steps that are no statement */

static void on_cache_forgotten(void *arg, bool done)
{
	struct life *l = arg;

	OBJ_CHECK(l, LIFE_MAGIC);
	if (done)
		step_done(l);
	else /* Redis is away; what it holds of the tenant is not served, and must go */
		told(l, ERRAND_WAIT);
}

static void forget_in_cache(struct life *l)
{
	if (l->env->redis == NULL)
		step_done(l);
	else
		forget_cache(l->env->redis, l->slots[SLOT_TENANT], on_cache_forgotten, l);
}

static void sign(struct life *l)
{
	unsigned char signature[SIGN_LEN];
	char text[SIGN_TEXT_LEN + 1];

	signer_sign(l->env->signer, slice_of(l->slots[SLOT_DOCUMENT]), signature);
	hash_base64url_encode(signature, sizeof(signature), text);
	keep(l, SLOT_KEY_ID, signer_key_id(l->env->signer));
	keep(l, SLOT_SIGNATURE, text);
	step_done(l);
}

static void need_key(struct life *l)
{
	if (l->env->signer != NULL && signer_can_sign(l->env->signer))
		step_done(l);
	else
		l->fn(l->arg, ERRAND_FAILED, JOB_UNSUPPORTED,
		      "purge_key_file is not set: there must be a signed record of what is "
		      "forgotten");
}

/* ---- the tables */

#define DONE_WHEN_TRUE    \
	{                 \
		SLOT_NONE \
	}

static const struct step purge[] = {
	{.act = need_key},
	{&SQL_etld_count_tenant, true, {SLOT_TENANT, SLOT_JOB}, {SLOT_COUNTS}, NULL},
	{&SQL_etld_open_purge, false, {SLOT_TENANT, SLOT_JOB, SLOT_COUNTS}, {SLOT_RECORD}, NULL},
	{&SQL_etld_purge_queue, false, {SLOT_TENANT}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_purge_clicks, false, {SLOT_RECORD, SLOT_PORTION}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_purge_raw, false, {SLOT_RECORD, SLOT_PORTION}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_purge_tables,
	 false,
	 {SLOT_TENANT, SLOT_JOB, SLOT_PORTION},
	 DONE_WHEN_TRUE,
	 NULL},
	{&SQL_etld_purge_tenant, true, {SLOT_TENANT, SLOT_JOB, SLOT_PORTION}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_drop_tenant, false, {SLOT_TENANT}, DONE_WHEN_TRUE, NULL},
	{.act = forget_in_cache},
	/* what a query or a check that was under way has left since */
	{&SQL_etld_purge_tables,
	 false,
	 {SLOT_TENANT, SLOT_JOB, SLOT_PORTION},
	 DONE_WHEN_TRUE,
	 NULL},
	{&SQL_etld_purge_tenant, true, {SLOT_TENANT, SLOT_JOB, SLOT_PORTION}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_count_tenant, true, {SLOT_TENANT, SLOT_JOB}, {SLOT_COUNTS}, NULL},
	{&SQL_etld_describe_purge, false, {SLOT_RECORD, SLOT_COUNTS}, {SLOT_DOCUMENT}, NULL},
	{.act = sign},
	{&SQL_etld_sign_purge,
	 false,
	 {SLOT_RECORD, SLOT_DOCUMENT, SLOT_KEY_ID, SLOT_SIGNATURE},
	 DONE_WHEN_TRUE,
	 NULL},
	{.stmt = NULL},
};

static const struct step erasure[] = {
	{.act = need_key},
	{&SQL_etld_open_erasure, false, {SLOT_TENANT, SLOT_EVENT, SLOT_JOB}, {SLOT_RECORD}, NULL},
	{&SQL_etld_erase_raw, false, {SLOT_RECORD, SLOT_PORTION}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_erase_keys, false, {SLOT_RECORD}, DONE_WHEN_TRUE, NULL},
	{&SQL_etld_describe_purge, false, {SLOT_RECORD, SLOT_COUNTS}, {SLOT_DOCUMENT}, NULL},
	{.act = sign},
	{&SQL_etld_close_erasure,
	 false,
	 {SLOT_RECORD, SLOT_DOCUMENT, SLOT_KEY_ID, SLOT_SIGNATURE},
	 DONE_WHEN_TRUE,
	 NULL},
	{.stmt = NULL},
};

static const struct step region[] = {
	{&SQL_etld_read_move,
	 false,
	 {SLOT_TENANT, SLOT_EVENT},
	 {SLOT_REGION, SLOT_FROM_REGION, SLOT_SINCE},
	 NULL},
	{&SQL_etld_bind_region,
	 false,
	 {SLOT_TENANT, SLOT_REGION, SLOT_FROM_REGION, SLOT_SINCE},
	 DONE_WHEN_TRUE,
	 NULL},
	{&SQL_etld_move_tenant,
	 true,
	 {SLOT_TENANT, SLOT_REGION, SLOT_FROM_REGION, SLOT_SINCE},
	 DONE_WHEN_TRUE,
	 NULL},
	{.stmt = NULL},
};

/* ---- the errand */

static struct life *begin(const struct errand_env *env, const struct job *job,
			  const struct step *steps)
{
	struct life *l = xcalloc(1, sizeof(*l));
	struct json *params = NULL;

	l->magic = LIFE_MAGIC;
	l->env = env;
	l->steps = l->step = steps;
	keep(l, SLOT_TENANT, job->claim[CLAIM_TENANT]);
	keep(l, SLOT_JOB, job->claim[CLAIM_ID]);
	keep(l, SLOT_PORTION, PORTION);
	keep(l, SLOT_COUNTS, "{}");
	if (json_parse(slice_of(job->claim[CLAIM_PARAMS]), 65536, &params, NULL) == 0)
		keep(l, SLOT_EVENT, json_string_or_null(json_get(params, "dedupeKey")));
	json_free(params);
	return l;
}

static void *begin_purge(const struct errand_env *env, struct job *job)
{
	return begin(env, job, purge);
}

static void *begin_erasure(const struct errand_env *env, struct job *job)
{
	return begin(env, job, erasure);
}

static void *begin_region(const struct errand_env *env, struct job *job)
{
	return begin(env, job, region);
}

static void portion(void *errand, errand_fn fn, void *arg)
{
	struct life *l = errand;
	const struct step *s = l->step;
	const char *params[PARAMS_MAX];

	OBJ_CHECK(l, LIFE_MAGIC);
	l->fn = fn;
	l->arg = arg;
	if (s->stmt == NULL) {
		s->act(l);
		return;
	}
	for (size_t i = 0; i < PARAMS_MAX; i++)
		params[i] = s->params[i] != SLOT_NONE ? l->slots[s->params[i]] : NULL;
	pgpool_exec(s->control ? l->env->control : l->env->warehouse, NULL, s->stmt, params,
		    STATEMENT_LIMIT_MS, on_stepped, l);
}

static void end(void *errand)
{
	struct life *l = errand;

	for (size_t i = 0; i < SLOT_COUNT; i++)
		free(l->slots[i]);
	l->magic = 0;
	free(l);
}

const char *life_record_id(const void *errand)
{
	const struct life *l = errand;

	OBJ_CHECK(l, LIFE_MAGIC);
	return l->slots[SLOT_RECORD];
}

const struct errand_kind errand_purge = {"purge", begin_purge, portion, end, false};
const struct errand_kind errand_erasure = {"erasure", begin_erasure, portion, end, false};
const struct errand_kind errand_region = {"region", begin_region, portion, end, false};
