/*
 * A metric request, read from JSON and checked whole: every fault is named by its field, nothing is
 * guessed, an unknown member is a fault. Strings live in the arena.
 */
#ifndef QUERYD_REQUEST_H
#define QUERYD_REQUEST_H

#include "common/arena.h"
#include "common/json.h"
#include "common/problem.h"
#include "queryd/metric.h"

#define REQUEST_BODY_MAX   ((size_t)64 * 1024)
#define REQUEST_DAYS_MAX   3660
#define REQUEST_VALUES_MAX 200
#define REQUEST_FAULTS_MAX 16

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

struct value_list {
	const char **values; /* sorted, without repeats */
	size_t n;
	bool given;
};

bool value_list_has(const struct value_list *l, const char *value);

struct request {
	const struct metric_def *metric;
	enum preset preset;
	int32_t from, to; /* inclusive; of a preset once it is resolved */
	enum granularity granularity;
	unsigned dimensions; /* asked for */
	struct value_list in[DIM_FILTERS], out[DIM_FILTERS];
};

struct faults {
	struct problem_violation v[REQUEST_FAULTS_MAX];
	size_t n;
};

/* Adds a violation; `message` is formatted into the arena. Beyond the maximum they are dropped. */
void faults_add(struct faults *f, struct arena *a, const char *field, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The version a body asks for (0: the newest), before the metric is known; faults otherwise. */
int64_t request_version(struct slice body, struct arena *a, struct faults *f);
/* Reads the body of metrics/{key}:compute. f->n > 0: not valid, ret undefined. */
void request_read(struct slice body, const struct metric_def *m, struct arena *a,
		  struct request *ret, struct faults *f);
/* from/to of a GET (explain): the same checks. NULL = absent. */
void request_read_window(const char *from, const char *to, struct arena *a, struct request *ret,
			 struct faults *f);
/* A preset's dates, given the local today. */
void request_resolve(struct request *r, int32_t today);
/* Its dates as a JSON object {from, to}. */
void request_write_window(const struct request *r, struct json_writer *w);
/* The request in one canonical form, the same for any two that mean the same (dates resolved). */
void request_normal_form(const struct request *r, struct strbuf *out);

#endif
