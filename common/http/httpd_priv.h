/* L2, private to httpd.c and httpd_answer.c: the server and its requests. */
#ifndef COMMON_HTTPD_PRIV_H
#define COMMON_HTTPD_PRIV_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "common/daemon/metrics.h"
#include "common/http/httpd_conn.h"

#define HTTPD_MAGIC   OBJ_MAGIC(0x80)
#define REQUEST_MAGIC OBJ_MAGIC(0x81)
#define SERIES_CACHED 8  /* statuses of one route whose histogram is found without a search */
#define FIELDS_MAX    24 /* of an answer, that its handler sets */

struct series {
	const char *method; /* NULL: free */
	int status;
	struct metric *duration;
};

struct route {
	const struct httpd_route *row;
	void *arg;
	struct series series[SERIES_CACHED];
};

TAILQ_HEAD(request_list, httpd_request);

struct httpd {
	unsigned magic;
	struct event_base *base;
	struct httpd_limits limits;
	struct httpd_conns *conns;
	struct httpd_listener *listener; /* NULL before listening and after draining */
	struct route *routes;
	size_t nroutes;
	struct request_list open;
	size_t nopen;
	struct metric_family *duration;
	struct strbuf head; /* of the answer that is being written */
	int64_t date_s;     /* what `date` says, as seconds since 1970 */
	char date[48];
};

struct httpd_request {
	unsigned magic;
	TAILQ_ENTRY(httpd_request) link;
	struct httpd *h;         /* NULL: the server was freed first */
	struct httpd_conn *conn; /* NULL once settled */
	struct arena *arena;
	const struct httpd_head *head;
	struct slice body;
	char *body_owned;    /* of the heap; NULL: it lies in the arena */
	struct route *route; /* NULL: no route matched */
	const char *path, *correlation_id;
	struct uri_param params[URI_PARAMS_MAX], *query;
	size_t nparams, nquery;
	struct httpd_field fields[FIELDS_MAX]; /* of the answer */
	size_t nfields;
	int64_t started_us;
	struct event deadline;
	enum problem_code deadline_code;
	void (*on_gone)(void *);
	void *gone_arg;
	bool settled;   /* the client has its answer or left; the owner has not answered */
	bool body_once; /* nobody looks at the body after the handler */
};

/* Counts the request as ended with that status, 499 for a client that left. */
void httpd_observe(struct httpd_request *r, int status);
/* Writes a problem; r stays. */
void httpd_send_problem(struct httpd_request *r, enum problem_code code, const char *detail,
			const struct problem_violation *v, size_t n);
/* The owner has answered: r is gone. In httpd.c. */
void httpd_release(struct httpd_request *r);

#endif
