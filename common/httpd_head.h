/*
 * L2, private to httpd.c: what the head of a request says, and whether to believe it. evhttp is
 * lenient; what it takes one way and a proxy in front of us might take another (request smuggling)
 * is refused here.
 */
#ifndef COMMON_HTTPD_HEAD_H
#define COMMON_HTTPD_HEAD_H

#include "common/arena.h"
#include "common/uri.h"

struct evhttp_request;

/* What makes the extent or the target of the request doubtful, in words, or NULL. */
const char *httpd_head_fault(const struct evhttp_request *ev);
/* evhttp reads no body for this method although there is one: what follows on the connection would
 * be taken for the next request. */
bool httpd_head_body_unread(const struct evhttp_request *ev);
const char *httpd_head_method(const struct evhttp_request *ev); /* "other" if it is none of HTTP */
/* The client's when it is harmless, else a new one; in the arena. */
const char *httpd_head_correlation_id(const struct evhttp_request *ev, struct arena *a);
/* Decoded path and query of "/x?y" or "http://host/x?y". false: malformed; an encoded slash is, for
 * it would move the borders between segments. */
bool httpd_head_target(const struct evhttp_request *ev, struct arena *a, const char **ret_path,
		       struct uri_param **ret_query, size_t *ret_nquery) MUST_CHECK;

#endif
