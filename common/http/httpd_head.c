/* Reading the head of a request; see httpd_head.h. */
#include "common/http/httpd_head.h"

#include <strings.h>

#include "common/base/num.h"
#include "common/base/ulid.h"

#define CORRELATION_MAX 128
#define TRAILER_MAX     8192
#define DIGITS          "0123456789"
#define ALPHANUMERIC    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS

size_t httpd_head_length(struct slice bytes, size_t *scanned)
{
	const char *at;

	while (*scanned < bytes.len &&
	       (at = memchr(bytes.ptr + *scanned, '\n', bytes.len - *scanned)) != NULL) {
		size_t i = (size_t)(at - bytes.ptr);

		*scanned = i + 1;
		if (i == 0 || (i == 1 && bytes.ptr[0] == '\r') || bytes.ptr[i - 1] == '\n' ||
		    (i > 1 && bytes.ptr[i - 1] == '\r' && bytes.ptr[i - 2] == '\n'))
			return i + 1;
	}
	*scanned = bytes.len;
	return 0;
}

/* ---- characters */

#define BIT(c) (UINT64_C(1) << ((c) % 64))

static bool is_token(unsigned char c)
{
	static const uint64_t low = BIT('!') | BIT('#') | BIT('$') | BIT('%') | BIT('&') |
				    BIT('\'') | BIT('*') | BIT('+') | BIT('-') | BIT('.') |
				    UINT64_C(0x3ff) << '0';
	static const uint64_t high = UINT64_C(0x3ffffff) << ('A' % 64) |
				     UINT64_C(0x3ffffff) << ('a' % 64) | BIT('^') | BIT('_') |
				     BIT('`') | BIT('|') | BIT('~');

	if (c >= 128)
		return false;
	return ((c < 64 ? low : high) >> (c % 64) & 1) != 0;
}

static bool has_controls(const char *s)
{
	for (; *s != '\0'; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return true;
	return false;
}

/* s is not empty and has only these characters. */
static bool consists_of(const char *s, const char *allowed)
{
	size_t n = strspn(s, allowed);

	return n > 0 && s[n] == '\0';
}

/* ---- lines */

/* The next line, terminated, without its CRLF; *at moves behind it. NULL: it ends otherwise, or
 * holds a zero byte. */
static char *next_line(char **at, const char *end)
{
	char *line = *at, *lf = memchr(line, '\n', (size_t)(end - line));

	if (lf == NULL || lf == line || lf[-1] != '\r')
		return NULL;
	lf[-1] = '\0';
	*at = lf + 1;
	return strlen(line) == (size_t)(lf - 1 - line) ? line : NULL;
}

static const char *known_method(const char *name)
{
	static const char *const names[] = {"GET",     "POST",  "HEAD",    "PUT",  "DELETE",
					    "OPTIONS", "TRACE", "CONNECT", "PATCH"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return names[i];
	return "other";
}

/* "METHOD target HTTP/1.1" */
static bool read_request_line(char *line, struct httpd_head *ret)
{
	char *target = strchr(line, ' '), *version;

	if (target == NULL || target == line || has_controls(line))
		return false;
	*target++ = '\0';
	version = strchr(target, ' ');
	if (version == NULL || version == target)
		return false;
	*version++ = '\0';
	if (strcmp(version, "HTTP/1.0") != 0 && strcmp(version, "HTTP/1.1") != 0)
		return false;
	ret->method = known_method(line);
	ret->target = target;
	ret->is_1_0 = version[7] == '0';
	return true;
}

static bool read_field(char *line, struct httpd_field *ret)
{
	char *at = line, *end;

	while (is_token((unsigned char)*at))
		at++;
	if (at == line || *at != ':')
		return false;
	ret->name = line;
	ret->name_len = (size_t)(at - line);
	*at++ = '\0';
	at += strspn(at, " \t");
	end = at + strlen(at);
	while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	ret->value = at;
	return !has_controls(at);
}

/* ---- what the fields say */

/* A list of words, with commas. */
static bool lists(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list != '\0') {
		size_t n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && strncasecmp(list, word, n) == 0)
			return true;
		list += n;
	}
	return false;
}

static bool is_named(const struct httpd_field *f, const char *name, size_t len)
{
	return f->name_len == len && strncasecmp(f->name, name, len) == 0;
}

#define NAMED(f, name) is_named(f, name, sizeof(name) - 1)

struct extent {
	int hosts, lengths, encodings;
	const char *length, *encoding, *expect;
};

static void read_extent(struct httpd_head *h, struct extent *x)
{
	for (size_t i = 0; i < h->nfields; i++) {
		const struct httpd_field *f = &h->fields[i];

		if (NAMED(f, "Host")) {
			x->hosts++;
		} else if (NAMED(f, "Content-Length")) {
			x->lengths++;
			x->length = f->value;
		} else if (NAMED(f, "Transfer-Encoding")) {
			x->encodings++;
			x->encoding = f->value;
		} else if (NAMED(f, "Expect")) {
			x->expect = f->value;
		} else if (NAMED(f, "Connection")) {
			if (lists(f->value, "close"))
				h->keep_alive = false;
			else if (h->is_1_0 && lists(f->value, "keep-alive"))
				h->keep_alive = true;
		}
	}
}

