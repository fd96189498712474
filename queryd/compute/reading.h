/*
 * Reading the members of a request, one function a member; private to request_read.c and the files
 * beside it. Each adds a fault for what is not valid, and otherwise sets what the member says.
 */
#ifndef QUERYD_COMPUTE_READING_H
#define QUERYD_COMPUTE_READING_H

#include "queryd/compute/request.h"

/* What one member's reader works with. */
struct reading {
	struct arena *arena;
	struct request *request;
	struct faults *faults;
	request_find_fn find; /* of queries:run */
	void *arg;
	const char *unknown; /* the member that names a metric which there is not */
};

/* The string of v, in the arena; NULL after a fault. */
const char *reading_string(struct reading *rd, const struct json *v, const char *field);
/* Position of v among the names (holes are NULL), or -1 after a fault that lists them. */
int reading_name(struct reading *rd, const struct json *v, const char *field,
		 const char *const *names, size_t n);

/* What rows there are (reading_rows.c): periods, dimensions, filters, order, pages. */
void reading_granularity(struct reading *rd, const struct json *v);
void reading_calendar(struct reading *rd, const struct json *v);
void reading_dimensions(struct reading *rd, const struct json *v);
void reading_filters(struct reading *rd, const struct json *v);
void reading_order_by(struct reading *rd, const struct json *v);
void reading_limit(struct reading *rd, const struct json *v);
void reading_cursor(struct reading *rd, const struct json *v);

#endif
