/*
 * L2, private to httpd: the head of a request, and the chunks of its body, read from bytes. Pure,
 * fuzzed. Strict where another reader in front of us might take it differently (request
 * smuggling): lines end with CRLF, a field has a name of token characters and no line continues
 * another, there is one Host and one length.
 */
#ifndef COMMON_HTTPD_HEAD_H
#define COMMON_HTTPD_HEAD_H

#include "common/base/arena.h"
#include "common/base/strbuf.h"
#include "common/base/uri.h"

struct httpd_field {
	const char *name, *value;
	size_t name_len;
};

/* All of it lives in the arena that it was read with. */
struct httpd_head {
	const char *method; /* "other": none that HTTP has */
	const char *target;
	struct httpd_field *fields;
	size_t nfields;
	bool chunked;
	size_t length;           /* of the body unless it is chunked; SIZE_MAX: more than fits */
	bool keep_alive, is_1_0; /* is_1_0: of HTTP/1.0 */
	bool expects;            /* 100-continue */
};

/* How many of the bytes are the head, with the empty line that ends it; 0: its end has not come.
 * *scanned, 0 at first, says where the next call goes on. */
size_t httpd_head_length(struct slice bytes, size_t *scanned);
/* NULL, or what is wrong with it, in words. `text` is a whole head, which is written to. */
const char *httpd_head_read(char *text, size_t len, struct arena *a,
			    struct httpd_head *ret) MUST_CHECK;
/* The first field of that name, in whatever case; NULL: none. */
const char *httpd_head_field(const struct httpd_head *h, const char *name);
/* The client's X-Correlation-Id when it is harmless, else a new one; in the arena. */
const char *httpd_head_correlation_id(const struct httpd_head *h, struct arena *a);
/* Decoded path and query of "/x?y" or "http://host/x?y". false: malformed; an encoded slash is, for
 * it would move the borders between segments. */
bool httpd_head_target(const struct httpd_head *h, struct arena *a, const char **ret_path,
		       struct uri_param **ret_query, size_t *ret_nquery) MUST_CHECK;

/* ---- chunks */

enum httpd_chunks_state {
	CHUNKS_SIZE, /* reads a size; all zero is the beginning */
	CHUNKS_SIZE_END,
	CHUNKS_DATA,
	CHUNKS_DATA_END,
	CHUNKS_DATA_LF,
	CHUNKS_TRAILER,      /* at the beginning of a line behind the last chunk */
	CHUNKS_TRAILER_LINE, /* inside one */
	CHUNKS_LAST_LF,
	CHUNKS_DONE,
	CHUNKS_BAD,
};

struct httpd_chunks {
	enum httpd_chunks_state state;
	size_t left;   /* of the chunk */
	size_t digits; /* of its size */
	size_t trailer;
};

/* Takes bytes as they come and appends what they hold to `body`; how many it took, which is all of
 * them unless it is DONE, or BAD: malformed, or more than body_max. */
size_t httpd_chunks_take(struct httpd_chunks *c, struct slice bytes, size_t body_max,
			 struct strbuf *body) MUST_CHECK;

#endif
