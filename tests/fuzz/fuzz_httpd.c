/*
 * httpd: what a client may send, as a whole and in two pieces: a head, then a body of chunks. Where
 * the pieces are cut makes no difference, and what is accepted can be read in one way only.
 */
#include "common/base/utf8.h"
#include "common/http/httpd_head.h"

#define BODY_MAX ((size_t)4096)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const struct httpd_head *h, struct arena *a)
{
	const char *path;
	struct uri_param *query;
	size_t n;

	ASSERT(h->target[0] != '\0' && strchr(h->target, ' ') == NULL);
	ASSERT(!h->chunked || (h->length == 0 && !h->is_1_0));
	for (size_t i = 0; i < h->nfields; i++) {
		ASSERT(h->fields[i].name_len == strlen(h->fields[i].name));
		ASSERT(strpbrk(h->fields[i].name, " \t\r\n:") == NULL);
		ASSERT(strpbrk(h->fields[i].value, "\r\n") == NULL);
		ASSERT(httpd_head_field(h, h->fields[i].name) != NULL);
	}
	ASSERT(strlen(httpd_head_correlation_id(h, a)) > 0);
	if (httpd_head_target(h, a, &path, &query, &n))
		ASSERT(path[0] == '/' && utf8_valid(slice_of(path)));
}

static enum httpd_chunks_state take(struct slice all, size_t cut, struct strbuf *body)
{
	struct httpd_chunks c = {CHUNKS_SIZE, 0, 0, 0};
	size_t n = httpd_chunks_take(&c, (struct slice){all.ptr, cut}, BODY_MAX, body);

	ASSERT(n == cut || c.state >= CHUNKS_DONE);
	if (c.state < CHUNKS_DONE)
		n += httpd_chunks_take(&c, (struct slice){all.ptr + cut, all.len - cut}, BODY_MAX,
				       body);
	ASSERT(n <= all.len && body->len <= BODY_MAX);
	return c.state;
}

static void check_chunks(struct slice all, size_t cut)
{
	struct strbuf whole = STRBUF_INIT, pieces = STRBUF_INIT;

	ASSERT(take(all, all.len, &whole) == take(all, cut, &pieces));
	ASSERT(slice_eq(strbuf_slice(&whole), strbuf_slice(&pieces)));
	strbuf_clear(&whole);
	strbuf_clear(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = {(const char *)data, size};
	size_t cut = size > 0 ? data[size - 1] % size : 0, scanned = 0, again = 0, n;
	struct httpd_head head;
	struct arena *a;

	n = httpd_head_length(all, &scanned);
	ASSERT(n <= size);
	if (httpd_head_length((struct slice){all.ptr, cut}, &again) == 0)
		ASSERT(httpd_head_length(all, &again) == n);
	if (n == 0)
		return 0;
	a = arena_new();
	if (httpd_head_read(arena_strndup(a, all.ptr, n), n, a, &head) == NULL)
		check_head(&head, a);
	arena_free(a);
	all = (struct slice){all.ptr + n, size - n};
	check_chunks(all, cut < all.len ? cut : all.len);
	return 0;
}
