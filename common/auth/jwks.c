/*
 * Key sets that keep themselves fresh, and bearer tokens checked with them; see jwks.h.
 *
 * Freshness is looked after twice: by a timer, so that an idle daemon has keys at hand, and by each
 * token, because where processes sleep between requests (Cloud Run) no timer fires. Nothing here
 * blocks but the reading of a small local file.
 *
 * A set is replaced only by one that was read whole and holds usable keys; any failure leaves the
 * old one in place and is reported through on_state.
 */
#include "common/auth/jwks.h"

#include <errno.h>
#include <strings.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "common/auth/tokcache.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/num.h"
#include "common/base/xalloc.h"
#include "common/http/httpc.h"

#define JWKS_MAGIC        OBJ_MAGIC(0x3a)
#define ISSUERS_MAX       8
#define STALE_MS          (INT64_C(24) * 3600 * 1000) /* keys end this long after the last success */
#define FILE_CHECK_MS     1000
#define KID_FETCH_MS      60000 /* between fetches that unknown kids cause */
#define FETCH_TIMEOUT_MS  10000
#define RETRY_MIN_MS      1000
#define RETRY_MAX_MS      60000
#define MAX_AGE_MIN_S     60
#define MAX_AGE_MAX_S     (24 * 3600)
#define MAX_AGE_DEFAULT_S 600

struct jwks {
	unsigned magic;
	struct event_base *base;
	struct jwks_options o; /* its texts are the copies below */
	char *source, *audience, *issuers[ISSUERS_MAX + 1];

	struct jwk_set *keys;  /* NULL: none yet, or too old */
	int64_t fresh_mono_ms; /* when the source last confirmed them */
	struct tokcache *tokens;
	struct event *reap; /* next turn: drop principals that left the cache */
	bool told, ok;      /* what on_state heard last */
	char reason[512];

	/* source is a file */
	struct stat seen; /* the file that the keys are from */
	int64_t check_mono_ms;

	/* source is a URL */
	struct httpc *httpc; /* NULL: it is a file */
	struct event *fetch;
	bool fetching;
	int64_t due_mono_ms, kid_due_mono_ms;
	struct backoff backoff;
};

/* ---- the set */

static void tell(struct jwks *k, const struct err *failure)
{
	bool ok = failure == NULL;

	(void)snprintf(k->reason, sizeof(k->reason), "%s", ok ? "" : failure->msg);
	if (k->told && k->ok == ok)
		return;
	k->told = true;
	k->ok = ok;
	if (k->o.on_state != NULL)
		k->o.on_state(k->o.arg, ok);
}

static void arm(struct event *timer, int64_t delay_ms)
{
	struct timeval tv = {delay_ms / 1000, delay_ms % 1000 * 1000};
	int r = event_add(timer, &tv);

	ASSERT(r == 0);
}

/* Principals that left the cache are dropped by the loop's next turn: they may still be in use. */
static void reap_later(struct jwks *k)
{
	if (tokcache_needs_reap(k->tokens) && !evtimer_pending(k->reap, NULL))
		arm(k->reap, 0);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	struct jwks *k = arg;

	(void)fd;
	(void)what;
	OBJ_CHECK(k, JWKS_MAGIC);
	tokcache_reap(k->tokens);
}

static void replace_keys(struct jwks *k, struct jwk_set *keys)
{
	jwk_set_free(k->keys);
	k->keys = keys;
	tokcache_flush(k->tokens);
	reap_later(k);
}

static int take_document(struct jwks *k, struct slice document, struct err *e)
{
	struct jwk_set *keys;
	int r = jwk_set_parse(document, &keys, e);

	if (r < 0)
		return err_wrap(e, r, "%s", k->source);
	replace_keys(k, keys);
	k->fresh_mono_ms = clock_mono_ms();
	return 0;
}

static bool stale(const struct jwks *k)
{
	return clock_mono_ms() - k->fresh_mono_ms > STALE_MS;
}

/* The keys grew too old: the source failed for so long, or the process slept. */
static void drop_stale(struct jwks *k)
{
	struct err e = ERR_INIT;

	if (k->keys == NULL || !stale(k))
		return;
	replace_keys(k, NULL);
	(void)err_set(&e, -ETIMEDOUT, "%s: not read for a day", k->source);
	k->told = false; /* again, for now nobody gets in */
	tell(k, &e);
}

/* ---- from a file */

