/*
 * Events: from what happened to the line that a producer would send. Each subject (subjects.def)
 * has a payload template and a service, each service an envelope template (shape.c); both are
 * compiled once into pieces of literal text and fields (field.c).
 */
#ifndef SIM_EMIT_H
#define SIM_EMIT_H

#include "common/base/err.h"
#include "common/base/strbuf.h"
#include "tools/sim/sim.h"

enum subject_id {
#define SUBJECT(id, service, name, type, aggregate, retention, payload) SUBJ_##id,
#include "tools/sim/subjects.def"
#undef SUBJECT
	SUBJECT_COUNT
};

enum time_style {
	TIME_MILLIS,
	TIME_MICROS,
	TIME_SECONDS, /* the event is moved to the next full second */
	TIME_LOCAL    /* with the hotel's offset */
};

struct event;
struct field;

/* Literal text, then a field unless it is NULL. */
struct piece {
	const char *text;
	size_t len;
	const struct field *field;
};

struct template
{
	char *text; /* owns the literals */
	struct piece *pieces;
	size_t len;
};

struct shape {
	const char *name; /* E1 … E16 */
	enum time_style time;
	const char *envelope;
	struct template compiled;
};

struct service {
	const char *name, *version;
	unsigned shape; /* index in shapes[] */
	bool no_tenant; /* null in the envelope */
	bool new_id_per_delivery;
};

struct subject {
	const char *name; /* melmastoon.….v1 */
	const struct service *service;
	const struct shape *shape;
	struct slice domain;
	const char *aggregate_type, *retention;
	struct template aggregate, payload;
	bool selected;
	int64_t sent;
};

struct event {
	const struct sim *sim;
	const struct subject *subject;
	int64_t at_us;
	uint64_t serial;
	const struct tenant *tenant;
	const struct property *prop;
	const struct rsv *rsv;   /* or NULL */
	const struct room *room; /* or NULL */
	uint32_t a;
	int64_t b;
	unsigned attempt; /* of delivery, 0 = first */
	bool conflict;    /* same id, another payload */
	bool other_id;
};

struct field {
	const char *name;
	void (*put)(struct strbuf *b, const struct event *ev, int arg);
	int arg;
};

/* ---- field.c, field_stay.c */
#define FIELD_WORDS 4 /* that a word of an event is drawn from */
extern const struct field field_table[], field_stay_table[];
extern const size_t field_count, field_stay_count;
extern const char *const field_decisions[FIELD_WORDS], *const field_inspections[FIELD_WORDS];
/* Which of its words an event has. */
unsigned field_word(const struct event *ev);

/* ---- shape.c: the subjects, compiled. The templates are ours: a mistake in one is a bug. */
struct subject *shape_subjects_new(void) MUST_CHECK; /* SUBJECT_COUNT of them */
void shape_subjects_free(struct subject *subjects);
void shape_put_event(struct strbuf *b, const struct event *ev); /* the whole line, no newline */
void shape_put_aggregate(struct strbuf *b, const struct event *ev);
void shape_put_payload(struct strbuf *b, const struct event *ev);
bool shape_known(struct slice name);

/* ---- emit.c */
struct counts {
	int64_t good, late, repeats, conflicts, broken;
};

struct emitter *emit_new(struct sim *s, FILE *out) MUST_CHECK;
void emit_free(struct emitter *e);
/* Sends the event that p describes: subject p->what at p->at_us. True when it is among the selected
 * ones, so that the plan may count what it did. */
bool emit(struct sim *s, const struct pending *p);
/* What is still on its way. -EIO when the output failed at any time. */
int emit_finish(struct sim *s, struct err *e) MUST_CHECK;
struct counts emit_counts(const struct emitter *e);
const struct subject *emit_subjects(const struct emitter *e); /* SUBJECT_COUNT, with `sent` */

#endif
