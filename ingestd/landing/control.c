/* The subjects that ask for a job; see control.h. */
#include "ingestd/landing/control.h"

#define DELETED "melmastoon.tenant.deleted.v1"

/* The same list as in analytics_run.control_kind(), which the careful way asks; a test compares
 * them. */
static const struct {
	struct slice subject;
	const char *kind;
} controls[] = {
	{SLICE_INIT(DELETED), "purge"},
	{SLICE_INIT("melmastoon.tenant.region_changed.v1"), "region"},
	{SLICE_INIT("melmastoon.tenant.guest.erasure_requested.v1"), "erasure"},
	{SLICE_INIT("melmastoon.ai.forecast.produced.v1"), "forecast"},
	{SLICE_INIT("melmastoon.ai_orchestrator.forecast.produced.v1"), "forecast"},
};

const char *control_kind(const struct event *ev)
{
	for (size_t i = 0; i < ARRAY_SIZE(controls); i++) {
		if (slice_eq(ev->subject, controls[i].subject))
			return controls[i].kind;
	}
	return NULL;
}

bool control_buries(const struct event *ev)
{
	return slice_eq_str(ev->subject, DELETED);
}