/* Where the request ends, or what makes that doubtful. */
static const char *set_extent(struct httpd_head *h)
{
	struct extent x = {.hosts = 0};
	int64_t length = 0;

	h->keep_alive = !h->is_1_0;
	read_extent(h, &x);
	if (x.hosts > 1 || (x.hosts == 0 && !h->is_1_0))
		return "there must be one Host header field";
	if (x.lengths + x.encodings > 1)
		return "there must be one of Content-Length and Transfer-Encoding";
	if (x.lengths == 1 && !consists_of(x.length, DIGITS))
		return "Content-Length must be a number";
	if (x.encodings == 1 && (strcasecmp(x.encoding, "chunked") != 0 || h->is_1_0))
		return "Transfer-Encoding must be chunked";
	if (x.expect != NULL && strcasecmp(x.expect, "100-continue") != 0)
		return "Expect must be 100-continue";
	h->chunked = x.encodings == 1;
	h->expects = x.expect != NULL && !h->is_1_0;
	if (x.lengths == 1)
		h->length = num_i64(slice_of(x.length), 0, INT64_MAX, &length) < 0 ? SIZE_MAX
										   : (size_t)length;
	return NULL;
}

const char *httpd_head_read(char *text, size_t len, struct arena *a, struct httpd_head *ret)
{
	char *at = text, *end = text + len, *line = next_line(&at, end);
	size_t lines = 0;

	*ret = (struct httpd_head){.method = "other"};
	if (line == NULL || !read_request_line(line, ret))
		return "the request line is not that of HTTP/1.1";
	for (const char *p = at; p < end; lines++)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	ret->fields = arena_alloc(a, lines * sizeof(*ret->fields));
	while ((line = next_line(&at, end)) != NULL && line[0] != '\0') {
		if (!read_field(line, &ret->fields[ret->nfields++]))
			return "a header field is not valid";
	}
	if (line == NULL || at != end)
		return "a header line must end with CRLF";
	return set_extent(ret);
}

const char *httpd_head_field(const struct httpd_head *h, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < h->nfields; i++)
		if (is_named(&h->fields[i], name, len))
			return h->fields[i].value;
	return NULL;
}

const char *httpd_head_correlation_id(const struct httpd_head *h, struct arena *a)
{
	const char *id = httpd_head_field(h, "X-Correlation-Id");
	char *made;

	if (id != NULL && strlen(id) <= CORRELATION_MAX && consists_of(id, ALPHANUMERIC "._:-"))
		return id;
	made = arena_alloc(a, ULID_LEN + 8);
	ulid_prefixed("cor", made, ULID_LEN + 8);
	return made;
}

bool httpd_head_target(const struct httpd_head *h, struct arena *a, const char **ret_path,
		       struct uri_param **ret_query, size_t *ret_nquery)
{
	const char *target = h->target, *query;
	struct slice raw;
	char *path;

	if (target[0] != '/') {
		target = strstr(target, "://");
		target = target != NULL ? strchr(target + 3, '/') : NULL;
		if (target == NULL)
			return false;
	}
	raw = (struct slice){target, strcspn(target, "?")};
	for (size_t i = 0; i + 2 < raw.len; i++)
		if (strncasecmp(raw.ptr + i, "%2f", 3) == 0)
			return false;
	path = arena_alloc(a, raw.len + 1);
	query = raw.ptr + raw.len;
	*ret_query = NULL;
	*ret_nquery = 0;
	if (uri_decode(raw, false, path) < 0 ||
	    (*query == '?' && uri_parse_query(slice_of(query + 1), a, ret_query, ret_nquery) < 0))
		return false;
	*ret_path = path;
	return true;
}

/* ---- chunks */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static enum httpd_chunks_state take_size(struct httpd_chunks *c, char byte, size_t room)
{
	int value = hex_value(byte);

	if (value >= 0) {
		c->left = c->left * 16 + (size_t)value;
		/* leading zeros are digits, too */
		return ++c->digits <= 16 && c->left <= room ? CHUNKS_SIZE : CHUNKS_BAD;
	}
	return byte == '\r' && c->digits > 0 ? CHUNKS_SIZE_END : CHUNKS_BAD;
}

/* One byte that is not a chunk's. */
static enum httpd_chunks_state step(struct httpd_chunks *c, char byte, size_t room)
{
	switch (c->state) {
	case CHUNKS_SIZE:
		return take_size(c, byte, room);
	case CHUNKS_SIZE_END:
		c->digits = 0;
		if (byte != '\n')
			return CHUNKS_BAD;
		return c->left > 0 ? CHUNKS_DATA : CHUNKS_TRAILER;
	case CHUNKS_DATA_END:
		return byte == '\r' ? CHUNKS_DATA_LF : CHUNKS_BAD;
	case CHUNKS_DATA_LF:
		return byte == '\n' ? CHUNKS_SIZE : CHUNKS_BAD;
	case CHUNKS_TRAILER:
		return byte == '\r' ? CHUNKS_LAST_LF : CHUNKS_TRAILER_LINE;
	case CHUNKS_TRAILER_LINE:
		if (++c->trailer > TRAILER_MAX)
			return CHUNKS_BAD;
		return byte == '\n' ? CHUNKS_TRAILER : CHUNKS_TRAILER_LINE;
	case CHUNKS_LAST_LF:
		return byte == '\n' ? CHUNKS_DONE : CHUNKS_BAD;
	case CHUNKS_DATA:
	case CHUNKS_DONE:
	case CHUNKS_BAD:
		break;
	}
	return CHUNKS_BAD;
}

size_t httpd_chunks_take(struct httpd_chunks *c, struct slice bytes, size_t body_max,
			 struct strbuf *body)
{
	size_t at = 0;

	while (at < bytes.len && c->state != CHUNKS_DONE && c->state != CHUNKS_BAD) {
		if (c->state == CHUNKS_DATA) {
			size_t n = bytes.len - at < c->left ? bytes.len - at : c->left;

			strbuf_append(body, bytes.ptr + at, n);
			at += n;
			c->left -= n;
			if (c->left == 0)
				c->state = CHUNKS_DATA_END;
		} else {
			c->state = step(c, bytes.ptr[at++], body_max - body->len);
		}
	}
	return at;
}
