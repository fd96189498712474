/* Reading the head of a request; see httpd_head.h. */
#include "common/httpd_head.h"

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <strings.h>
#include <sys/queue.h>

#include "common/ulid.h"

#define CORRELATION_MAX 128
#define DIGITS          "0123456789"
#define ALPHANUMERIC    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS

/* s is not empty and has only these characters. */
static bool consists_of(const char *s, const char *allowed)
{
	size_t n = strspn(s, allowed);

	return n > 0 && s[n] == '\0';
}

const char *httpd_head_fault(const struct evhttp_request *ev)
{
	const char *length = NULL, *encoding = NULL;
	const struct evkeyval *field;
	int hosts = 0, lengths = 0, encodings = 0;

	TAILQ_FOREACH (field, ev->input_headers, next) {
		if (!consists_of(field->key, ALPHANUMERIC "!#$%&'*+-.^_`|~"))
			return "a header field name is not valid";
		if (strcasecmp(field->key, "Host") == 0) {
			hosts++;
		} else if (strcasecmp(field->key, "Content-Length") == 0) {
			lengths++;
			length = field->value;
		} else if (strcasecmp(field->key, "Transfer-Encoding") == 0) {
			encodings++;
			encoding = field->value;
		}
	}
	if (hosts > 1 || (hosts == 0 && ev->minor > 0))
		return "there must be one Host header field";
	if (lengths + encodings > 1)
		return "there must be one of Content-Length and Transfer-Encoding";
	if (lengths == 1 && !consists_of(length, DIGITS))
		return "Content-Length must be a number";
	if (encodings == 1 && (strcasecmp(encoding, "chunked") != 0 || ev->minor == 0))
		return "Transfer-Encoding must be chunked";
	return NULL;
}

bool httpd_head_body_unread(const struct evhttp_request *ev)
{
	bool reads = ev->type != EVHTTP_REQ_HEAD && ev->type != EVHTTP_REQ_TRACE &&
		     (int)ev->type <= EVHTTP_REQ_PATCH;

	return !reads && (evhttp_find_header(ev->input_headers, "Content-Length") != NULL ||
			  evhttp_find_header(ev->input_headers, "Transfer-Encoding") != NULL);
}

const char *httpd_head_method(const struct evhttp_request *ev)
{
	static const char *const names[] = {"GET",     "POST",  "HEAD",    "PUT",  "DELETE",
					    "OPTIONS", "TRACE", "CONNECT", "PATCH"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if ((int)ev->type == 1 << i)
			return names[i];
	return "other";
}

const char *httpd_head_correlation_id(const struct evhttp_request *ev, struct arena *a)
{
	const char *id = evhttp_find_header(ev->input_headers, "X-Correlation-Id");
	char made[ULID_LEN + 8];

	if (id == NULL || strlen(id) > CORRELATION_MAX || !consists_of(id, ALPHANUMERIC "._:-")) {
		ulid_prefixed("cor", made, sizeof(made));
		id = made;
	}
	return arena_strdup(a, id);
}

bool httpd_head_target(const struct evhttp_request *ev, struct arena *a, const char **ret_path,
		       struct uri_param **ret_query, size_t *ret_nquery)
{
	const char *target = ev->uri, *query;
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
	if (uri_decode(raw, false, path) < 0 ||
	    uri_parse_query(slice_of(*query == '?' ? query + 1 : query), a, ret_query, ret_nquery) <
		    0)
		return false;
	*ret_path = path;
	return true;
}
