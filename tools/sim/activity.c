/* See activity.h. */
#include "tools/sim/activity.h"

#include "common/base/xalloc.h"

enum { FORECAST_POINTS = 30 }; /* of each run: its horizon in days */

struct activity {
	int64_t sent[SUBJECT_COUNT];
	int64_t decided[FIELD_WORDS], inspected[FIELD_WORDS]; /* by the word's number */
	int64_t converted_handoffs;
};

enum of { OF_SENT, OF_DECISION, OF_INSPECTION, OF_CONVERTED, OF_POINTS };

/* In the order of the output, a group's figures together. */
static const struct figure {
	const char *group, *name;
	enum of of;
	enum subject_id subjects[3]; /* OF_SENT, OF_POINTS: their sum; 0 ends them */
	const char *word;            /* OF_DECISION, OF_INSPECTION */
} figures[] = {
	{"housekeeping",
	 "tasks",
	 OF_SENT,
	 {SUBJ_TASK_TURNOVER, SUBJ_TASK_STAYOVER, SUBJ_TASK_REPAIRED},
	 NULL},
	{"housekeeping", "assigned", OF_SENT, {SUBJ_TASK_ASSIGNED}, NULL},
	{"housekeeping", "reassigned", OF_SENT, {SUBJ_TASK_REASSIGNED}, NULL},
	{"housekeeping", "started", OF_SENT, {SUBJ_TASK_STARTED}, NULL},
	{"housekeeping", "completed", OF_SENT, {SUBJ_TASK_COMPLETED}, NULL},
	{"housekeeping", "escalated", OF_SENT, {SUBJ_TASK_ESCALATED}, NULL},
	{"housekeeping", "cancelled", OF_SENT, {SUBJ_TASK_CANCELLED}, NULL},
	{"housekeeping", "passed", OF_INSPECTION, {0}, "passed"},
	{"housekeeping", "failed", OF_INSPECTION, {0}, "failed"},
	{"lock", "keysRequested", OF_SENT, {SUBJ_KEY_REQUESTED}, NULL},
	{"lock", "keysIssued", OF_SENT, {SUBJ_KEY_ISSUED}, NULL},
	{"lock", "keysActivated", OF_SENT, {SUBJ_KEY_ACTIVATED}, NULL},
	{"lock", "keysSuspended", OF_SENT, {SUBJ_KEY_SUSPENDED}, NULL},
	{"lock", "keysRevoked", OF_SENT, {SUBJ_KEY_REVOKED}, NULL},
	{"lock", "keysFailed", OF_SENT, {SUBJ_KEY_FAILED}, NULL},
	{"lock", "granted", OF_SENT, {SUBJ_ACCESS_GRANTED}, NULL},
	{"lock", "denied", OF_SENT, {SUBJ_ACCESS_DENIED}, NULL},
	{"lock", "alerts", OF_SENT, {SUBJ_LOCK_ALERT}, NULL},
	{"funnel", "clicks", OF_SENT, {SUBJ_CLICKED}, NULL},
	{"funnel", "handoffs", OF_SENT, {SUBJ_HANDED_OFF}, NULL},
	{"funnel", "consumed", OF_SENT, {SUBJ_HANDOFF_CONSUMED}, NULL},
	{"funnel", "drafts", OF_SENT, {SUBJ_DRAFT_CREATED, SUBJ_DRAFT_LEFT}, NULL},
	{"funnel", "converted", OF_SENT, {SUBJ_DRAFT_CONVERTED}, NULL},
	{"funnel", "convertedHandoffs", OF_CONVERTED, {0}, NULL},
	{"ai", "inferences", OF_SENT, {SUBJ_INFERENCE_DONE}, NULL},
	{"ai", "accepted", OF_DECISION, {0}, "accepted"},
	{"ai", "edited", OF_DECISION, {0}, "edited"},
	{"ai", "rejected", OF_DECISION, {0}, "rejected"},
	{"ai", "expired", OF_DECISION, {0}, "expired"},
	{"forecast", "runs", OF_SENT, {SUBJ_FORECAST_AI, SUBJ_FORECAST_ORCHESTRATOR}, NULL},
	{"forecast", "points", OF_POINTS, {SUBJ_FORECAST_AI, SUBJ_FORECAST_ORCHESTRATOR}, NULL},
};

void activity_start(struct sim *s)
{
	for (uint32_t i = 0; i < s->nprops; i++)
		s->props[i].activity = xcalloc(1, sizeof(*s->props[i].activity));
}

void activity_free(struct sim *s)
{
	for (uint32_t i = 0; i < s->nprops; i++)
		free(s->props[i].activity);
}

void activity_count(struct sim *s, enum subject_id what, const struct event *ev)
{
	struct activity *a = s->props[ev->prop->index].activity;

	a->sent[what]++;
	if (what == SUBJ_GATE_DECIDED)
		a->decided[field_word(ev)]++;
	else if (what == SUBJ_TASK_INSPECTED)
		a->inspected[field_word(ev)]++;
	else if (what == SUBJ_DRAFT_CONVERTED && ev->rsv->channel == CHANNEL_META)
		a->converted_handoffs++;
}

static int64_t with_word(const int64_t counts[FIELD_WORDS], const char *const words[FIELD_WORDS],
			 const char *word)
{
	int64_t sum = 0;

	for (size_t i = 0; i < FIELD_WORDS; i++)
		sum += strcmp(words[i], word) == 0 ? counts[i] : 0;
	return sum;
}

static int64_t figure_of(const struct activity *a, const struct figure *f)
{
	int64_t sum = 0;

	switch (f->of) {
	case OF_DECISION:
		return with_word(a->decided, field_decisions, f->word);
	case OF_INSPECTION:
		return with_word(a->inspected, field_inspections, f->word);
	case OF_CONVERTED:
		return a->converted_handoffs;
	case OF_SENT:
	case OF_POINTS:
		for (size_t i = 0; i < ARRAY_SIZE(f->subjects) && f->subjects[i] != 0; i++)
			sum += a->sent[f->subjects[i]];
	}
	return f->of == OF_POINTS ? sum * FORECAST_POINTS : sum;
}

static int64_t sum_of(const struct sim *s, uint32_t first, uint32_t n, const struct figure *f)
{
	int64_t sum = 0;

	for (uint32_t i = first; i < first + n; i++)
		sum += figure_of(s->props[i].activity, f);
	return sum;
}

void activity_write(const struct sim *s, uint32_t first, uint32_t n, struct json_writer *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		const struct figure *f = &figures[i];
		bool begins = i == 0 || strcmp(f[-1].group, f->group) != 0;

		if (begins) {
			if (i > 0)
				jw_end(w);
			jw_key(w, f->group);
			jw_object(w);
		}
		jw_key(w, f->name);
		jw_i64(w, sum_of(s, first, n, f));
	}
	jw_end(w);
}

int64_t activity_figure(const struct sim *s, uint32_t first, uint32_t n, const char *group,
			const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		if (strcmp(figures[i].group, group) == 0 && strcmp(figures[i].name, name) == 0)
			return sum_of(s, first, n, &figures[i]);
	ASSERT(!"no such figure");
	return 0;
}
