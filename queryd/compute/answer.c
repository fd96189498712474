/* Results as HTTP answers; see answer.h. */
#include "queryd/compute/answer.h"

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/timestamp.h"

#define ETAG_MAX  640
#define STATE_MAX 256 /* bytes that answer_write_state() adds, about */
#define SECOND_US INT64_C(1000000)
#define ETAG_KEY  32 /* characters of the key: 128 bits */

static const char *const quality_names[] = {
	[QUALITY_OK] = "ok", [QUALITY_WARNING] = "warning", [QUALITY_FAILED] = "failed"};

/* Weak: two answers with one tag differ in their age only. */
static void write_etag(const struct answer *a, char out[ETAG_MAX])
{
	int n = snprintf(out, ETAG_MAX, "W/\"%.*s.%s.%d%d\"", ETAG_KEY, a->key, a->versions,
			 (int)a->quality, a->partial);

	ASSERT(n > 0 && n < ETAG_MAX);
}

/* If-None-Match: `*` or a list of tags; W/ does not count. */
bool answer_tag_listed(const char *list, const char *etag)
{
	size_t len;

	etag += strncmp(etag, "W/", 2) == 0 ? 2 : 0;
	len = strlen(etag);
	if (list == NULL)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	for (const char *at = list; (at = strstr(at, etag)) != NULL; at += len) {
		/* quotes delimit tags, and a tag holds none */
		if (at == list || strchr(" ,/", at[-1]) != NULL)
			return true;
	}
	return false;
}

void answer_set_headers(struct httpd_request *http, const struct answer *a)
{
	char text[96];
	int64_t total_us = clock_mono_us() - httpd_started_us(http);

	httpd_set_header(http, "Cache-Control", "private, no-cache");
	httpd_set_header(http, "Vary", "Authorization");
	httpd_set_header(http, "X-Cache", a->cache);
	(void)snprintf(text, sizeof(text), "%lld", (long long)a->bytes);
	httpd_set_header(http, "X-Bytes-Scanned", text);
	(void)snprintf(text, sizeof(text), "db;dur=%lld.%03lld, total;dur=%lld.%03lld",
		       (long long)a->db_us / 1000, (long long)a->db_us % 1000,
		       (long long)total_us / 1000, (long long)total_us % 1000);
	httpd_set_header(http, "Server-Timing", text);
}

static void write_age(struct json_writer *w, const struct answer *a)
{
	int64_t applied_us = a->oldest_us != 0 ? a->oldest_us : a->now_us;
	int64_t age_us = a->oldest_us != 0 ? clock_wall_us() - a->oldest_us : 0;
	char as_of[TIMESTAMP_TEXT_MAX];

	timestamp_format(applied_us, as_of);
	jw_key(w, "asOf");
	jw_str(w, as_of);
	jw_key(w, "freshnessSeconds");
	jw_i64(w, age_us > 0 ? age_us / SECOND_US : 0);
}

void answer_write_state(const struct answer *a, struct json_writer *w)
{
	write_age(w, a);
	jw_key(w, "bytesScanned");
	jw_i64(w, a->bytes);
	jw_key(w, "cache");
	jw_str(w, a->cache);
	jw_key(w, "quality");
	jw_str(w, quality_names[a->quality]);
	jw_key(w, "partial");
	jw_bool(w, a->partial);
}

void answer_write(const struct answer *a, struct strbuf *out)
{
	size_t end = out->len + a->data.len - 1;
	struct json_writer w;

	strbuf_reserve(out, a->data.len + STATE_MAX);
	strbuf_append(out, a->data.ptr, a->data.len - 1);
	jw_init(&w, out);
	jw_object(&w);
	answer_write_state(a, &w);
	jw_end(&w);
	out->ptr[end] = ','; /* {data} and {state} become one object */
}

void answer_send(struct httpd_request *http, const struct answer *a)
{
	struct strbuf state = STRBUF_INIT;
	struct json_writer w;
	char etag[ETAG_MAX];

	write_etag(a, etag);
	httpd_set_header(http, "ETag", etag);
	answer_set_headers(http, a);
	if (answer_tag_listed(httpd_header(http, "If-None-Match"), etag)) {
		httpd_reply(http, 304, NULL, (struct slice){NULL, 0});
		return;
	}
	jw_init(&w, &state);
	jw_object(&w);
	answer_write_state(a, &w);
	jw_end(&w);
	state.ptr[0] = ','; /* {data} and {state} become one object, where they lie */
	httpd_reply_parts(
		http, 200, "application/json",
		(const struct slice[]){{a->data.ptr, a->data.len - 1}, strbuf_slice(&state)}, 2);
	strbuf_clear(&state);
}