static int read_file(const char *path, struct strbuf *out, struct err *e)
{
	FILE *f = fopen(path, "re");
	char chunk[4096];
	size_t n;
	int r = 0;

	if (f == NULL)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	while (!out->overflow && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		strbuf_append(out, chunk, n);
	if (ferror(f))
		r = err_set(e, -EIO, "%s: cannot be read", path);
	else if (out->overflow)
		r = err_set(e, -EINVAL, "%s: longer than %zu bytes", path, out->max);
	(void)fclose(f); /* only read */
	return r;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
	       memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

/* Reads the file unless it is the one we read last. Its identity is taken before its content: what
 * changes in between is read again the next time. */
static int load_file(struct jwks *k, struct err *e)
{
	struct strbuf text;
	struct stat st;
	int r;

	k->check_mono_ms = clock_mono_ms();
	if (stat(k->source, &st) < 0)
		return err_set(e, -errno, "%s: %s", k->source, strerror(errno));
	if (same_file(&st, &k->seen)) {
		k->fresh_mono_ms = k->check_mono_ms;
		return 0;
	}
	strbuf_init(&text, JWK_SET_MAX);
	r = read_file(k->source, &text, e);
	if (r == 0)
		r = take_document(k, strbuf_slice(&text), e);
	if (r == 0)
		k->seen = st;
	strbuf_clear(&text);
	return r;
}

static void check_file(struct jwks *k)
{
	struct err e = ERR_INIT;
	int r = load_file(k, &e);

	tell(k, r < 0 ? &e : NULL);
}

/* ---- from a URL */

static void schedule_fetch(struct jwks *k, int64_t delay_ms)
{
	k->due_mono_ms = clock_mono_ms() + delay_ms;
	arm(k->fetch, delay_ms);
}

/* The max-age of a Cache-Control header (or NULL), within our bounds. */
static int64_t max_age_s(const char *header)
{
	while (header != NULL && *header != '\0') {
		size_t len = strcspn(header, ", \t");
		int64_t v;

		if (len > 8 && strncasecmp(header, "max-age=", 8) == 0 &&
		    num_i64((struct slice){header + 8, len - 8}, 0, INT64_MAX, &v) == 0)
			return v < MAX_AGE_MIN_S   ? MAX_AGE_MIN_S
			       : v > MAX_AGE_MAX_S ? MAX_AGE_MAX_S
						   : v;
		header += len + (header[len] != '\0');
	}
	return MAX_AGE_DEFAULT_S;
}

static void fetch_failed(struct jwks *k, const struct err *e)
{
	schedule_fetch(k, backoff_next_ms(&k->backoff, backoff_random()));
	tell(k, e);
	drop_stale(k);
}

static void on_fetched(void *arg, const struct httpc_answer *a, const struct err *failure)
{
	struct jwks *k = arg;
	struct err e = ERR_INIT;
	int r = 0;

	OBJ_CHECK(k, JWKS_MAGIC);
	k->fetching = false;
	if (failure != NULL && failure->code == -ECANCELED)
		return; /* by jwks_free */
	if (failure != NULL)
		r = err_set(&e, failure->code, "%s: %s", k->source, failure->msg);
	else if (a->status != 200)
		r = err_set(&e, -EIO, "%s: status %d", k->source, a->status);
	else
		r = take_document(k, a->body, &e);
	if (r < 0) {
		fetch_failed(k, &e);
		return;
	}
	backoff_reset(&k->backoff);
	schedule_fetch(k, max_age_s(httpc_header(a, "Cache-Control")) * 1000 * 80 / 100);
	tell(k, NULL);
}

static int start_fetch(struct jwks *k, struct err *e)
{
	int r = httpc_submit(k->httpc,
			     &(struct httpc_request){.url = k->source,
						     .answer_max = JWK_SET_MAX,
						     .timeout_ms = FETCH_TIMEOUT_MS},
			     on_fetched, k, e);

	k->fetching = r == 0;
	return r;
}

static void fetch_keys(struct jwks *k)
{
	struct err e = ERR_INIT;

	if (!k->fetching && start_fetch(k, &e) < 0)
		fetch_failed(k, &e);
}

static void on_fetch_due(evutil_socket_t fd, short what, void *arg)
{
	struct jwks *k = arg;

	(void)fd;
	(void)what;
	OBJ_CHECK(k, JWKS_MAGIC);
	fetch_keys(k);
}

/* ---- either */

/* What is due for the source. */
static void refresh(struct jwks *k)
{
	int64_t now = clock_mono_ms();

	if (k->httpc != NULL && now >= k->due_mono_ms)
		fetch_keys(k);
	if (k->httpc == NULL && now - k->check_mono_ms >= FILE_CHECK_MS)
		check_file(k);
	drop_stale(k);
}

/* A token names a key that we do not have: ask the source out of turn. A file answers at once; as
 * long as it is unusable it waits for its turn, for reading it costs more than the token did. */
static void refresh_for_kid(struct jwks *k)
{
	int64_t now = clock_mono_ms();

	if (k->httpc == NULL && k->ok)
		check_file(k);
	if (k->httpc != NULL && now >= k->kid_due_mono_ms) {
		k->kid_due_mono_ms = now + KID_FETCH_MS;
		fetch_keys(k);
	}
}

static int open_source(struct jwks *k, struct err *e)
{
	if (strstr(k->source, "://") == NULL) {
		k->told = k->ok = true;
		return load_file(k, e);
	}
	(void)snprintf(k->reason, sizeof(k->reason), "%s: not fetched yet", k->source);
	k->httpc = httpc_new(k->base);
	return start_fetch(k, e);
}

int jwks_new(struct event_base *base, const struct jwks_options *o, struct jwks **ret,
	     struct err *e)
{
	struct jwks *k = xcalloc(1, sizeof(*k));
	int r;

	k->magic = JWKS_MAGIC;
	k->base = base;
	k->o = *o;
	k->source = xstrdup(o->source);
	if (o->audience != NULL)
		k->o.audience = k->audience = xstrdup(o->audience);
	for (size_t i = 0; o->issuers != NULL && o->issuers[i] != NULL; i++) {
		ASSERT(i < ISSUERS_MAX);
		k->issuers[i] = xstrdup(o->issuers[i]);
		k->o.issuers = (const char *const *)k->issuers;
	}
	k->tokens = tokcache_new(o->cache_max, o->drop, o->arg);
	k->backoff = (struct backoff){.base_ms = RETRY_MIN_MS, .cap_ms = RETRY_MAX_MS};
	k->reap = evtimer_new(base, on_reap, k);
	k->fetch = evtimer_new(base, on_fetch_due, k);
	ASSERT(k->reap != NULL && k->fetch != NULL); /* no memory */
	r = open_source(k, e);
	if (r < 0) {
		jwks_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void jwks_free(struct jwks *k)
{
	if (k == NULL)
		return;
	httpc_free(k->httpc);
	event_free(k->reap);
	event_free(k->fetch);
	tokcache_free(k->tokens);
	jwk_set_free(k->keys);
	for (size_t i = 0; i < ISSUERS_MAX; i++)
		free(k->issuers[i]);
	free(k->audience);
	free(k->source);
	k->magic = 0;
	free(k);
}

bool jwks_ready(const struct jwks *k)
{
	return k->keys != NULL && !stale(k);
}

const char *jwks_reason(const struct jwks *k)
{
	return k->reason;
}

/* ---- tokens */

/* A token that the cache does not know. */
static int check_token(struct jwks *k, struct slice token, struct tokcache_now now,
		       void **ret_principal, struct err *e)
{
	struct jwt_expect expect = {.issuers = k->o.issuers,
				    .audience = k->o.audience,
				    .now_s = now.wall_s,
				    .leeway_s = JWT_LEEWAY_S};
	struct json *claims = NULL;
	void *principal = NULL;
	int64_t end_s = 0;
	int r = jwt_verify(k->keys, token, &claims, e);

	if (r == -ENOKEY) {
		refresh_for_kid(k);
		r = jwt_verify(k->keys, token, &claims, e);
	}
	if (r == 0)
		r = jwt_check_claims(claims, &expect, &end_s, e);
	if (r == 0)
		principal = k->o.principal(k->o.arg, claims, e);
	json_free(claims);
	if (principal == NULL) {
		if (e != NULL)
			e->code = -EACCES;
		return -EACCES;
	}
	tokcache_put(k->tokens, token, principal, end_s, now);
	*ret_principal = principal;
	return 0;
}

int jwks_authenticate(struct jwks *k, const char *authorization, void **ret_principal,
		      struct err *e)
{
	struct tokcache_now now = {.mono_ms = clock_mono_ms(), .wall_s = clock_wall_us() / 1000000};
	struct slice token;
	void *principal;
	int r = 0;

	if (!jwt_bearer(authorization, &token))
		return err_set(e, -EACCES, "no bearer token");
	refresh(k);
	if (k->keys == NULL)
		return err_set(e, -EAGAIN, "no keys: %s", k->reason);
	principal = tokcache_find(k->tokens, token, now);
	if (principal != NULL)
		*ret_principal = principal;
	else
		r = check_token(k, token, now, ret_principal, e);
	reap_later(k);
	return r;
}
