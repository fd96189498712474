/*
 * What went on in each hotel beside the stays, for the plan: tasks, keys and doors, the way from a
 * click to a booking, suggestions and forecasts. Counts of events that were sent; repeats,
 * conflicting copies and broken lines never come here.
 */
#ifndef SIM_ACTIVITY_H
#define SIM_ACTIVITY_H

#include "common/base/json.h"
#include "tools/sim/emit.h"

void activity_start(struct sim *s);
void activity_free(struct sim *s);
void activity_count(struct sim *s, enum subject_id what, const struct event *ev);

/* The members of an object, a group each, of hotels [first, first + n) together. */
void activity_write(const struct sim *s, uint32_t first, uint32_t n, struct json_writer *w);
/* One figure of these hotels; the group and the name are those that activity_write uses. */
int64_t activity_figure(const struct sim *s, uint32_t first, uint32_t n, const char *group,
			const char *name);

#endif
