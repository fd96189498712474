/* Access tokens; see gtoken.h. */
#include "common/auth/gtoken.h"

#include <errno.h>

#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/xalloc.h"
#include "common/http/httpc.h"

#define GTOKEN_MAGIC     OBJ_MAGIC('g')
#define METADATA_HOST    "metadata.google.internal"
#define METADATA_PATH    "/computeMetadata/v1/instance/service-accounts/default/token"
#define FLAVOR           "Metadata-Flavor"
#define TOKEN_MAX        ((size_t)16 * 1024)
#define FETCH_TIMEOUT_MS 3000
#define RENEW_BEFORE_S   300
#define FILE_CHECK_MS    60000
#define LIFE_MAX_S       (24 * 3600)
#define RETRY_MIN_MS     200
#define RETRY_MAX_MS     30000

struct gtoken {
	unsigned magic;
	char *file;          /* NULL: the metadata server */
	struct httpc *httpc; /* NULL: it is a file */
	char url[256];
	char *header;        /* NULL: none */
	int64_t end_mono_ms; /* not given out from then on */
	int64_t due_mono_ms; /* the next try to get one */
	bool fetching;
	struct backoff backoff;
	struct err err;
};

/* Everything printable but a space: it becomes part of a header. */
static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
			return false;
	return s.len > 0;
}

static int take(struct gtoken *g, struct slice token, int64_t life_ms, int64_t renew_ms)
{
	struct strbuf line = STRBUF_INIT;
	int64_t now = clock_mono_ms();

	if (!is_token(token))
		return err_set(&g->err, -EINVAL, "not an access token");
	strbuf_append_str(&line, "Authorization: Bearer ");
	strbuf_append_slice(&line, token);
	free(g->header);
	g->header = strbuf_take(&line);
	g->end_mono_ms = now + life_ms;
	g->due_mono_ms = now + renew_ms;
	g->err = ERR_INIT;
	backoff_reset(&g->backoff);
	return 0;
}

static void failed(struct gtoken *g)
{
	g->due_mono_ms = clock_mono_ms() + backoff_next_ms(&g->backoff, backoff_random());
}

/* ---- from a file */

static int load_file(struct gtoken *g)
{
	char text[TOKEN_MAX];
	FILE *f = fopen(g->file, "re");
	size_t n;

	if (f == NULL)
		return err_set(&g->err, -errno, "%s: %s", g->file, strerror(errno));
	n = fread(text, 1, sizeof(text), f);
	(void)fclose(f); /* only read */
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (take(g, (struct slice){text, n}, LIFE_MAX_S * INT64_C(1000), FILE_CHECK_MS) < 0)
		return err_wrap(&g->err, -EINVAL, "%s", g->file);
	return 0;
}

/* ---- from the metadata server */

static int take_answer(struct gtoken *g, const struct httpc_answer *a)
{
	const char *flavor = httpc_header(a, FLAVOR), *token;
	struct json *doc = NULL;
	int64_t life_s;
	int r;

	if (a->status != 200)
		return err_set(&g->err, -EIO, "%s: status %d", g->url, a->status);
	if (flavor == NULL || strcmp(flavor, "Google") != 0) /* somebody else answers to the name */
		return err_set(&g->err, -EPROTO, "%s: not a metadata server", g->url);
	r = json_parse(a->body, TOKEN_MAX, &doc, &g->err);
	if (r == 0)
		r = json_string(json_get(doc, "access_token"), "access_token", &token, &g->err);
	if (r == 0)
		r = json_i64(json_get(doc, "expires_in"), "expires_in", 1, LIFE_MAX_S, &life_s,
			     &g->err);
	if (r == 0)
		r = take(g, slice_of(token), life_s * 1000,
			 (life_s > 2 * RENEW_BEFORE_S ? life_s - RENEW_BEFORE_S : life_s / 2) *
				 1000);
	json_free(doc);
	return r;
}

static void on_fetched(void *arg, const struct httpc_answer *a, const struct err *e)
{
	struct gtoken *g = arg;

	OBJ_CHECK(g, GTOKEN_MAGIC);
	g->fetching = false;
	if (e != NULL)
		g->err = *e;
	if (e != NULL || take_answer(g, a) < 0)
		failed(g);
}

static int start_fetch(struct gtoken *g)
{
	static const char *const headers[] = {FLAVOR ": Google", NULL};
	int r = httpc_submit(g->httpc,
			     &(struct httpc_request){.url = g->url,
						     .headers = headers,
						     .answer_max = TOKEN_MAX,
						     .timeout_ms = FETCH_TIMEOUT_MS,
						     .plain_http = true},
			     on_fetched, g, &g->err);

	g->fetching = r == 0;
	return r;
}

/* ---- either */

struct gtoken *gtoken_new(struct event_base *base, const char *file)
{
	struct gtoken *g = xcalloc(1, sizeof(*g));
	const char *host = getenv("GCE_METADATA_HOST");

	g->magic = GTOKEN_MAGIC;
	g->backoff = (struct backoff){.base_ms = RETRY_MIN_MS, .cap_ms = RETRY_MAX_MS};
	if (file != NULL && file[0] != '\0') {
		g->file = xstrdup(file);
		return g;
	}
	(void)snprintf(g->url, sizeof(g->url), "http://%s" METADATA_PATH,
		       host != NULL && host[0] != '\0' ? host : METADATA_HOST);
	g->httpc = httpc_new(base);
	return g;
}

void gtoken_free(struct gtoken *g)
{
	if (g == NULL)
		return;
	OBJ_CHECK(g, GTOKEN_MAGIC);
	httpc_free(g->httpc);
	free(g->header);
	free(g->file);
	g->magic = 0;
	free(g);
}

const char *gtoken_header(struct gtoken *g, struct err *e)
{
	OBJ_CHECK(g, GTOKEN_MAGIC);
	if (!g->fetching && clock_mono_ms() >= g->due_mono_ms &&
	    (g->file != NULL ? load_file(g) : start_fetch(g)) < 0)
		failed(g);
	if (g->header != NULL && clock_mono_ms() < g->end_mono_ms)
		return g->header;
	if (e != NULL)
		*e = g->err;
	return NULL;
}

void gtoken_refused(struct gtoken *g)
{
	OBJ_CHECK(g, GTOKEN_MAGIC);
	if (g->header == NULL || g->fetching)
		return;
	g->end_mono_ms = 0;
	failed(g);
}
