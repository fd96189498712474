/*
 * How a result leaves: the cached part is the same for every reader until the data change; age,
 * quality and whether the business date is still open are added when answering.
 */
#ifndef QUERYD_COMPUTE_ANSWER_H
#define QUERYD_COMPUTE_ANSWER_H

#include "common/base/json.h"
#include "common/http/httpd.h"
#include "queryd/tenant/tenants.h"

struct answer {
	struct slice data;         /* a JSON object */
	const char *key;           /* cache key */
	const char *versions;      /* of the data: "12,7" */
	const char *cache;         /* HIT, MISS, STALE, BYPASS: literals */
	int64_t bytes;             /* read for this answer */
	int64_t now_us, oldest_us; /* as of now_us; the oldest event that waited then, 0: none */
	enum quality quality;
	bool partial;  /* the window ends on a business date that is not over */
	int64_t db_us; /* time in the database, 0: none */
};

/* What is added when answering, as members of an open object. */
void answer_write_state(const struct answer *a, struct json_writer *w);
/* The whole object. */
void answer_write(const struct answer *a, struct strbuf *out);
void answer_set_headers(struct httpd_request *http, const struct answer *a);
/* Whether If-None-Match lists the tag, weak (W/"…") or not ("…"); NULL: no. */
bool answer_tag_listed(const char *list, const char *etag);
/* 200, or 304 when the client has it already. Ends the request. */
void answer_send(struct httpd_request *http, const struct answer *a);

#endif
