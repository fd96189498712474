/*
 * A structured request: metrics over a window, by dimensions and periods. Read from JSON and
 * checked whole: every fault is named by its field, nothing is guessed, an unknown member is a
 * fault. Strings live in the arena.
 *
 * Two requests have the same members: that of metrics/{key}:compute, whose metric is in the path,
 * and the `query` of queries:run, which names its metrics and may order and page its rows.
 *
 * compareTo: the window before, of the same length (previous_period), or the same time last year.
 * Both move by what keeps periods comparable: by whole months when the periods are months, quarters
 * or years (last year: the same months a year before), by whole weeks when they are weeks, else by
 * days (last year: 364, so that weekdays meet weekdays).
 */
#ifndef QUERYD_COMPUTE_REQUEST_H
#define QUERYD_COMPUTE_REQUEST_H

#include "common/base/arena.h"
#include "common/base/json.h"
#include "common/http/problem.h"
#include "queryd/compute/calendar.h"
#include "queryd/metric/metric.h"

#define REQUEST_BODY_MAX    ((size_t)64 * 1024)
#define REQUEST_DAYS_MAX    3660
#define REQUEST_METRICS_MAX 12
#define REQUEST_VALUES_MAX  200
#define REQUEST_ORDER_MAX   4
#define REQUEST_LIMIT_MAX   10000
#define REQUEST_LAG_MAX     366 /* params.days */
#define REQUEST_FAULTS_MAX  16

enum preset {
	PRESET_NONE, /* from and to are given */
	PRESET_TODAY,
	PRESET_YESTERDAY,
	PRESET_LAST_7_DAYS,
	PRESET_LAST_30_DAYS,
	PRESET_MTD,
	PRESET_YTD,
	PRESET_NEXT_30_DAYS,
	PRESET_COUNT,
};

enum comparison {
	COMPARE_NONE,
	COMPARE_PREVIOUS_PERIOD,
	COMPARE_SAME_TIME_LAST_YEAR,
	COMPARISON_COUNT
};

/* The windows of a request: the one asked for and, with compareTo, the one it is compared with. */
enum { WINDOW_ASKED, WINDOW_COMPARED, WINDOWS_MAX };

struct window {
	int32_t from, to; /* inclusive */
};

struct value_list {
	const char **values; /* sorted, without repeats */
	size_t n;
	bool given;
};

bool value_list_has(const struct value_list *l, const char *value);

/* What rows are ordered by, before their date and dimensions. */
struct order_term {
	enum { ORDER_DATE, ORDER_DIMENSION, ORDER_METRIC } kind;
	size_t index; /* dimension or metric of the request */
	bool descending;
};

struct request {
	const struct metric_def *metrics[REQUEST_METRICS_MAX];
	size_t nmetrics;
	enum preset preset;
	int32_t from, to; /* inclusive; of a preset once it is resolved */
	enum comparison comparison;
	struct calendar calendar; /* its weeks once it is resolved */
	unsigned dimensions;      /* asked for */
	struct value_list in[DIM_FILTERS], out[DIM_FILTERS];
	const char *currency; /* that amounts are converted to; NULL: they keep theirs */
	const char *as_of;    /* RFC 3339, UTC: as it was known then; NULL: now */
	bool as_of_now;       /* it was not given, and is the now of who resolved it */
	int64_t lag_days;     /* params.days; 0: not given */
	struct order_term order[REQUEST_ORDER_MAX];
	size_t norder;
	int64_t limit;      /* rows; 0: all */
	const char *cursor; /* of the page before, unchecked; NULL: the first page */
};

struct faults {
	struct problem_violation v[REQUEST_FAULTS_MAX];
	size_t n;
};

/* Adds a violation; `message` is formatted into the arena. Beyond the maximum they are dropped. */
void faults_add(struct faults *f, struct arena *a, const char *field, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* How a metric of that key and version (0: the newest) is found; NULL: there is none. */
typedef const struct metric_def *(*request_find_fn)(void *arg, const char *key, int64_t version);

/* The JSON object of a body (empty: no members); the caller frees it. NULL after a fault. */
struct json *request_parse(struct slice body, struct arena *a, struct faults *f) MUST_CHECK;
/* The version that metrics/{key}:compute asks for (0: the newest); faults otherwise. */
int64_t request_version(const struct json *body, struct arena *a, struct faults *f);
/* The body of metrics/{key}:compute. f->n > 0: not valid, ret undefined. */
void request_read_metric(const struct json *body, const struct metric_def *m, struct arena *a,
			 struct request *ret, struct faults *f);
/* The `query` of queries:run, likewise. A metric that `find` does not know stops the reading:
 * *ret_unknown is the member that names it, and f may be empty. */
void request_read_query(const struct json *query, request_find_fn find, void *arg, struct arena *a,
			struct request *ret, const char **ret_unknown, struct faults *f);
/* from/to of a GET (explain): the same checks. NULL = absent. */
void request_read_window(const char *from, const char *to, struct arena *a, struct request *ret,
			 struct faults *f);

/* A preset's dates, given the local today, and where weeks begin. */
void request_resolve(struct request *r, int32_t today, int week_start);
/* Its windows, once it is resolved; how many. */
size_t request_windows(const struct request *r, struct window ret[WINDOWS_MAX]);
void window_write(struct window w, struct json_writer *out); /* {from, to} */

/* Of several metrics: what at least one of them implies. */
unsigned request_group_dimensions(const struct request *r); /* asked for and implied */
bool request_has_share(const struct request *r);
bool request_has_history(const struct request *r);
bool request_uses_source(const struct request *r, size_t source);
/* Whether amounts of the source are converted: it then says the day of each. */
bool request_converts(const struct request *r, const struct source *s);

/* The request in one canonical form, the same for any two that mean the same (resolved). Without
 * `paging` it says what is asked, not which rows of it. */
void request_normal_form(const struct request *r, bool paging, struct strbuf *out);

#endif
