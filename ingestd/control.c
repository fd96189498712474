/* The subjects that ask for a job; see control.h. */
#include "ingestd/control.h"

/* What job each asks for says analytics_run.control_kind(); a test compares the two lists. */
static const struct slice subjects[] = {
	SLICE_INIT("melmastoon.tenant.deleted.v1"),
	SLICE_INIT("melmastoon.tenant.region_changed.v1"),
	SLICE_INIT("melmastoon.tenant.guest.erasure_requested.v1"),
	SLICE_INIT("melmastoon.ai.forecast.produced.v1"),
	SLICE_INIT("melmastoon.ai_orchestrator.forecast.produced.v1"),
};

bool control_event(const struct event *ev)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (slice_eq(ev->subject, subjects[i]))
			return true;
	}
	return false;
}
